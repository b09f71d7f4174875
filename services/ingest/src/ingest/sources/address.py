"""The address a tool called, for those that sign it. PURE."""

from urllib.parse import urlsplit, urlunsplit

from ingest.draft import Request
from ingest.keys import basic
from ingest.registry import Source


def called(request: Request, source: Source) -> str:
    """The source's `url`, with the user, password and query that the tool's address holds, as the request shows them.

    Neither the host nor the scheme is taken from the request: a proxy in between has its own.
    """
    parts = urlsplit(source.url or "")._replace(query=request.query.decode("latin-1"))
    user, password = basic(request)
    if user or password:
        parts = parts._replace(netloc=f"{user}:{password}@{parts.netloc}")
    return urlunsplit(parts)
