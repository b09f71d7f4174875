"""The key a request carries, and whether it is its source's. PURE."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs

from ingest.draft import Request, Unauthentic
from ingest.registry import Source

_MOST_PARAMETERS = 50  # of an address that a key is looked for in


def presented(request: Request) -> str | None:
    """The key: `Authorization: Bearer KEY`, `Basic KEY:` (as Segment's SDKs send it), or `?key=KEY` (beacons of SDKs:
    `?writeKey=KEY`), which is for public keys only, because addresses end up in logs and an HTML form cannot send a
    header."""
    authorization = request.headers.get(b"authorization")
    if authorization is not None:
        if authorization[:7].lower() == b"bearer ":
            return authorization[7:].decode("latin-1").strip() or None
        user, _ = basic(request)
        return user or None
    if b"key=" not in request.query.lower() or request.query.count(b"&") >= _MOST_PARAMETERS:
        return None
    told = parse_qs(request.query.decode("latin-1"))
    return next(iter(told.get("key") or told.get("writeKey") or ()), None)


def basic(request: Request) -> tuple[str, str]:
    """User name and password of `Authorization: Basic`; empty where there is none."""
    scheme, _, value = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password


def verify(
    request: Request, source: Source, now: datetime, elsewhere: Callable[[Request], str | None] | None = None
) -> None:
    """Raises Unauthentic unless the request carries a key of `source` that is in force, by a way it may take. A tool
    that has its key in a place of its own says where: `elsewhere`."""
    key = presented(request)
    if key is not None and source.holds(key, now):
        if source.access == "secret" and in_address(request):
            raise Unauthentic  # it is in a log already: rotate it
        return
    key = elsewhere(request) if elsewhere is not None else None
    if key is None or not source.holds(key, now):
        raise Unauthentic


def in_address(request: Request) -> bool:
    """Whether the key presented stands in the URL."""
    return b"authorization" not in request.headers


def verify_webhook(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic unless a webhook carries a key of `source`: as the password of `Basic` (with any user name),
    as its user name, as `Bearer`, or as `?key=`, because an address is all that many tools can be given."""
    key = basic(request)[1] or presented(request)
    if key is None or not source.holds(key, now):
        raise Unauthentic
