"""A service: what it is made of, what its handlers, routes and loops may ask of it, and what SREs may."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from relevo.events import Topic
from relevo.service import metrics
from relevo.service.clock import Clock, FileClock
from relevo.service.life import Only, Stopping, live
from relevo.service.operate import health, letters
from relevo.service.settings import Settings
from relevo.service.tokens import Tokens
from relevo.service.web import create_app
from relevo.stream import Database, Handler, NoPlaybook, Transaction, connect
from relevo.stream.consumer import Consumer
from relevo.stream.handlers import Handlers, index
from relevo.stream.kafka import KafkaAway, Producer
from relevo.stream.playbooks import keep_playbook
from relevo.stream.relay import Relay

log = logging.getLogger(__name__)

Loop = Callable[["Service"], Awaitable[None]]
Use = Callable[["Service"], AbstractAsyncContextManager[Any]]
Measure = Callable[[Transaction], Awaitable[None]]

_STUCK_AFTER = 120.0  # twice the longest sleep of a loop
_LEFT = text(
    "select (select count(*) from outbox) as outbox, (select count(*) from dead_letter) as dead, coalesce("
    "(select extract(epoch from relevo_now() - time::timestamptz) from outbox order by id limit 1), 0) as oldest"
)


@dataclass
class Service:
    """What a service is made of, and, while `run` runs, its parts. `main.py` of each service fills in the first half.

    `writes`: topics whose events it emits or produces, so that `migrate` creates them. `uses`: things with a life
    (a spool, a client), entered before the API listens and left after everything has stopped. `measures`: what
    brings its own gauges up to date when Prometheus asks. `doors`: what stands before the app and its guard, for routes
    so hot that they do without.
    """

    name: str
    port: int
    handlers: Sequence[Handler] = ()
    api: Sequence[APIRouter] = ()
    loops: Sequence[Loop] = ()
    uses: Sequence[Use] = ()
    measures: Sequence[Measure] = ()
    writes: Sequence[Topic] = ()
    settings_class: type[Settings] = Settings
    migrations: str | None = None
    playbook: bool = False
    description: str = ""
    configure_app: Callable[[FastAPI], None] = lambda app: None
    doors: Callable[[ASGIApp], ASGIApp] = lambda app: app
    ready: Callable[["Service"], Awaitable[list[str]]] | None = None
    body_limit: int = 256 * 1024
    larger_bodies: Mapping[str, int] = field(default_factory=dict)  # path → limit

    settings: Settings = field(init=False)
    clock: Clock = field(init=False, default_factory=Clock)
    stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    consumer: Consumer | None = field(init=False, default=None)
    relay: Relay | None = field(init=False, default=None)
    _database: Database | None = field(init=False, default=None)
    _producer: Producer | None = field(init=False, default=None)
    _beats: dict[str, float] = field(init=False, default_factory=dict)
    _file_clock: FileClock = field(init=False)

    def __post_init__(self) -> None:
        builtin = (keep_playbook,) if self.playbook else ()
        self.handled: Handlers = index((*builtin, *self.handlers))

    # What handlers, routes and loops use.

    @property
    def database(self) -> Database:
        if self._database is None:
            raise RuntimeError(f"{self.name} has no database open: set RELEVO_DATABASE and run it")
        return self._database

    @property
    def producer(self) -> Producer:
        """Straight to Kafka, for a service without an outbox (ingest)."""
        if self._producer is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._producer

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of this service: see relevo.stream.Transaction. Raises the database's errors."""
        return self.database.transaction()

    def now(self) -> datetime:
        """The moment, for a service without a database; one with a database asks its transaction: `tx.now`."""
        return self._file_clock.now()

    async def sleep_until(
        self,
        when: datetime | None,
        now: datetime | None = None,
        *,
        wake: asyncio.Event | None = None,
        at_most: float = 60.0,
    ) -> None:
        """Sleep until `when` by the one clock, given that it is `now` there (both of one transaction); not longer than
        `at_most` seconds; until `wake` is set (it is cleared) or the clock is moved. Raises Stopping at shutdown."""
        seconds = at_most
        if when is not None and now is not None:
            seconds = min(at_most, max(0.0, (when - now).total_seconds()))
        await self.until_any(wake, self.clock.next_travel(), seconds=seconds)
        if wake is not None:
            wake.clear()

    async def until_any(self, *events: asyncio.Event | None, seconds: float) -> None:
        """Wait for one of `events`, at most `seconds`. Raises Stopping at shutdown."""
        waits = [asyncio.ensure_future(e.wait()) for e in (*events, self.stopping) if e is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.stopping.is_set():
            raise Stopping
        self.beat(_current_task())

    def beat(self, part: str) -> None:
        """A part of this process says that it lives."""
        self._beats[part] = monotonic()

    # What SREs ask.

    def stuck(self) -> list[str]:
        """Parts that have not moved for a minute: liveness, without asking anybody else."""
        return sorted(part for part, at in self._beats.items() if monotonic() - at > _STUCK_AFTER)

    async def missing(self) -> list[str]:
        """What this process waits for before it can do its job."""
        if self.stopping.is_set():
            return ["shutting down"]
        missing = []
        if self._database is not None:
            try:
                async with asyncio.timeout(5), self.database.transaction() as tx:
                    if self.playbook:
                        _ = tx.playbook
            except NoPlaybook as error:
                missing.append(str(error))
            except (SQLAlchemyError, OSError, TimeoutError):
                missing.append("PostgreSQL")
        if self.consumer is not None:
            if self.consumer.stopped_by is not None:
                missing.append(str(self.consumer.stopped_by))
            elif not self.consumer.ready and not missing:
                missing.append("its partitions")
        if self.ready is not None:
            missing += await self.ready(self)
        return missing

    async def measure(self) -> None:
        """Bring the gauges up to date that have to be asked for. Whoever does not answer in time leaves them as they
        were; all of it fits into the ten seconds of a scrape."""
        metrics.READY.set(not await self.missing())
        if self._database is not None:
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                async with asyncio.timeout(2), self.database.transaction() as tx:
                    left = (await tx.execute(_LEFT)).one()
                    metrics.OUTBOX_ROWS.set(left.outbox)
                    metrics.OUTBOX_AGE.set(max(0, left.oldest))
                    metrics.DEAD_ROWS.set(left.dead)
                    for measure in self.measures:
                        await measure(tx)
        if self.consumer is not None:
            metrics.CONSUMER_STOPPED.set(self.consumer.stopped_by is not None)
            with suppress(KafkaAway):
                for topic, records in (await self.consumer.lag()).items():
                    metrics.LAG.labels(topic).set(records)

    # Its life.

    def app(self) -> FastAPI:
        """The FastAPI app with this service's routes and the ones every service has."""
        app = self._routes()
        app.state.service = self
        app.state.tokens = Tokens(self.settings.tokens)
        return app

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI document, without anything running."""
        return self._routes().openapi()

    def _routes(self) -> FastAPI:
        app = create_app(f"Relevo {self.name}", self.description)
        for router in (health, *([letters] if self.handled.by_type else []), *self.api):
            app.include_router(router)
        self.configure_app(app)
        return app

    def topics(self) -> tuple[Topic, ...]:
        """The topics it writes or reads."""
        return tuple({t.name: t for t in (*self.writes, *self.handled.topics)}.values())

    @asynccontextmanager
    async def opened(self, settings: Settings | None = None) -> AsyncIterator["Service"]:
        """The service with its settings read and its clients made, without anything running: for commands and tests."""
        self.settings = settings or self.settings_class.read()
        self.stopping, self.clock, self._beats = asyncio.Event(), Clock(), {}
        self._file_clock = FileClock(self.settings.clock_file if self.settings.time_travel else None)
        if self.migrations is not None:
            if self.settings.database is None:
                raise SystemExit(f"{self.name}: set RELEVO_DATABASE (postgresql://user:password@host:port/name)")
            self._database = connect(self.settings.database, uses_playbook=self.playbook, pool=self.settings.pool)
        self._producer = Producer(self.settings.kafka)
        try:
            yield self
        finally:
            await self._producer.close()
            if self._database is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self._database.close()
            self._database = self._producer = self.consumer = self.relay = None

    async def run(self, only: Only | None = None, settings: Settings | None = None) -> None:
        """Run until SIGTERM or SIGINT, or until a part fails: then raises what it raised.

        `only="api"` answers HTTP (and relays what it commits), `only="worker"` consumes and runs the loops.
        """
        async with self.opened(settings):
            await live(self, only)


def _current_task() -> str:
    task = asyncio.current_task()
    return task.get_name() if task is not None and task.get_name().startswith("loop") else "process"
