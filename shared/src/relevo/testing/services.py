"""Services in tests: their database migrated, the service running in this process, the clock moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import asyncpg
import httpx

from relevo.service.life import Only
from relevo.service.migrate import upgrade
from relevo.service.runtime import Service
from relevo.service.settings import Settings
from relevo.stream import connect

PATIENCE = 120.0  # seconds for what a quiet machine does at once: no measure, only less than a test's own limit


async def migrate_database(dsn: str, *packages: str, time_travel: bool = True) -> None:
    """Bring the database to the heads of the runtime's migrations and of these packages'."""
    database = connect(dsn, uses_playbook=False)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(upgrade, ("relevo.stream.migrations", *packages), time_travel=time_travel)
    finally:
        await database.close()


@dataclass(frozen=True)
class Running:
    """A service that runs: where it answers, and itself."""

    url: str
    service: Service
    task: asyncio.Task[None]


@asynccontextmanager
async def running(service: Service, settings: Settings, only: Only | None = None) -> AsyncIterator[Running]:
    """`service` in this process, alive; stopped as SIGTERM stops it. Raises what made it end before."""
    url = f"http://{settings.http_host}:{settings.http_port}"
    task = asyncio.create_task(service.run(only, settings))
    try:
        ends = monotonic() + PATIENCE
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                if task.done():
                    task.result()
                with suppress(httpx.TransportError):
                    if (await client.get(f"{url}/livez")).status_code == 200:
                        break
                if monotonic() > ends:
                    raise TimeoutError(f"{service.name} does not answer at {url}")
                await asyncio.sleep(0.05)
        yield Running(url, service, task)
    finally:
        service.stopping.set()
        await asyncio.wait({task}, timeout=60)
        if task.done() and not task.cancelled():
            task.result()
        task.cancel()


async def ready(running: Running, seconds: float = PATIENCE) -> None:
    """Wait until the service says it can do its job. Raises TimeoutError naming what it waits for."""
    last, ends = "no answer", monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False) as client:
        while monotonic() < ends:
            with suppress(httpx.TransportError):
                answer = await client.get(f"{running.url}/readyz")
                if answer.status_code == 200:
                    return
                last = answer.text
            await asyncio.sleep(0.05)
    raise TimeoutError(last)


async def move_clock(dsn: str, by: timedelta) -> None:
    """Move the clock of a database by `by`, on top of what it is moved by already; its service's sleepers wake."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("update clock_shift set shift = shift + $1", by)
    finally:
        await connection.close()
