"""HMAC-SHA256 beside what it signs, as most tools prove themselves. PURE."""

import hmac

from ingest.draft import Unauthentic
from ingest.registry import Source


def by_hmac(source: Source, signed: bytes, given: bytes) -> None:
    """Raises Unauthentic unless `given` is the signature of `signed`, in hexadecimal, by a secret of the source."""
    if not any(
        hmac.compare_digest(hmac.digest(secret.value, signed, "sha256").hex().encode(), given)
        for secret in source.secrets
    ):
        raise Unauthentic
