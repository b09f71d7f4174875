"""Kills code at its k-th await, for every k until it gets through: what holds at each of them holds for a crash."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from itertools import count
from typing import Any


class Killed(BaseException):
    """Thrown where the code waits. No Exception: nothing is to handle it."""


class _Life:
    """Counts the awaits of some code and of the tasks it starts, and ends it at a given one."""

    def __init__(self, at: int, of: str, counts: Callable[[], bool], by: type[BaseException]) -> None:
        self._left, self._of, self._counts, self._by = at, of, counts, by
        self.killed = False

    def holds(self, work: Any) -> bool:
        code = getattr(work, "cr_code", None)
        return code is not None and self._of in code.co_filename

    def ends_here(self) -> bool:
        if self.killed or not self._counts():
            return False
        self._left -= 1
        self.killed = self._left <= 0
        return self.killed

    @types.coroutine
    def lived(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """`work`, one step after the other."""
        sent: Any = None
        error: BaseException | None = None
        while True:
            try:
                waits_for = work.send(sent) if error is None else work.throw(error)
            except StopIteration as done:
                return done.value
            sent = error = None
            if self.ends_here():
                if waits_for is not None:
                    waits_for._asyncio_future_blocking = False  # nobody waits for it any more
                    waits_for.cancel()
                error = self._by()
                continue
            try:
                sent = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - it is handed on
                error = thrown


_LIFE: ContextVar[_Life | None] = ContextVar("_LIFE", default=None)


async def killed_at_every_await(
    work: Callable[[], Coroutine[Any, Any, Any]],
    *,
    of: str = "relevo/stream",
    counts: Callable[[], bool] = lambda: True,
    before: Callable[[], Awaitable[None]] | None = None,
    by: type[BaseException] = Killed,
    first: int = 1,
    step: int = 1,
) -> int:
    """Run `work` again and again, killed at its await number `first`, then `first + step` …, until it gets through;
    `before` is awaited before each life. Counted are, while `counts()`, the awaits of `work` and of those tasks it
    starts that run code of a file whose path holds `of`. Returns how many lives ended early."""
    asyncio.get_running_loop().set_task_factory(_task)
    for lives in count():
        if before is not None:
            await before()
        if await _survives(_Life(first + lives * step, of, counts, by), work()):
            return lives
    raise AssertionError("unreachable")


def _task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> Any:
    life = _LIFE.get()
    if life is None or not life.holds(work):
        return asyncio.Task(work, loop=loop, **more)
    task = asyncio.Task(life.lived(work), loop=loop, **more)
    task.add_done_callback(lambda _: work.close())  # it may be cancelled before its first step
    return task


async def _survives(life: _Life, work: Coroutine[Any, Any, Any]) -> bool:
    context = copy_context()
    context.run(_LIFE.set, life)
    task: asyncio.Task[Any] = asyncio.Task(life.lived(work), context=context)
    await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if error is not None and not life.killed:  # else it may be anything that falling down has caused
        raise error
    return not life.killed
