"""The key a request carries, and whether it is its source's. PURE."""

import base64
import binascii
from datetime import datetime
from urllib.parse import parse_qs

from ingest.draft import Request, Unauthentic
from ingest.registry import Source


def presented(request: Request) -> str | None:
    """The key: `Authorization: Bearer KEY`, `Basic KEY:` (as Segment's SDKs send it), or `?key=KEY`, which is for
    public keys only, because addresses end up in logs and an HTML form cannot send a header."""
    authorization = request.headers.get(b"authorization")
    if authorization is not None:
        scheme, _, value = authorization.decode("latin-1").partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer":
            return value or None
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
            except (binascii.Error, ValueError):
                return None
        return None
    if b"key=" in request.query:
        keys = parse_qs(request.query.decode("latin-1"), max_num_fields=50).get("key")
        return keys[0] if keys else None
    return None


def verify(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic unless the request carries a key of `source` that is in force, by a way it may take."""
    key = presented(request)
    if key is None or not source.holds(key, now):
        raise Unauthentic
    if source.access == "secret" and in_address(request):
        raise Unauthentic  # it is in a log already: rotate it


def in_address(request: Request) -> bool:
    """Whether the key presented stands in the URL."""
    return b"authorization" not in request.headers


def verify_webhook(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic unless a webhook carries a key of `source`: as the password of `Basic` (with any user name),
    as its user name, as `Bearer`, or as `?key=`, because an address is all that many tools can be given."""
    key = _password(request) or presented(request)
    if key is None or not source.holds(key, now):
        raise Unauthentic


def _password(request: Request) -> str | None:
    scheme, _, value = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2] or None
    except (binascii.Error, ValueError):
        return None
