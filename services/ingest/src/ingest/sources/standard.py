"""The signature of Standard Webhooks (and of Svix, from which it came), as several tools send it. PURE.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: HMAC-SHA256 over
`id.timestamp.body` under the base64 after `whsec_`; several signatures while a secret is rotated; five minutes at most.
"""

import base64
import binascii
import hmac
from datetime import datetime

from ingest.draft import Request, Unauthentic
from ingest.registry import Source

TOLERANCE = 300.0  # seconds


def verify(request: Request, source: Source, now: datetime) -> None:
    told_id, told_at, told = (_header(request, name) or b"" for name in ("id", "timestamp", "signature"))
    seconds = in_time(told_at, now)
    given = [value for version, _, value in (one.partition(b",") for one in told.split()) if version == b"v1"]
    signed = b".".join((told_id, b"%d" % seconds, request.body))  # whole seconds, as the reference libraries do
    expected = [
        base64.b64encode(hmac.digest(key, signed, "sha256")) for key in map(_key, (s.value for s in source.secrets))
    ]
    if not told_id or not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise Unauthentic


def message_id(request: Request) -> str | None:
    """The event's id, the same in every try."""
    found = _header(request, "id")
    return found.decode("latin-1") if found else None


def in_time(at: bytes, now: datetime, scale: float = 1.0) -> float:
    """The seconds since 1970 of a signed time told in units of `scale` seconds. Raises Unauthentic unless it is within
    the tolerance."""
    try:
        seconds = float(at) * scale
    except ValueError:
        raise Unauthentic from None
    if not abs(now.timestamp() - seconds) <= TOLERANCE:  # not: NaN is no time
        raise Unauthentic
    return seconds


def _header(request: Request, name: str) -> bytes | None:
    return request.headers.get(f"webhook-{name}".encode()) or request.headers.get(f"svix-{name}".encode())


def _key(secret: bytes) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return secret
