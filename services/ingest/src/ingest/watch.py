"""sources.yaml while ingest runs: read again when it changes, the last good one kept; and how fast each may send."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from prometheus_client import Gauge

from ingest.registry import Rate, Secret, Source, Sources, SourcesError, load

log = logging.getLogger(__name__)

UNREADABLE = Gauge("relevo_ingest_sources_unreadable", "1 while sources.yaml has an error and an older version is used")
_PUBLIC_RATE = Rate(per_second=50, burst=500)  # of a public source that names none: its key is anybody's


Stamp = tuple[int, int, int] | None


class Watched:
    """The sources of one file, and the secrets it refers to."""

    def __init__(self, path: Path, public_url: str | None = None) -> None:
        self._path, self._public_url = path, public_url
        self._stamp: Stamp = None
        self._secrets: dict[Path, Stamp] = {}  # files the last reading looked into
        self._buckets: dict[str, _Bucket] = {}
        self.now = Sources()
        self.problems: list[str] = [f"{path} has not been read"]
        self.loaded = False
        self.look()

    def look(self) -> None:
        """Read the file again if it, or a secret, has changed. A bad one changes nothing, is logged, and shown by
        GET /v1/sources."""
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp and all(_stamp_or_none(file) == seen for file, seen in self._secrets.items()):
                return
            self._stamp, self._secrets = stamp, {}
            self.now = load(self._path.read_text(), self._reveal, self._public_url)
            self.problems, self.loaded = [], True
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

    def _reveal(self, secret: Secret) -> str:
        """What a reference in the file stands for. Raises ValueError, for `load` to tell."""
        if secret.file is None:
            value = os.environ.get(secret.env or "", "")
            missing = f"the variable {secret.env} is not set"
        else:
            path = self._path.parent / secret.file
            self._secrets[path] = _stamp_or_none(path)
            missing = f"{secret.file} is not there, empty, or not ours to read"
            try:
                value = path.read_text()
            except (OSError, UnicodeDecodeError):
                value = ""
        if not (value := value.strip()):
            raise ValueError(missing)
        return value

    def _bad(self, problems: list[str]) -> None:
        if problems != self.problems:
            log.error("sources.yaml not taken, the last good version stays", extra={"problems": problems})
        self.problems = problems


def _stamp(path: Path) -> Stamp:
    stat = path.stat()  # through symbolic links: Kubernetes swaps one to publish a Secret
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _stamp_or_none(path: Path) -> Stamp:
    try:
        return _stamp(path)
    except OSError:
        return None


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
