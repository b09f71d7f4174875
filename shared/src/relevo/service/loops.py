"""Loops that are woken in-process by what this process commits, and that outlive an outage of the database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from relevo.service.runtime import Service
from relevo.stream import NoPlaybook
from relevo.stream.transaction import is_infrastructure

log = logging.getLogger(__name__)


class Next(NamedTuple):
    """When a loop has something to do again, being `now` there; `when` None: it does not know."""

    when: datetime | None
    now: datetime


def woken_by_commits(service: Service) -> asyncio.Event:
    """An event that is set whenever this process has committed something that it says to others."""
    wake = asyncio.Event()
    service.database.on_commit.append(wake.set)
    return wake


async def again_and_again(
    service: Service,
    work: Callable[[], Awaitable[Next]],
    *,
    at_most: float,
    at_least: float = 0,
    wake: asyncio.Event | None = None,
) -> None:
    """Do `work` when it says, after each commit of this process (or when `wake` is set, instead), and every `at_most`
    seconds (other processes commit too), with `at_least` seconds between. Ends by Stopping."""
    wake = wake or woken_by_commits(service)
    while True:
        try:
            when, now = await work()
        except Exception as error:
            if not is_infrastructure(error):
                raise
            if not isinstance(error, NoPlaybook):
                log.warning("a loop waits for the database", extra={"because": type(error).__name__})
            await service.until_any(seconds=1.0)
            continue
        await service.until_any(seconds=at_least)
        await service.sleep_until(when, now, wake=wake, at_most=at_most)
