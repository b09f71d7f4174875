"""Dead letters: records no handler could take, kept as they came, shown, replayed or dropped; and their limit."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from relevo.events.cloudevents import decode, header
from relevo.stream.handlers import Handlers
from relevo.stream.kafka import Record
from relevo.stream.telemetry import handling
from relevo.stream.transaction import Database, Transaction

SEEN = (  # marks the new ones and returns the others, of which there are hardly ever any
    "with fresh as (insert into inbox (event_id, at) select id, clock_timestamp() from unnest($1::uuid[]) as id"
    " on conflict do nothing returning event_id)"
    " select id from unnest($1::uuid[]) as id where id not in (select event_id from fresh)"
)
_BURY = text(
    'insert into dead_letter (event_id, type, topic, partition, "offset", key, header_names, header_values, value,'
    " error, tries, at) values (:event_id, :type, :topic, :partition, :offset, :key, :header_names, :header_values,"
    " :value, :error, :tries, clock_timestamp())"
)
_LIST = text(
    'select id, event_id, type, topic, partition, "offset", error, tries, at from dead_letter where id > :after'
    " order by id limit :most"
)
_GET = text("select * from dead_letter where id = :id for update")
_DELETE = text("delete from dead_letter where id = :id")


class NotFound(LookupError):
    """No dead letter of that id: `dead list` shows those there are."""


@dataclass(frozen=True)
class DeadLetter:
    id: int
    event_id: UUID
    type: str | None
    topic: str
    partition: int
    offset: int
    error: str
    tries: int
    at: datetime


async def bury(tx: Transaction, letters: Sequence[tuple[Record, UUID, str, int]]) -> None:
    """Keep each (record, event id, error, tries), within the transaction that marks it as seen."""
    await tx.execute(
        _BURY,
        [
            {
                "event_id": event_id,
                "type": header(record.headers, "ce_type"),
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key,
                "header_names": [_storable(name) for name, _ in record.headers],
                "header_values": [value for _, value in record.headers],
                "value": record.value,
                "error": _storable(error)[:2000],
                "tries": tries,
            }
            for record, event_id, error, tries in letters
        ],
    )


def _storable(value: str) -> str:
    """What PostgreSQL can hold: no NUL, no half characters."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


async def listed(database: Database, after: int = 0, most: int = 100) -> list[DeadLetter]:
    """Oldest first, from the one after `after`."""
    async with database.transaction() as tx:
        rows = await tx.execute(_LIST, {"after": after, "most": most})
        return [DeadLetter(**row._mapping) for row in rows]


async def show(database: Database, letter_id: int) -> dict[str, Any]:
    """The whole letter with its bytes. Raises NotFound."""
    async with database.transaction() as tx:
        return await _get(tx, letter_id)


async def replay(database: Database, handlers: Handlers, letter_id: int) -> None:
    """Handle the record now, in this service only, and delete the letter, all in one transaction.

    Raises NotFound; relevo.events.cloudevents.Unreadable; whatever the handler raises: then the letter stays.
    """
    async with database.transaction() as tx:
        row = await _get(tx, letter_id)
        headers = list(zip(row["header_names"], row["header_values"], strict=True))
        known = handlers.by_type.get(row["type"] or "")
        if known is None:
            raise NotFound(f"this service has no handler for {row['type']}")
        event_class, handler = known
        event = decode(event_class, headers, row["value"])
        # A letter of a readable record carries the event's own inbox mark already. One that was unreadable until now
        # does not, and may be one of several copies.
        if row["event_id"] == event.id or (await tx.driver_sql(SEEN, [event.id])).first() is None:
            with handling(handler.name, [event]) as events:
                tx.emit(*await handler(tx, events))
        await tx.execute(_DELETE, {"id": letter_id})


async def drop(database: Database, letter_id: int) -> None:
    """Delete the letter for good. Raises NotFound."""
    async with database.transaction() as tx:
        await _get(tx, letter_id)
        await tx.execute(_DELETE, {"id": letter_id})


async def _get(tx: Transaction, letter_id: int) -> dict[str, Any]:
    row = (await tx.execute(_GET, {"id": letter_id})).mappings().first()
    if row is None:
        raise NotFound(f"no dead letter {letter_id}")
    return dict(row)


class TooManyDeadLetters(RuntimeError):
    """The limit is reached: the consumer stops before it buries more."""


@dataclass
class Limit:
    """Says when burying must stop: a bad deploy must not bury the stream. Counts since this process started."""

    in_a_row: int = 50
    share: float = 0.05
    at_least: int = 1_000
    window_seconds: float = 300
    monotonic: Callable[[], float] = time.monotonic
    burying: asyncio.Lock = field(default_factory=asyncio.Lock)  # from `check` to `count`: partitions go side by side
    _row: int = 0
    _window: deque[tuple[float, int, int]] = field(default_factory=deque)  # when, buried, all

    def check(self, buried: Sequence[bool]) -> None:
        """`buried` says, in offset order, of which records letters are about to be made. Raises TooManyDeadLetters
        where that would pass the limit."""
        row = longest = self._row
        for one in buried:
            row = row + 1 if one else 0
            longest = max(longest, row)
        start = self.monotonic() - self.window_seconds
        while self._window and self._window[0][0] < start:
            self._window.popleft()
        letters = sum(w[1] for w in self._window) + sum(buried)
        seen = sum(w[2] for w in self._window) + len(buried)
        if longest > self.in_a_row or (seen >= self.at_least and letters > self.share * seen):
            raise TooManyDeadLetters(
                f"{longest} records in a row, or {letters} of {seen}, failed: the consumer stops here. "
                "Mend the service or its playbook and restart it; nothing is lost, the records are still unread"
            )

    def count(self, buried: Sequence[bool]) -> None:
        """They are committed."""
        if buried:
            self._window.append((self.monotonic(), sum(buried), len(buried)))
            good_since = next((n for n, one in enumerate(reversed(buried)) if not one), None)
            self._row = self._row + len(buried) if good_since is None else good_since
