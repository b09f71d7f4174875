"""sla-monitor with a million open clocks: how late, how fast, how idle; what a deadline costs."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
from msgspec.structs import replace
from tests.bench.figures import Rounds, figure
from tests.faults.rig import TERMS, Rig, accepted, assigned, rig, trace
from tests.sla.histories import documents

from relevo.calendar import calendar, deadline
from relevo.events import Event, PlaybookStamp
from relevo.playbook import load
from relevo.stream import Database, connect
from sla_monitor import queries, rows
from sla_monitor.agreement import Agreement
from sla_monitor.firing import fire_due
from sla_monitor.handlers import keep_clocks
from sla_monitor.trip import OfLead, Trip, hear

CLOCKS = int(os.environ.get("RELEVO_BENCH_CLOCKS", "1_000_000"))
BURST, BATCH, BATCHES = 50_000, 500, 10
RATE, SECONDS = 200, 15  # due a second, for so long
_FAR = timedelta(days=30)

_OFFICE = calendar(
    "Europe/Madrid", {day: ["09:00-14:00", "16:00-19:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
)


@figure("sla.deadline", unit="µs", better="lower", goal=15.0)
async def one_deadline() -> AsyncIterator[Rounds]:
    """A deadline within a week: two intervals a day, budgets of one to forty hours."""
    chance = random.Random(6)
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    asked = [
        (monday + timedelta(minutes=chance.randrange(5 * 1440)), timedelta(minutes=chance.randrange(1, 30 * 60)))
        for _ in range(20_000)
    ]

    async def ours() -> float:
        began = time.perf_counter()
        for start, budget in asked:
            deadline(_OFFICE, start, budget)
        return (time.perf_counter() - began) / len(asked) * 1e6

    yield Rounds(ours)


@asynccontextmanager
async def _crowded() -> AsyncIterator[tuple[Rig, Database]]:
    """A monitor's database with a million open clocks that are due in a month."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with rig(Path(folder)) as stage:
            now = await stage.now()
            await _load(stage, now, (now + _FAR for _ in range(CLOCKS)), first=0)
            await stage.sql("analyze")
            database = connect(stage.dsn, uses_playbook=True)
            try:
                yield stage, database
            finally:
                await database.close()


async def _load(stage: Rig, now: datetime, due: Any, first: int) -> list[UUID]:
    """Clocks that are due then, as the service's own code makes their rows; one is reckoned, the others are like it."""
    book = load(documents(TERMS))
    agreement = Agreement(PlaybookStamp(revision=1, version=book.version), book)
    event = assigned(first, now)
    trip, _ = hear(None, event, agreement, now)  # type: ignore[arg-type]
    assert trip is not None
    ids: list[UUID] = []
    connection = await asyncpg.connect(stage.dsn)
    try:
        batch: list[datetime] = []
        for at in due:
            batch.append(at)
            if len(batch) == 20_000:
                ids += await _copy(connection, trip, batch)
                batch = []
        if batch:
            ids += await _copy(connection, trip, batch)
    finally:
        await connection.close()
    return ids


async def _copy(connection: asyncpg.Connection, like: Trip, due: Sequence[datetime]) -> list[UUID]:
    """As many trips, each with its clock; the same JSON but for the ids and the times."""
    (watched,) = like.clocks
    assert watched.next_due is not None
    ids, trips = [], []
    for at in due:
        lead, by = uuid4(), at - watched.next_due
        clock = replace(
            watched.clock, id=uuid4(), started_at=watched.clock.started_at + by,
            counted_from=watched.clock.counted_from + by,
        )  # fmt: skip
        own = replace(watched, clock=clock, lead_id=lead, due_at=watched.due_at and watched.due_at + by, next_due=at)
        trips.append(replace(like, lead_id=lead, clocks=(own,)))
        ids.append(lead)
    await connection.copy_records_to_table("lead", records=[(lead,) for lead in ids], columns=["lead_id"])
    await connection.copy_records_to_table(
        "standing", records=[rows.trip_row(trip) for trip in trips], columns=list(rows.STANDING)
    )
    await connection.copy_records_to_table(
        "clock", records=[rows.clock_row(own) for trip in trips for own in trip.clocks], columns=list(rows.CLOCK)
    )
    return ids


