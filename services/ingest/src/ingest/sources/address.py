"""The address a tool called, for those that sign it. PURE."""

import base64
import binascii
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from ingest.draft import Request
from ingest.registry import Source


def called(request: Request, source: Source) -> str:
    """The source's `url`, with what the request adds to it: the user and password a tool's address held, and its query.

    Neither the host nor the scheme is taken from the request: a proxy in between has its own.
    """
    parts = urlsplit(source.url or "")
    scheme, _, told = (request.header(b"authorization") or "").partition(" ")
    if "@" not in parts.netloc and scheme.lower() == "basic":
        with suppress(binascii.Error, ValueError):
            parts = parts._replace(netloc=f"{base64.b64decode(told.strip(), validate=True).decode()}@{parts.netloc}")
    return urlunsplit(parts if parts.query else parts._replace(query=request.query.decode("latin-1")))
