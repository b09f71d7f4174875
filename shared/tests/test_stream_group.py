"""Members join, leave and freeze while records flow: every effect once, in order per key, whoever makes it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from relevo.testing.stage import Stage, consuming

pytestmark = pytest.mark.broker


@asynccontextmanager
async def publishing(stage: Stage, *, at_once: int = 20) -> AsyncIterator[None]:
    """Numbers flow in the background."""
    ending = asyncio.Event()

    async def flow() -> None:
        while not ending.is_set():
            await stage.publish(at_once)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(flow())
    yield
    ending.set()
    await task


async def test_members_come_and_go(stage: Stage) -> None:
    stage.before_effect = lambda numbers: asyncio.sleep(0.01)  # so that rebalances meet chunks in hand
    async with publishing(stage), consuming(stage.consumer()):
        async with consuming(stage.consumer()):
            async with consuming(stage.consumer()):
                await stage.until_effects(stage.published)
            await stage.until_effects(stage.published + 100)
        async with consuming(stage.consumer()) as leaves:
            leaves.stop()
        await stage.until_effects(stage.published + 100)
    async with consuming(stage.consumer()):
        effects = await stage.until_effects(stage.published)
    stage.check_effects(effects, range(stage.published))


async def test_more_members_than_partitions(stage: Stage) -> None:
    await stage.publish(100)
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(consuming(stage.consumer())) for _ in range(4)]
        effects = await stage.until_effects(100)
        assert all(member.ready for member in members)  # one waits for nothing, and is fine
    stage.check_effects(effects, range(100))


async def test_a_zombie_does_no_harm(stage: Stage) -> None:
    """Frozen past its session with records in hand, then awake again, it finds that others did its work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relevo.testing.victim", stage.kafka, stage.dsn, stage.name, "never"
    )
    try:
        await stage.publish(100)
        await stage.until_effects(100)
        for frozen_for in (3.0, 4.0):
            await stage.publish(200)
            await asyncio.sleep(0.02)
            os.kill(process.pid, signal.SIGSTOP)
            async with consuming(stage.consumer(), joined=False):
                await stage.publish(200)
                await asyncio.sleep(frozen_for)
                os.kill(process.pid, signal.SIGCONT)
                await stage.publish(100)
                effects = await stage.until_effects(stage.published)
        await stage.publish(10)
        effects = await stage.until_effects(stage.published)
        assert process.returncode is None
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
        await process.wait()
    stage.check_effects(effects, range(stage.published))
