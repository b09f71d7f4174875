"""sources.yaml while ingest runs: read again when it changes, the last good one kept; and how fast each may send."""

import logging
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from prometheus_client import Gauge

from ingest.registry import Rate, Source, Sources, SourcesError, load

log = logging.getLogger(__name__)

UNREADABLE = Gauge("relevo_ingest_sources_unreadable", "1 while sources.yaml has an error and an older version is used")
_PUBLIC_RATE = Rate(per_second=50, burst=500)  # of a public source that names none: its key is anybody's


class Watched:
    """The sources of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._buckets: dict[str, _Bucket] = {}
        self.now = Sources()
        self.problems: list[str] = [f"{path} has not been read"]
        self.loaded = False
        self.look()

    def look(self) -> None:
        """Read the file again if it has changed. A bad one changes nothing, is logged, and shown by GET /v1/sources."""
        try:
            stat = self._path.stat()  # through symbolic links: Kubernetes swaps one to publish a Secret
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.now, self.problems, self.loaded = load(self._path.read_text()), [], True
            self._buckets = {}
            log.info("sources read", extra={"sources": len(self.now.by_name)})
        except OSError as error:
            self._stamp = None
            self._bad([f"{self._path.name} cannot be read: {error.strerror}"])
        except UnicodeDecodeError:
            self._bad([f"{self._path.name} is not UTF-8"])
        except SourcesError as error:
            self._bad(error.problems)
        UNREADABLE.set(bool(self.problems))

    def wait_for(self, source: Source, touchpoints: int) -> int | None:
        """How many seconds `source` must wait before it may send so many; None when it may now, and has."""
        rate = source.rate or (_PUBLIC_RATE if source.access == "public" else None)
        if rate is None:
            return None
        bucket = self._buckets.get(source.name)
        if bucket is None:
            bucket = self._buckets[source.name] = _Bucket(rate, rate.burst, monotonic())
        return bucket.take(touchpoints)

    def _bad(self, problems: list[str]) -> None:
        if problems != self.problems:
            log.error("sources.yaml not taken, the last good version stays", extra={"problems": problems})
        self.problems = problems


@dataclass
class _Bucket:
    rate: Rate
    tokens: float
    at: float

    def take(self, count: int) -> int | None:
        now = monotonic()
        self.tokens = min(self.rate.burst, self.tokens + (now - self.at) * self.rate.per_second)
        self.at = now
        # A batch larger than the burst passes once the bucket is full, and leaves it in debt.
        if self.tokens >= min(count, self.rate.burst):
            self.tokens -= count
            return None
        return 1 + int((min(count, self.rate.burst) - self.tokens) / self.rate.per_second)
