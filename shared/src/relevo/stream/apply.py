"""One chunk of a partition, applied in one transaction; a poison record in it is found by halving."""

import asyncio
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple
from uuid import UUID, uuid5

from relevo.events import Event
from relevo.events.cloudevents import Unreadable, decode, header
from relevo.stream import dead
from relevo.stream.handlers import Handler, Handlers
from relevo.stream.kafka import Record
from relevo.stream.positions import ADVANCE
from relevo.stream.telemetry import handling
from relevo.stream.transaction import Database, Transaction, is_infrastructure, kind_of

log = logging.getLogger(__name__)

TRIES = 3

_UNREADABLE = UUID("0d8f0f2e-6f0f-5b34-9a53-1a0f6f0b7a11")  # namespace of ids for records that carry none


class Arrival(NamedTuple):
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
        if known is None and not record.unreadable:
            continue
        arrival = _read(record, known)
        arrivals.setdefault(arrival.event_id, arrival)
    return list(arrivals.values())


def _read(record: Record, known: tuple[type[Event], Handler] | None) -> Arrival:
    why = record.unreadable
    if known is not None:
        event_class, handler = known
        try:
            event = decode(event_class, record.headers, record.value)
            return Arrival(record, event.id, event, handler)
        except Unreadable as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a record does to its reader is that record's trouble
            why = kind_of(error)
    # Its own ce_id is not to be trusted. What stands at this place is, unless the topic is created anew.
    place = f"{record.topic}/{record.partition}/{record.offset}/{sha256(record.value or b'').hexdigest()}"
    return Arrival(record, uuid5(_UNREADABLE, place), None, None, why)


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
        if not arrivals or is_infrastructure(error) or isinstance(error, dead.TooManyDeadLetters):
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
    async with applied.limit.burying:
        applied.limit.check([True])
        applied.transactions += 1
        async with applied.database.transaction() as tx:
            if await _first_seen(tx, [arrival]):
                await dead.bury(tx, [(arrival.record, arrival.event_id, _describe(error), TRIES)])
            await tx.driver_sql(ADVANCE, *position)
        applied.limit.count([True])
    applied.buried += 1
    log.error(
        "dead letter: its handler failed three times",
        extra={
            "topic": position[0],
            "partition": position[1],
            "offset": arrival.record.offset,
            "because": kind_of(error),
            "where": _where(error),
        },
    )


async def _together(applied: Applied, arrivals: Sequence[Arrival], position: Position) -> None:
    applied.transactions += 1
    async with applied.database.transaction() as tx:
        fresh = await _first_seen(tx, arrivals)
        readable = [a for a in fresh if a.event is not None]
        unreadable = [(a.record, a.event_id, f"Unreadable: {a.unreadable}", 1) for a in fresh if a.event is None]
        buried = [a.event is None for a in fresh]
        if unreadable:
            applied.limit.check(buried)
            await dead.bury(tx, unreadable)
        for handler, run in groupby(readable, key=lambda a: a.handler):
            assert handler is not None
            with handling(handler.name, [a.event for a in run if a.event is not None]) as events:
                tx.emit(*await handler(tx, events))
        await tx.driver_sql(ADVANCE, *position)
    applied.limit.count(buried)
    applied.effects += len(readable)
    applied.buried += len(unreadable)


async def _first_seen(tx: Transaction, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    if not arrivals:
        return ()
    seen = {row[0] for row in await tx.driver_sql(dead.SEEN, [a.event_id for a in arrivals])}
    return [a for a in arrivals if a.event_id not in seen] if seen else arrivals


def _describe(error: Exception) -> str:
    """Class and message, for the letter, which is erased with its lead; of a database error, which holds a whole
    statement's values, the class and code alone."""
    return kind_of(error) if getattr(error, "orig", None) is not None else f"{type(error).__name__}: {error}"


def _where(error: Exception) -> str:
    """The innermost lines of a traceback, for the log: places and no values."""
    return " < ".join(
        f"{frame.filename}:{frame.lineno}" for frame in reversed(traceback.extract_tb(error.__traceback__)[-4:])
    )