@figure("sla.lateness", unit="ms", better="lower", goal=100.0)
async def lateness() -> AsyncIterator[Rounds]:
    """p99 from due to fired of a real process, at 200 due a second among a million open clocks."""
    async with _crowded() as (stage, _):
        stage.start("one")
        await stage.ready("one")

        async def ours() -> float:
            now = await stage.now()
            first = now + timedelta(seconds=8)
            await _load(stage, now, (first + timedelta(seconds=n / RATE) for n in range(RATE * SECONDS)), first=1)
            due = first + timedelta(seconds=SECONDS)
            await asyncio.sleep((due - await stage.now()).total_seconds() + 1)
            fired = await stage.sql(
                "select (fired->>'fired_at')::timestamptz - (fired->>'due_at')::timestamptz as late"
                " from (select body->'fired'->0 as fired from clock where next_due between $1 and $2) as each"
                " where fired is not null", now, due + timedelta(minutes=10),
            )  # fmt: skip
            late = sorted(row["late"] for row in fired)
            assert len(late) >= RATE * SECONDS, f"{len(late)} of {RATE * SECONDS} fired"
            return float(late[int(len(late) * 0.99)].total_seconds() * 1000)

        yield Rounds(ours)


_CLAIM = (
    "select clock_id, lead_id, state, due_at, body::text from clock where next_due <= $1"
    " order by next_due, clock_id limit 500 for update skip locked"
)
_OUTBOX = ("topic", "key", "event_id", "type", "time", "trace", "value")


@figure("sla.burst", unit="steps/s", better="higher", goal=0.3)
async def burst() -> AsyncIterator[Rounds]:
    """50,000 due at one instant, fired in batches of 500, beside bare transactions of the same bytes: claim, the
    service's own update, outbox."""
    async with _crowded() as (stage, database):
        connection = await asyncpg.connect(stage.dsn)

        async def due_now() -> None:
            now = await stage.now()
            await _load(stage, now, (now for _ in range(BURST)), first=2)

        async def ours() -> float:
            await due_now()
            fired, began = 0, time.perf_counter()
            while fired < BURST:
                async with database.transaction() as tx:
                    found, _ = await queries.due(tx, None, BATCH)
                    fired += await fire_due(tx, {d.lead_id for d in found}, tx.now, lambda of, step: None)
            took = time.perf_counter() - began
            await _clear(stage)
            return BURST / took

        async def bare() -> float:
            await due_now()
            now, done = await stage.now(), 0
            at, later = now.isoformat(), now + timedelta(minutes=2)
            began = time.perf_counter()
            while done < BURST:
                async with connection.transaction():
                    claimed = await connection.fetch(_CLAIM, now)
                    marked = [
                        (row["clock_id"], row["state"], row["due_at"], later, None, row["body"], None, None)
                        for row in claimed
                    ]
                    await connection.execute(queries._CHANGE_FIRED, *rows.columns(marked))
                    said = [
                        ("slas", str(row["lead_id"]), uuid4(), "sla.warned.v1", at, trace(0), _VALUE) for row in claimed
                    ]
                    await connection.copy_records_to_table("outbox", records=said, columns=_OUTBOX)
                    done += len(claimed)
            took = time.perf_counter() - began
            await _clear(stage)
            return BURST / took

        yield Rounds(ours, bare)
        await connection.close()


_VALUE = b"x" * 560  # as long as the service's sla.warned


async def _clear(stage: Rig) -> None:
    """What was fired, and what was said."""
    await stage.sql("truncate outbox")
    await stage.sql("update clock set next_due = null where next_due < relevo_now() + interval '1 day'")


