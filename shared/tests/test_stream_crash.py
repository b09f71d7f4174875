"""Relay and consumer killed at every await, and processes killed for good: effects once, on the wire at least once,
in order, nothing lost, nothing invented."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from relevo.stream.apply import apply
from relevo.stream.consumer import Consumer
from relevo.stream.dead import Limit, listed
from relevo.stream.handlers import index
from relevo.stream.kafka import Producer
from relevo.testing.crash import Killed, killed_at_every_await
from relevo.testing.databases import fresh_database
from relevo.testing.ledger import Ledger, records
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


@pytest.mark.parametrize("by", [Killed, asyncio.CancelledError])
async def test_a_chunk_with_poison_killed_at_every_await(ledger: Ledger, by: type[BaseException]) -> None:
    batch = records(300)
    start, end = 0, 0

    async def before() -> None:
        nonlocal start, end
        await work()  # what the life before left
        start, end = end, end + 3
        ledger.poison.add(end - 2)

    async def work() -> None:
        if start < end:
            limit = Limit(in_a_row=1_000, at_least=1_000)
            await apply(ledger.database, index([ledger.handler]), batch[start:end], limit)

    lives = await killed_at_every_await(work, before=before, by=by)
    assert lives > 30
    assert await ledger.numbers() == [n for n in range(end) if n not in ledger.poison]
    assert [letter.offset for letter in await listed(ledger.database)] == sorted(ledger.poison)
    assert len(await ledger.rows("select 1 from outbox")) == end - len(ledger.poison)


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
    for times in (1, 2):
        await stage.publish(40)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relevo.testing.victim", stage.kafka, stage.dsn, stage.name, point, str(times)
        )
        async with asyncio.timeout(60):
            while times == 2 and process.returncode is None:
                await stage.publish(5)  # so that it comes by the point again
                await asyncio.sleep(0.05)
            assert await process.wait() == -9
    producer = Producer(stage.kafka)
    relay = stage.relay(producer)
    async with consuming(stage.consumer()):
        effects = await stage.until_effects(stage.published)
    assert await relay.flush(20) == 0
    await producer.close()
    stage.check_effects(effects, range(stage.published))
    check_wire(stage, await echoes(stage))
