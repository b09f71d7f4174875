"""Relay and consumer killed at every await, and processes killed for good: effects once, on the wire at least once,
in order, nothing lost, nothing invented."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from relevo.stream.consumer import Consumer
from relevo.stream.kafka import Producer
from relevo.testing.crash import killed_at_every_await
from relevo.testing.databases import fresh_database
from relevo.testing.services import PATIENCE
from relevo.testing.stage import Stage, consuming, open_stage
from relevo.testing.victim import POINTS

pytestmark = pytest.mark.broker

Echoes = Callable[[Stage], Awaitable[list[int]]]


def check_wire(stage: Stage, sent: list[int]) -> None:
    """At least once, nothing else, and first occurrences in order for each lead."""
    assert set(sent) == set(range(stage.published))
    stage.check_order(list(dict.fromkeys(sent)))


async def test_a_relay_killed_at_every_await(stage: Stage, echoes: Echoes) -> None:
    producers = [Producer(stage.kafka)]

    async def before() -> None:
        await producers[-1].close()
        producers.append(Producer(stage.kafka))  # a process's producer dies with it
        await stage.emit(5)

    async def work() -> None:
        while await stage.relay(producers[-1]).round():
            pass

    lives = await killed_at_every_await(work, before=before)
    await producers[-1].close()
    assert lives > 15
    check_wire(stage, await echoes(stage))
    assert await stage.rows("select 1 from outbox") == []


async def test_a_consumer_killed_at_every_await(kafka: str, postgres: str) -> None:
    lanes = 8  # side by side, since every life waits for its group

    async def lane(stage: Stage, first: int) -> int:
        consumer = stage.consumer()
        watching = asyncio.create_task(asyncio.sleep(0))

        async def before() -> None:
            nonlocal consumer, watching
            watching.cancel()
            await stage.publish(6)
            consumer = stage.consumer()
            watching = asyncio.create_task(watch(consumer))

        async def watch(watched: Consumer) -> None:
            await stage.until_effects(stage.published)
            watched.stop()

        lives = await killed_at_every_await(
            lambda: consumer.run(), before=before, counts=lambda: consumer.joined.is_set(), first=first, step=lanes
        )
        stage.check_effects(await stage.effects(), range(stage.published))
        return lives

    async with AsyncExitStack() as stack:
        stages = []
        for _ in range(lanes):
            dsn = await stack.enter_async_context(fresh_database(postgres))
            stages.append(await stack.enter_async_context(open_stage(kafka, dsn)))
        lives = await asyncio.gather(*(lane(stage, 1 + number) for number, stage in enumerate(stages)))
    assert sum(lives) > 25, lives


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_killed_for_good(stage: Stage, echoes: Echoes, point: str) -> None:
    await stage.publish(40)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relevo.testing.victim", stage.kafka, stage.dsn, stage.name, point, "2"
    )
    async with asyncio.timeout(PATIENCE):
        while process.returncode is None:  # it dies when it comes by the point a second time, in the midst of its work
            await stage.publish(5)
            await asyncio.sleep(0.05)
    assert process.returncode == -9
    producer = Producer(stage.kafka)
    relay = stage.relay(producer)
    async with consuming(stage.consumer()):
        effects = await stage.until_effects(stage.published)
    assert await relay.flush(PATIENCE) == 0
    await producer.close()
    stage.check_effects(effects, range(stage.published))
    check_wire(stage, await echoes(stage))
