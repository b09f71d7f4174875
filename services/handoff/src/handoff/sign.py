"""PURE: signatures of Standard Webhooks 1.0 (symmetric, `v1`)."""

import hmac
import os
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence

PREFIX = "whsec_"
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
