"""Jitsu's HTTP API (`/api/s/track`, from servers `/api/s/s2s/track`): Segment's calls under a key of its own. PURE.

https://docs.jitsu.com/sending-data/http
"""

from collections.abc import Sequence
from datetime import datetime

from ingest import keys
from ingest.draft import Outcome, Request
from ingest.registry import Source
from ingest.sources import segment

CALLS = (*segment.CALLS, "event", "batch")
ADDRESSES = tuple(f"{base}{call}" for base in ("/api/s/", "/api/s/s2s/") for call in CALLS)


def write_key(request: Request) -> str | None:
    """Of `X-Write-Key: ID:KEY` or `Authorization: Basic ID:KEY` the key; its SDKs insist on an id, which is anything.
    A body's `writeKey` comes masked from them."""
    told = request.header(b"x-write-key") or keys.basic(request)[1]
    return told.rpartition(":")[2].strip() or segment.write_key(request)


def verify(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic."""
    keys.verify(request, source, now, write_key)


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return segment.normalise(request, source, now)
