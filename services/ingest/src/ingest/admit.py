"""Who may come in: the source a request's key belongs to, from a page that may send."""

from collections.abc import Callable
from datetime import datetime

from ingest import keys
from ingest.draft import Request, Unauthentic, Unusable
from ingest.registry import Source, Sources
from ingest.sources import Tool
from relevo.service import Problem


def by_key(
    sources: Sources, request: Request, now: datetime, elsewhere: Callable[[Request], str | None] | None = None
) -> Source:
    """The source whose key the request carries, in a header, in the address (public ones only) or, for SDKs, where
    `elsewhere` finds it, beside a token that is none of ours. Raises Problem 401 or 403."""
    key = keys.presented(request)
    source = sources.of_key(key, now) if key is not None else None
    if source is not None and source.access == "secret" and keys.in_address(request):
        raise _unauthentic()
    if source is None and elsewhere is not None and (key := elsewhere(request)) is not None:
        source = sources.of_key(key, now)
    if source is None:
        raise _unauthentic()
    _from_its_pages(request, source)
    return source


def by_name(sources: Sources, name: str, tool: Tool, request: Request, now: datetime) -> Source:
    """The source called `name`, if the request proves to come from it. Raises Problem 401 or 403."""
    source = sources.by_name.get(name)
    try:
        if source is None or source.is_webhook:
            raise Unauthentic
        tool.verify(request, source, now)
    except Unauthentic:
        raise _unauthentic("the key of the source that the address names") from None
    _from_its_pages(request, source)
    return source


def prove(tool: Tool, request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic unless a webhook proves to come from `source` by everything its entry holds: a key, a
    signature, or both. Raises Wanted where the signature cannot be checked yet."""
    if source.keys and not source.key_asks:
        keys.verify_webhook(request, source, now)
    if source.signed:
        try:
            tool.verify(request, source, now)
        except (Unusable, UnicodeEncodeError):  # it cannot be read, so nothing in it proves anything
            raise Unauthentic from None


def _unauthentic(which: str = "a key of a source in sources.yaml") -> Problem:
    return Problem(
        401,
        "Key missing or wrong",
        detail=f"Send `Authorization: Bearer KEY` with {which}; "
        "a public source's key may also stand in the address: `?key=KEY`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _from_its_pages(request: Request, source: Source) -> None:
    origin = request.header(b"origin")
    if source.access == "public" and source.origins and origin is not None and not source.allows_origin(origin):
        raise Problem(403, "Origin not allowed", detail="Add the page's origin to the source in sources.yaml.")
