"""Signatures of Standard Webhooks 1.0 (symmetric, `v1`): ours, and those of who answers."""

import hmac
import os
import time
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
TOLERANCE = 300  # seconds between the sender's clock and ours
SHORTEST, LONGEST = 24, 64  # bytes, by the standard


def new_secret() -> str:
    """A random secret as the receiver types it into its settings."""
    return PREFIX + b64encode(os.urandom(32)).decode()


def secret_key(secret: str) -> bytes:
    """The key that `secret` writes, with or without prefix and padding. Raises ValueError, which never shows it."""
    written = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = b64decode(written + "=" * (-len(written) % 4), validate=True)
    except Error:
        raise ValueError(f"a secret is {PREFIX} and base64") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"a secret has {SHORTEST} to {LONGEST} bytes")
    return key


def signatures(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret (several while one is being replaced).

    `timestamp` is in Unix seconds; `webhook_id` holds no full stop, or two messages could sign alike.
    """
    if "." in webhook_id:
        raise ValueError("a webhook-id holds no full stop")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join("v1," + b64encode(hmac.digest(secret_key(secret), signed, "sha256")).decode() for secret in secrets)


class Forged(Exception):
    """Not signed by whom it says, or not now. The text is for its sender."""


def check_age(seconds: str | None, *, per_second: int = 1) -> float:
    """The moment a sender signed at, in Unix seconds. Raises Forged where it is none, or more than five minutes off:
    by the real clock, since strangers keep it."""
    if seconds is None or not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 15:
        raise Forged("the timestamp is missing")
    at = int(seconds) / per_second
    if abs(time.time() - at) > TOLERANCE:
        raise Forged("the timestamp is more than five minutes off")
    return at


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> None:
    """A message that somebody else signed as Standard Webhooks has it, with one of `secrets`. Raises Forged."""
    webhook_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp")
    check_age(sent_at)
    if not webhook_id or "." in webhook_id or len(webhook_id) > 200 or not webhook_id.isprintable():
        raise Forged("the webhook-id is missing")
    given = headers.get("webhook-signature", "")[:2000].encode(errors="replace").split(b" ")
    for ours in signatures(secrets, webhook_id, int(sent_at or 0), body).encode().split(b" "):
        if any(hmac.compare_digest(ours, theirs) for theirs in given):
            return
    raise Forged("no signature fits: sign with the secret of this endpoint")
