"""A stream of the test's own on a real broker: two topics, a database, a handler that notes and echoes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from relevo.events import Event, Topic
from relevo.events.cloudevents import encode
from relevo.stream import Database, Handler, Transaction, connect, on
from relevo.stream.consumer import Consumer
from relevo.stream.dead import Limit
from relevo.stream.handlers import Handlers, index
from relevo.stream.kafka import Outgoing, Producer, create_topics
from relevo.stream.relay import Relay
from relevo.testing.services import PATIENCE, migrate_database

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Numbered(Event):
    """An event that carries a number, keyed by a lead: numbers of one lead grow."""

    number: int
    lead: UUID

    def key(self) -> str:
        return str(self.lead)


def lead(number: int, of: int) -> UUID:
    """The lead a number belongs to, of so many."""
    return UUID(int=number % of + 1)


@dataclass
class Stage:
    """What the numbers published to `source` became: rows of the table `ledger`, echoes in `sink`."""

    name: str
    kafka: str
    dsn: str
    database: Database
    source: type[Numbered]
    sink: type[Numbered]
    leads: int
    poison: set[int] = field(default_factory=set)
    calls: list[list[int]] = field(default_factory=list)
    before_effect: Callable[[list[int]], Any] | None = None  # awaited inside the handler
    published: int = 0

    @property
    def group(self) -> str:
        return f"group-{self.name}"

    @property
    def handler(self) -> Handler:
        @on(self.source)
        async def note(tx: Transaction, events: Sequence[Numbered]) -> list[Event]:
            numbers = [event.number for event in events]
            self.calls.append(numbers)
            if self.before_effect is not None:
                await self.before_effect(numbers)
            if bad := self.poison & set(numbers):
                raise ValueError(f"poison {bad}")
            await tx.driver_sql(
                "insert into ledger (number, lead) select * from unnest($1::int[], $2::uuid[])",
                numbers,
                [event.lead for event in events],
            )
            return [self.sink(at=NOW, by="system", number=event.number, lead=event.lead) for event in events]

        return note

    @property
    def handlers(self) -> Handlers:
        return index([self.handler])

    def outgoing(self, number: int) -> Outgoing:
        event = self.source(at=NOW, by="system", number=number, lead=lead(number, self.leads))
        key, headers, value = encode(event, "test")
        return Outgoing(event.topic.name, key, headers, value)

    async def publish(self, count: int) -> None:
        """The next `count` numbers."""
        producer = Producer(self.kafka)
        try:
            numbers = range(self.published, self.published + count)
            await producer.publish([self.outgoing(number) for number in numbers], 60)
            self.published += count
        finally:
            await producer.close()

    def consumer(self, *, database: Database | None = None, limit: Limit | None = None, **more: Any) -> Consumer:
        return Consumer(
            database or self.database,
            more.pop("handlers", self.handlers),
            kafka=more.pop("kafka", self.kafka),
            group=self.group,
            profile=more.pop("profile", "local"),
            limit=limit,
            **more,
        )

    def relay(self, producer: Producer, engine: AsyncEngine | None = None) -> Relay:
        return Relay(engine or self.database.engine, producer, "test", poll=0.1)

    async def emit(self, count: int) -> None:
        """The next `count` numbers, straight into the outbox."""
        async with self.database.transaction() as tx:
            for number in range(self.published, self.published + count):
                tx.emit(self.sink(at=NOW, by="system", number=number, lead=lead(number, self.leads)))
        self.published += count

    async def rows(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()

    async def effects(self) -> list[int]:
        """In the order they were made."""
        return [row["number"] for row in await self.rows("select number from ledger order by id")]

    async def until_effects(self, count: int, seconds: float = PATIENCE) -> list[int]:
        """Wait for as many effects (more are an error of the test's later checks). Raises TimeoutError."""
        try:
            async with asyncio.timeout(seconds):
                while len(effects := await self.effects()) < count:  # noqa: ASYNC110 - others make them
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise TimeoutError(f"{len(await self.effects())} of {count} effects after {seconds} s") from None
        return effects

    def check_effects(self, effects: Sequence[int], numbers: Iterable[int]) -> None:
        """Each number once, none else, and in order for each lead."""
        assert sorted(effects) == sorted(numbers)
        self.check_order(effects)

    def check_order(self, numbers: Sequence[int]) -> None:
        last: dict[UUID, int] = {}
        for number in numbers:
            whose = lead(number, self.leads)
            assert last.get(whose, -1) < number, f"{number} came after {last[whose]}"
            last[whose] = number


@asynccontextmanager
async def open_stage(
    kafka: str, dsn: str, *, partitions: int = 3, leads: int = 7, again: str | None = None
) -> AsyncIterator[Stage]:
    """A stage in the empty database at `dsn`, with topics of its own; or, `again`, the one of that name."""
    name = again or secrets.token_hex(4)

    class Noted(Numbered):
        type = "test.noted.v1"
        topic = Topic(f"noted-{name}", partitions_local=partitions)

    class Echoed(Numbered):
        type = "test.echoed.v1"
        topic = Topic(f"echoed-{name}", partitions_local=partitions)

    if again is None:
        await migrate_database(dsn)
        connection = await asyncpg.connect(dsn)
        await connection.execute("create table ledger (id bigserial primary key, number int, lead uuid)")
        await connection.close()
        await create_topics(kafka, [Noted.topic, Echoed.topic], "local")
    database = connect(dsn, uses_playbook=False)
    try:
        yield Stage(name, kafka, dsn, database, Noted, Echoed, leads)
    finally:
        await database.close()


@asynccontextmanager
async def consuming(consumer: Consumer, *, joined: bool = True) -> AsyncIterator[Consumer]:
    """The consumer runs, as a member of its group; stopped as a service stops it. Raises what ended it."""
    task = asyncio.create_task(consumer.run())
    try:
        if joined:
            await _joined(consumer, task)
        yield consumer
    except BaseException:
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        raise
    consumer.stop()
    async with asyncio.timeout(PATIENCE):
        await task


async def _joined(consumer: Consumer, task: asyncio.Task[None]) -> None:
    joining = asyncio.create_task(consumer.joined.wait())
    try:
        await asyncio.wait({joining, task}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert joining.done(), "the consumer did not join its group"
    finally:
        joining.cancel()
