"""The smallest service there is, for tests and benchmarks of the stream: one row and one event per event."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from relevo.events import Event, LeadErased, PlaybookStamp, SlaCommitment
from relevo.events.cloudevents import encode
from relevo.stream import Database, Handler, Transaction, connect, on
from relevo.stream.kafka import Record
from relevo.testing.services import migrate_database

STAMP = PlaybookStamp(revision=1, version="0" * 16)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def erased(number: int, lead: UUID | None = None) -> LeadErased:
    """An event that carries `number` (as its one subject), for the ledger."""
    return LeadErased(at=NOW, by="system", lead_id=lead or uuid4(), subject_ids=(str(number),), received_before=NOW)


def record(event: Event, offset: int, *, partition: int = 0, value: bytes | None = None) -> Record:
    key, headers, data = encode(event, "test")
    return Record(event.topic.name, partition, offset, key.encode(), headers, data if value is None else value)


@dataclass
class Ledger:
    """A service's whole work: one row and one event for each event it is given; some numbers are poison."""

    database: Database
    dsn: str
    poison: set[int] = field(default_factory=set)
    calls: list[list[int]] = field(default_factory=list)

    @property
    def handler(self) -> Handler:
        @on(LeadErased)
        async def note(tx: Transaction, events: Sequence[LeadErased]) -> list[Event]:
            numbers = [int(event.subject_ids[0]) for event in events]
            self.calls.append(numbers)
            if bad := self.poison & set(numbers):
                raise ValueError(f"poison {bad}")
            await tx.driver_sql(
                "insert into ledger (number, lead) select * from unnest($1::int[], $2::uuid[])",
                numbers,
                [event.lead_id for event in events],
            )
            return [commitment(event) for event in events]

        return note

    async def numbers(self) -> list[int]:
        """The effects, in the order they were made."""
        return [row[0] for row in await self.rows("select number from ledger order by id")]

    async def rows(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()


def commitment(event: LeadErased) -> SlaCommitment:
    """The event the ledger causes: keyed by lead, numbered by `actual`."""
    return SlaCommitment(
        at=NOW, by="system", commitment=str(event.lead_id), side="sales", measure="ledger", period_from=NOW,
        period_to=NOW, target=0, actual=int(event.subject_ids[0]), pace=0, projection=0, state="met", playbook=STAMP,
        trace=event.trace,
    )  # fmt: skip


@asynccontextmanager
async def open_ledger(dsn: str) -> AsyncIterator[Ledger]:
    """A ledger in the empty database at `dsn`."""
    await migrate_database(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table ledger (id bigserial primary key, number int, lead uuid)")
    await connection.close()
    opened = connect(dsn, uses_playbook=False)
    try:
        yield Ledger(opened, dsn)
    finally:
        await opened.close()


def records(count: int) -> list[Record]:
    """`count` records of one partition, numbered from 0."""
    return [record(erased(number), number) for number in range(count)]
