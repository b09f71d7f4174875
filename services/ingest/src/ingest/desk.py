"""What ingest's doors work with while the process runs: sources, journal, secret, clock; and its loops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache

from prometheus_client import Counter

from ingest.errands import Errands
from ingest.journal import Journal, NotDurable
from ingest.registry import Source
from ingest.segments import Segments
from ingest.settings import Settings
from ingest.spool import Spool
from ingest.watch import Watched
from relevo.service import Problem, Service
from relevo.stream.kafka import Outgoing

TOUCHPOINTS = Counter("relevo_ingest_touchpoints", "Touchpoints by source and what became of them", ["source", "what"])
counted = cache(TOUCHPOINTS.labels)  # a look-up instead of a lock, for what is counted with every request


class CannotStart(Exception):
    """Something in its environment has to be mended first; the message says what."""


class Desk:
    """One per process; its parts are there while `opened`."""

    sources: Watched
    secret: bytes
    spool: Spool
    journal: Journal
    errands: Errands
    _service: Service

    @asynccontextmanager
    async def opened(self, service: Service) -> AsyncIterator["Desk"]:
        """Opens the spool and reads the sources. Raises CannotStart."""
        settings = service.settings
        assert isinstance(settings, Settings)
        if settings.secret is None:
            raise CannotStart("set RELEVO_SECRET, the installation secret that subject ids are made with")
        self._service, self.secret = service, settings.secret.get_secret_value().encode()
        try:
            segments = Segments(settings.spool)
        except OSError as error:
            raise CannotStart(str(error)) from None
        self.spool = Spool(segments, settings.spool_limit)
        self.sources = Watched(settings.sources, settings.public_url)
        self.errands = Errands(local=settings.local)
        self.journal = Journal(service.producer, self.spool)
        try:
            yield self
        finally:
            await self.errands.close()
            await self.journal.close()
            await self.spool.close()

    def now(self) -> datetime:
        return self._service.now()

    def real_now(self) -> datetime:
        """What strangers' signatures are checked against: no test or demo moves it."""
        return datetime.now(UTC)

    def rated(self, source: Source, touchpoints: int) -> None:
        """Raises Problem 429 where `source` sends faster than it may."""
        seconds = self.sources.wait_for(source, touchpoints)
        if seconds is not None:
            counted(source.name, "too_fast").inc(touchpoints)
            raise Problem(
                429,
                "Too fast",
                detail="This source has a rate limit; send again after Retry-After seconds.",
                headers={"Retry-After": str(seconds)},
            )

    async def keep(self, records: list[Outgoing]) -> None:
        """Returns when all are durable. Raises Problem 503: nothing was promised."""
        try:
            await self.journal.accept(records)
        except NotDurable as because:
            raise Problem(
                503,
                "Not kept",
                detail=f"Neither the broker nor the disk takes it now ({because}); send the same request again.",
                headers={"Retry-After": "5"},
            ) from None

    async def missing(self, service: Service) -> list[str]:
        """What readiness waits for: sources, and one place that keeps touchpoints, Kafka or the spool."""
        missing = [] if self.sources.loaded else self.sources.problems
        if not self.journal.straight_to_kafka and not self.spool.has_room:
            missing = [*missing, "Kafka, and the spool is full"]
        return missing

    # Loops.

    async def drain(self, service: Service) -> None:
        """Bring the spool to Kafka."""
        await self.journal.drain(lambda wake, seconds: service.until_any(wake, seconds=seconds))

    async def watch(self, service: Service) -> None:
        """Read sources.yaml again when it changes."""
        while True:
            await service.until_any(seconds=1.0)
            self.sources.look()

    async def mind_disk(self, service: Service) -> None:
        """End the process after a failed sync: only a new start knows what the disk holds."""
        while True:
            await service.until_any(self.spool.broken, seconds=30)
            if self.spool.broken.is_set():
                raise RuntimeError("the spool's disk did not confirm a sync; start again from what it kept")
