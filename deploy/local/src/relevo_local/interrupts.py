"""Ctrl-C and SIGTERM: heard once, so that what was started is stopped in peace."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from relevo_local.trouble import Trouble

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # what shells say of a command that ctrl-C ended

_listeners: list[Callable[[signal.Signals], object]] = []


def run(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end and return the exit status. The first signal cancels the work; more do not disturb its cleaning.

    A `Trouble` is printed in its own words, without a traceback.
    """
    try:
        return asyncio.run(_heeding_signals(work))
    except asyncio.CancelledError:
        return INTERRUPTED
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1


async def until_interrupted(work: Awaitable[None]) -> None:
    """Wait for the work; return in peace when a signal comes, so that what follows is not cancelled too."""
    try:
        await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()


@contextmanager
def heard_by(listener: Callable[[signal.Signals], object]) -> Iterator[None]:
    """Meanwhile signals go to this listener, each of them."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell(sent: signal.Signals) -> None:
    _listeners[-1](sent)


async def _heeding_signals(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(work)
    asked = False

    def cancel(_: signal.Signals) -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    with heard_by(cancel):
        for sent in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(sent, _tell, sent)
        return await task
