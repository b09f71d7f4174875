"""Dead letters: records no handler could take, kept as they came, shown, replayed or dropped; and their limit."""

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
from relevo.stream.transaction import Database, Transaction

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
                "header_names": [name for name, _ in record.headers],
                "header_values": [value for _, value in record.headers],
                "value": record.value,
                "error": error.replace("\0", ""),
                "tries": tries,
            }
            for record, event_id, error, tries in letters
        ],
    )


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
        tx.emit(*await handler(tx, [event]))
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
    _row: int = 0
    _window: deque[tuple[float, int, int]] = field(default_factory=deque)

    def took_effect(self, count: int) -> None:
        if count:
            self._row = 0
            self._window.append((self.monotonic(), 0, count))

    def before_burying(self, count: int) -> None:
        """Raises TooManyDeadLetters instead of allowing the letter that would pass the limit."""
        now = self.monotonic()
        while self._window and self._window[0][0] < now - self.window_seconds:
            self._window.popleft()
        buried = sum(w[1] for w in self._window) + count
        seen = sum(w[1] + w[2] for w in self._window) + count
        if self._row + count > self.in_a_row or (seen >= self.at_least and buried > self.share * seen):
            raise TooManyDeadLetters(
                f"{self._row + count} records in a row, or {buried} of {seen}, failed: the consumer stops here. "
                "Mend the service or its playbook and restart it; nothing is lost, the records are still unread"
            )
        self._row += count
        self._window.append((now, count, 0))
