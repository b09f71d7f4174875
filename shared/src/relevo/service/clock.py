"""The one clock: PostgreSQL's, with the shift of time travel; sleepers wake when it is moved."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

log = logging.getLogger(__name__)


class Clock:
    """When sleepers wake. `moved` is set anew at every travel; without time travel nothing ever sets it."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()

    def travelled(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def next_travel(self) -> asyncio.Event:
        """An event that is set when the clock is moved next."""
        return self._moved


async def listen(dsn: str, clock: Clock) -> None:
    """Wake sleepers when the database's clock_shift changes. Runs for ever; time travel only."""
    while True:
        try:
            await _listen_once(dsn, clock)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("clock listener waits", extra={"because": type(error).__name__})
        await asyncio.sleep(0.5)


async def _listen_once(dsn: str, clock: Clock) -> None:
    connection = await asyncpg.connect(dsn, timeout=5)
    closed = asyncio.Event()
    try:
        connection.add_termination_listener(lambda *_: closed.set())
        await connection.add_listener("clock_shift", lambda *_: clock.travelled())
        clock.travelled()  # it may have moved while nobody listened
        await closed.wait()
    finally:
        with suppress(Exception):
            await connection.close(timeout=1)


class FileClock:
    """The clock of a service without a database: the wall's, plus the seconds written in a file (time travel)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = 0.0
        self._shift = timedelta(0)

    def now(self) -> datetime:
        """The moment, in UTC. One `stat` per call while travelling, none in production."""
        if self._path is not None:
            with suppress(OSError, ValueError):
                changed = self._path.stat().st_mtime
                if changed != self._seen:
                    self._shift = timedelta(seconds=float(self._path.read_text() or 0))
                    self._seen = changed
        return datetime.now(UTC) + self._shift
