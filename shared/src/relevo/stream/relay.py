"""The relay: carries the outbox to Kafka, lowest id first, one relay at a time, and deletes what is acknowledged."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from relevo.events.cloudevents import attributes
from relevo.stream.kafka import KafkaAway, Outgoing, Producer
from relevo.stream.transaction import is_infrastructure, kind_of

log = logging.getLogger(__name__)

BATCH = 500
_DATABASE_SECONDS = 15.0
_LOCK = text("select set_config('lock_timeout', '5s', true), pg_advisory_xact_lock(hashtext('relevo.relay'))")
_LOWEST = text(f"select id, topic, key, event_id, type, time, trace, value from outbox order by id limit {BATCH}")  # noqa: S608 - a constant
_SENT = "delete from outbox where id = any($1::bigint[])"
_LEFT = text("select count(*) from outbox")


class Relay:
    """Runs in every process that commits. `wake()` it after a commit; it looks by itself every `poll` seconds too,
    since another process may have died between its commit and its relay."""

    def __init__(
        self,
        engine: AsyncEngine,
        producer: Producer,
        source: str,
        *,
        poll: float = 1.0,
        send_timeout: float = 10.0,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._producer = engine, producer
        self._source = source
        self._poll, self._send_timeout, self._beat = poll, send_timeout, beat
        self._woken, self._stopping = asyncio.Event(), asyncio.Event()
        self.sent = 0

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Let `run` return when it has nothing in hand."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                while await self.round() == BATCH and not self._stopping.is_set():
                    self._beat()
            except Exception as error:
                if not _passes(error):
                    raise
                log.warning("relay waits", extra={"because": kind_of(error), "seconds": pause})
                await _wait(self._stopping, pause)
                pause = min(pause * 2, 5.0)
            else:
                pause = 0.1
                await _wait(self._woken, self._poll)
            self._beat()

    async def round(self) -> int:
        """Send up to one batch; returns how many rows left the outbox.

        Always from the lowest id, never past the last one seen: a transaction that took a lower id may commit later.
        Raises KafkaAway; then the rows stay, and what did arrive arrives again under the same event id.
        """
        async with asyncio.timeout(self._send_timeout + _DATABASE_SECONDS), self._engine.begin() as connection:
            await connection.execute(_LOCK)
            rows = (await connection.execute(_LOWEST)).all()
            if not rows:
                return 0
            await self._producer.publish([self._record(row) for row in rows], self._send_timeout)
            await connection.exec_driver_sql(_SENT, ([row[0] for row in rows],))
        self.sent += len(rows)
        return len(rows)

    async def flush(self, timeout: float) -> int:
        """Empty the outbox at shutdown; returns what is left after `timeout` seconds (the next start sends it)."""
        try:
            async with asyncio.timeout(timeout):
                while await self.round():
                    self._beat()
        except Exception as error:
            if not _passes(error):
                raise
        async with self._engine.connect() as connection:
            return int((await connection.execute(_LEFT)).scalar_one())

    def _record(self, row: Any) -> Outgoing:
        _, topic, key, event_id, event_type, time, trace, value = row
        return Outgoing(topic, key, attributes(event_type, self._source, str(event_id), time, trace), value)


def _passes(error: Exception) -> bool:
    return isinstance(error, KafkaAway) or is_infrastructure(error)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