@figure("sla.track", unit="events/s", better="higher", goal=0.3)
async def track() -> AsyncIterator[Rounds]:
    """Starts and answers in batches of 500, beside the service's own writes alone: locks, the same rows ready made, the
    same outbox."""
    async with _crowded() as (stage, database):
        connection = await asyncpg.connect(stage.dsn)
        numbers = iter(range(10**9))

        def stories() -> list[tuple[list[OfLead], list[OfLead]]]:
            now = datetime.now(UTC)
            found = []
            for _ in range(BATCHES):
                batch = [next(numbers) for _ in range(BATCH)]
                found.append(([assigned(n, now) for n in batch], [accepted(n, now) for n in batch]))
            return found  # type: ignore[return-value]

        async def ours() -> float:
            told = stories()
            began = time.perf_counter()
            for batch in told:
                for events in batch:
                    async with database.transaction() as tx:
                        tx.emit(*await keep_clocks(tx, events))
            took = time.perf_counter() - began
            await _clear(stage)
            return 2 * BATCH * BATCHES / took

        async def bare() -> float:
            shaped = [_shaped(batch) for batch in stories()]
            began = time.perf_counter()
            for batch in shaped:
                for number, (lead_ids, trips, clocks, outbox) in enumerate(batch):
                    async with connection.transaction():
                        await connection.execute(queries._LOCK_LEADS, lead_ids)
                        if number == 0:
                            await connection.copy_records_to_table("standing", records=trips, columns=_STANDING)
                            await connection.copy_records_to_table("clock", records=clocks, columns=_CLOCK)
                        else:
                            await connection.execute(queries._CHANGE_TRIPS, *rows.columns(trips))
                            await connection.execute(queries._CHANGE_CLOCKS, *rows.columns(clocks))
                        await connection.copy_records_to_table("outbox", records=outbox, columns=_OUTBOX)
            took = time.perf_counter() - began
            await _clear(stage)
            return 2 * BATCH * BATCHES / took

        yield Rounds(ours, bare)
        await connection.close()


_STANDING, _CLOCK = tuple(rows.STANDING), tuple(rows.CLOCK)


def _shaped(batch: tuple[list[OfLead], list[OfLead]]) -> list[tuple[Any, ...]]:
    """The rows that these starts and answers come to, ready made."""
    book = load(documents(TERMS))
    agreement = Agreement(PlaybookStamp(revision=1, version=book.version), book)
    found, trips = [], dict[UUID, Trip | None]()
    for events in batch:
        said: list[Event] = []
        for event in events:
            trip, told = hear(trips.get(event.lead_id), event, agreement, event.at)
            trips[event.lead_id] = trip
            said += told
        now = [trip for trip in trips.values() if trip is not None]
        outbox = [
            ("slas", e.key(), e.id, e.type, e.at.isoformat(), e.trace, e.model_dump_json(exclude_none=True).encode())
            for e in said
        ]
        clocks = [rows.clock_row(watched) for trip in now for watched in trip.clocks]
        found.append((list(trips), [rows.trip_row(trip) for trip in now], clocks, outbox))
    return found


@figure("sla.idle", unit="% of a core", better="lower", goal=1.0)
async def idle() -> AsyncIterator[Rounds]:
    """A process with nothing due, and a million clocks to watch."""
    async with _crowded() as (stage, _):
        stage.start("one", {"RELEVO_TOPICS": "production"})  # locally it asks the embedded broker 20 times a second
        await stage.ready("one")
        process = psutil.Process(stage.up["one"][0].pid)
        await asyncio.sleep(8)

        async def ours() -> float:
            before = process.cpu_times()
            await asyncio.sleep(15)
            after = process.cpu_times()
            return float(after.user + after.system - before.user - before.system) / 15 * 100

        yield Rounds(ours)
