"""The address a tool called, for those that sign it. PURE."""

import base64
import binascii
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from ingest.draft import Request
from ingest.registry import Source


def called(request: Request, source: Source) -> str:
    """The source's `url`, with the user, password and query that the tool's address holds, as the request shows them.

    Neither the host nor the scheme is taken from the request: a proxy in between has its own.
    """
    parts = urlsplit(source.url or "")._replace(query=request.query.decode("latin-1"))
    scheme, _, told = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(binascii.Error, ValueError):
            parts = parts._replace(netloc=f"{base64.b64decode(told.strip(), validate=True).decode()}@{parts.netloc}")
    return urlunsplit(parts)
