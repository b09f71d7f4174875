"""Pushes changes to open pages: one reader of the kept events per process, a bounded queue per page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from console import queries
from relevo.service import Service

log = logging.getLogger(__name__)

MOST_PAGES = 500
HEARTBEAT = 15.0
_POLL = 1.0  # seconds between looks where no notice comes
_BATCH = 500
_QUEUE = 64  # batches a slow page may be behind before it is told to read everything anew
_TROUBLE = (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)

Change = Row[Any]  # (seq, id, type, lead_id, at)


@dataclass(eq=False)
class _Page:
    lead_id: UUID | None
    queue: asyncio.Queue[Sequence[Change] | None] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    behind: bool = False

    def offer(self, changes: Sequence[Change] | None) -> None:
        """`changes`, or None: the clock was moved."""
        try:
            self.queue.put_nowait(changes)
        except asyncio.QueueFull:
            self.behind = True


class Live:
    """Who is looking, and what they have not been told yet. Lives as long as the service runs."""

    def __init__(self) -> None:
        self._pages: set[_Page] = set()
        self._changed = asyncio.Event()
        self._moved = False

    @asynccontextmanager
    async def running(self, service: Service) -> AsyncIterator[None]:
        self._pages, self._changed = set(), asyncio.Event()
        tasks = [asyncio.create_task(self._listen(service)), asyncio.create_task(self._pump(service))]
        for task in tasks:
            task.add_done_callback(lambda ended: _failed(ended, service))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def full(self) -> bool:
        return len(self._pages) >= MOST_PAGES

    async def frames(self, service: Service, lead_id: UUID | None, after: int | None) -> AsyncIterator[bytes]:
        """Server-sent events, from the change after `after` (else from now) until the service stops. `id` is the
        change's number; an event `reset` says that some were left out: read everything anew; `clock` says the time."""
        page = _Page(lead_id)
        self._pages.add(page)
        try:
            async for frame in self._frames(service, page, after):
                yield frame
        except _TROUBLE as error:
            log.warning("live page let go: it comes back by itself", extra={"because": type(error).__name__})
        finally:
            self._pages.discard(page)

    async def _frames(self, service: Service, page: _Page, after: int | None) -> AsyncIterator[bytes]:
        async with service.transaction() as tx:
            newest, now = await queries.newest_change(tx), tx.now
            missed = await queries.changes(tx, after, _BATCH) if after is not None and after < newest else []
        yield b"retry: 2000\n\n" + _frame("clock", {"now": now})
        if (after is not None and after > newest) or len(missed) == _BATCH:
            yield _frame("reset", {}, newest)
        else:
            yield b"".join(_changes(missed, page.lead_id))
        told = max([newest, *(change.seq for change in missed)])
        while not service.stopping.is_set():
            changes = await _next(page.queue, service.stopping)
            if page.behind:
                page.behind, told = False, await self._caught_up(service, page)
                yield _frame("reset", {}, told)
            elif changes:
                yield b"".join(_changes((change for change in changes if change.seq > told), page.lead_id))
                told = max(told, changes[-1].seq)
            else:
                async with service.transaction() as tx:
                    now = tx.now
                yield _frame("clock", {"now": now})

    async def _caught_up(self, service: Service, page: _Page) -> int:
        while not page.queue.empty():
            page.queue.get_nowait()
        async with service.transaction() as tx:
            return await queries.newest_change(tx)

    async def _pump(self, service: Service) -> None:
        """Read what was kept since the last look, once for all pages; nothing while nobody looks."""
        position: int | None = None
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _POLL)
            self._changed.clear()
            if not self._pages:
                position = None
                continue
            try:
                async with service.transaction() as tx:
                    # A page reads up to now by itself before it waits for us, so beginning a little early is right.
                    start = position if position is not None else max(0, await queries.newest_change(tx) - _BATCH)
                    changes = await queries.changes(tx, start, _BATCH)
            except _TROUBLE as error:
                log.warning("live pages wait", extra={"because": type(error).__name__})
                await asyncio.sleep(_POLL)
                continue
            position = changes[-1].seq if changes else start
            if len(changes) == _BATCH:
                self._changed.set()
            for page in self._pages:
                if changes:
                    page.offer(changes)
                if self._moved:
                    page.offer(None)
            self._moved = False

    async def _listen(self, service: Service) -> None:
        """PostgreSQL says when a batch is committed, by whichever replica, and when the clock is moved."""
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(service.settings.database, timeout=5)
                await connection.add_listener("console_event", lambda *_: self._changed.set())
                await connection.add_listener("clock_shift", self._on_clock)
                closed = asyncio.Event()
                connection.add_termination_listener(lambda *_, closed=closed: closed.set())
                self._changed.set()
                await closed.wait()
            except _TROUBLE as error:
                log.warning("live pages poll", extra={"because": type(error).__name__})
            finally:
                if connection is not None:
                    with suppress(*_TROUBLE):
                        await connection.close(timeout=1)
            await asyncio.sleep(_POLL)

    def _on_clock(self, *_: Any) -> None:
        self._moved = True
        self._changed.set()


def _failed(task: asyncio.Task[None], service: Service) -> None:
    """A page that is silently stale is worse than none: the process ends, and whoever watches it starts another."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("live pages failed", exc_info=error)
        service.stopping.set()


live = Live()


async def _next(queue: asyncio.Queue[Sequence[Change] | None], stopping: asyncio.Event) -> Sequence[Change] | None:
    """What comes next; None: nothing for a heartbeat's time, the clock was moved, or the service stops."""
    waits = [asyncio.ensure_future(queue.get()), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait(waits, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        return waits[0].result() if waits[0].done() else None  # type: ignore[return-value]
    finally:
        for wait in waits:
            wait.cancel()


def _changes(changes: Iterable[Change], lead_id: UUID | None) -> Iterable[bytes]:
    for change in changes:
        if lead_id is None or change.lead_id == lead_id:
            told = {"id": change.id, "type": change.type, "lead_id": change.lead_id, "at": change.at}
            yield _frame(None, told, change.seq)


def _frame(event: str | None, data: dict[str, Any], number: int | None = None) -> bytes:
    head = (f"id: {number}\n" if number is not None else "") + (f"event: {event}\n" if event else "")
    return head.encode() + b"data: " + orjson.dumps(data, default=str) + b"\n\n"
