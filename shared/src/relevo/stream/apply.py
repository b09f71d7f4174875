"""One chunk of a partition, applied in one transaction; a poison record in it is found by halving."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID, uuid5

from relevo.events import Event
from relevo.events.cloudevents import Unreadable, decode, header
from relevo.stream import dead
from relevo.stream.handlers import Handler, Handlers
from relevo.stream.kafka import Record
from relevo.stream.telemetry import handling
from relevo.stream.transaction import Database, Transaction, is_infrastructure

log = logging.getLogger(__name__)

TRIES = 3

_INBOX = (
    "insert into inbox (event_id, at) select id, clock_timestamp() from unnest($1::uuid[]) as id"
    " on conflict do nothing returning event_id"
)
_POSITION = (
    "insert into position (topic, partition, next_offset) values ($1, $2, $3) on conflict (topic, partition)"
    " do update set next_offset = greatest(position.next_offset, excluded.next_offset)"
)
_UNREADABLE = UUID("0d8f0f2e-6f0f-5b34-9a53-1a0f6f0b7a11")  # namespace of ids for records that carry none


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record that concerns this service: its event, or why it is unreadable."""

    record: Record
    event_id: UUID
    event: Event | None
    handler: Handler | None
    unreadable: str = ""


@dataclass
class Applied:
    """What became of a chunk: how many events took effect, how many records were buried, in how many transactions."""

    database: Database
    limit: dead.Limit
    effects: int = 0
    buried: int = 0
    transactions: int = 0


def read(records: Sequence[Record], handlers: Handlers) -> list[Arrival]:
    """The records of known types. Unknown ones are skipped; a second copy of an id in the chunk is dropped."""
    arrivals: dict[UUID, Arrival] = {}
    for record in records:
        known = handlers.by_type.get(header(record.headers, "ce_type") or "")
        if known is None:
            continue
        event_class, handler = known
        try:
            event = decode(event_class, record.headers, record.value)
        except Unreadable as error:
            event_id = uuid5(_UNREADABLE, f"{record.topic}/{record.partition}/{record.offset}")
            arrivals.setdefault(event_id, Arrival(record, event_id, None, None, str(error)))
        else:
            arrivals.setdefault(event.id, Arrival(record, event.id, event, handler))
    return list(arrivals.values())


async def apply(database: Database, handlers: Handlers, records: Sequence[Record], limit: dead.Limit) -> Applied:
    """Apply `records` of one partition, in order. Effects happen once however often this is called with the same
    records. Raises what `is_infrastructure` calls trouble of the database: then call again later; and
    dead.TooManyDeadLetters: then stop."""
    applied = Applied(database, limit)
    await _in_halves(applied, read(records, handlers), _after(records[-1]))
    return applied


Position = tuple[str, int, int]


def _after(record: Record) -> Position:
    return record.topic, record.partition, record.offset + 1


async def _in_halves(applied: Applied, arrivals: list[Arrival], position: Position) -> None:
    try:
        await _together(applied, arrivals, position)
    except Exception as error:
        if is_infrastructure(error) or isinstance(error, dead.TooManyDeadLetters):
            raise
        if len(arrivals) > 1:
            middle = len(arrivals) // 2
            await _in_halves(applied, arrivals[:middle], _after(arrivals[middle - 1].record))
            await _in_halves(applied, arrivals[middle:], position)
        else:
            await _alone(applied, arrivals[0], position, error)


async def _alone(applied: Applied, arrival: Arrival, position: Position, error: Exception) -> None:
    """The one record that fails: two more tries, then the dead letters, in one transaction with its inbox mark."""
    for attempt in range(2, TRIES + 1):
        await asyncio.sleep(0.02 * attempt)
        try:
            await _together(applied, [arrival], position)
            return
        except Exception as again:
            if is_infrastructure(again):
                raise
            error = again
    applied.limit.before_burying(1)
    applied.transactions += 1
    async with applied.database.transaction() as tx:
        if await _first_seen(tx, [arrival]):
            await dead.bury(tx, [(arrival.record, arrival.event_id, _describe(error), TRIES)])
        await tx.driver_sql(_POSITION, *position)
    applied.buried += 1
    log.error(
        "dead letter: its handler failed three times",
        extra={"topic": position[0], "partition": position[1], "offset": arrival.record.offset},
        exc_info=error,
    )


async def _together(applied: Applied, arrivals: Sequence[Arrival], position: Position) -> None:
    applied.transactions += 1
    async with applied.database.transaction() as tx:
        fresh = await _first_seen(tx, arrivals)
        unreadable = [(a.record, a.event_id, f"Unreadable: {a.unreadable}", 1) for a in fresh if a.event is None]
        if unreadable:
            applied.limit.before_burying(len(unreadable))
            await dead.bury(tx, unreadable)
        readable = [a for a in fresh if a.event is not None]
        for handler, run in groupby(readable, key=lambda a: a.handler):
            assert handler is not None
            with handling(handler.name, [a.event for a in run if a.event is not None]) as events:
                tx.emit(*await handler(tx, events))
        await tx.driver_sql(_POSITION, *position)
    applied.limit.took_effect(len(readable))
    applied.effects += len(readable)
    applied.buried += len(unreadable)


async def _first_seen(tx: Transaction, arrivals: Sequence[Arrival]) -> list[Arrival]:
    if not arrivals:
        return []
    inserted = await tx.driver_sql(_INBOX, [a.event_id for a in arrivals])
    new = {row[0] for row in inserted}
    return [a for a in arrivals if a.event_id in new]


def _describe(error: Exception) -> str:
    """Class and message; a database error's own text may hold a person's data, so only its class and code stay."""
    orig = getattr(error, "orig", None)
    if orig is not None:
        return f"{type(error).__name__} {getattr(orig, 'sqlstate', '')}".strip()
    return f"{type(error).__name__}: {error}"[:500]
