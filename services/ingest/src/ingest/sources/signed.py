"""HMAC-SHA256 beside what it signs, as most tools prove themselves. PURE."""

import base64
import hmac

from ingest.draft import Unauthentic
from ingest.registry import Source


def by_hmac(source: Source, signed: bytes, given: bytes) -> None:
    """Raises Unauthentic unless `given` is the signature of `signed`, in hexadecimal, by a secret of the source."""
    _one_of([digest.hex().encode() for digest in _digests(source, signed)], given)


def by_hmac_base64(source: Source, signed: bytes, given: bytes) -> None:
    """The same, where the signature is told in base64."""
    _one_of([base64.b64encode(digest) for digest in _digests(source, signed)], given)


def _digests(source: Source, signed: bytes) -> list[bytes]:
    return [hmac.digest(secret.value, signed, "sha256") for secret in source.secrets]


def _one_of(expected: list[bytes], given: bytes) -> None:
    if not any(hmac.compare_digest(each, given) for each in expected):
        raise Unauthentic
