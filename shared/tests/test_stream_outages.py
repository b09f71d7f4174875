"""Kafka or PostgreSQL away for a while: nothing is lost, nothing is buried, everything drains in order by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from relevo.stream import connect
from relevo.stream import consumer as consumer_module
from relevo.stream.dead import listed
from relevo.stream.kafka import Ends, KafkaAway, Producer, Reader
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE
from relevo.testing.stage import Stage, consuming, open_stage

pytestmark = pytest.mark.broker

Through = Callable[[str], Awaitable[Proxy]]


def through(dsn: str, proxy: Proxy) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{proxy.address}"))


@asynccontextmanager
async def relaying(stage: Stage) -> AsyncIterator[None]:
    producer = Producer(stage.kafka)
    relay = stage.relay(producer)
    stage.database.on_commit.append(relay.wake)
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        relay.stop()
        async with asyncio.timeout(PATIENCE):
            await task
        await producer.close()


async def nothing_left() -> None:
    """Wait until aiokafka runs nothing in the background any more."""
    async with asyncio.timeout(PATIENCE):
        while any("aiokafka" in repr(getattr(t.get_coro(), "cr_code", "")) for t in asyncio.all_tasks()):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("failure", ["cut", "freeze", "half_open"])
async def test_kafka_away(
    cut_kafka: Proxy, database: str, echoes: Callable[[Stage], Awaitable[list[int]]], failure: str
) -> None:
    async with open_stage(cut_kafka.address, database) as stage:
        async with relaying(stage), consuming(stage.consumer()) as consumer:
            await stage.publish(100)
            await stage.until_effects(100)
            # A half-open connection stays dead when the network heals: it takes the clients' own time-outs either way.
            for seconds in (0.3,) if failure == "half_open" else (0.3, 3.0):
                before = asyncio.create_task(stage.publish(100))
                await asyncio.sleep(0.01)
                getattr(cut_kafka, failure)()
                await asyncio.sleep(seconds)
                assert consumer.stopped_by is None
                cut_kafka.heal()
                try:
                    await before
                except KafkaAway:  # unknown: some may have arrived; the same numbers come again, under other ids
                    stage.published += 100
                await stage.publish(100)
                await until_last(stage, stage.published)
        effects = await stage.effects()
        sent = await echoes(stage)
    assert set(range(stage.published)) >= set(effects) >= set(range(stage.published - 100, stage.published))
    assert len(effects) == len(set(effects))
    stage.check_order(effects)
    assert set(sent) == set(effects)
    stage.check_order(list(dict.fromkeys(sent)))
    await nothing_left()


async def until_last(stage: Stage, published: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while not set(range(published - 100, published)) <= set(await stage.effects()):
            await asyncio.sleep(0.05)
        while await stage.rows("select 1 from outbox"):
            await asyncio.sleep(0.05)


async def test_a_client_that_cannot_leave_is_taken_apart(cut_kafka: Proxy, database: str) -> None:
    async with open_stage(cut_kafka.address, database) as stage:
        reader = Reader(stage.kafka, stage.group, [stage.source.topic.name], "local", lambda: None, _nothing)
        await reader.start()
        producer = Producer(stage.kafka)
        await producer.publish([], PATIENCE)
        cut_kafka.freeze()
        with pytest.raises(KafkaAway):
            await producer.publish([stage.outgoing(0)], 0.3)  # unknown, like every time-out: it may arrive yet
        stage.published = 1
        async with asyncio.timeout(60):
            await reader.stop()
            await producer.close()
        await nothing_left()
        cut_kafka.heal()
        await stage.publish(3)
        async with consuming(stage.consumer()):  # nobody holds the partitions any more
            async with asyncio.timeout(PATIENCE):
                while not {1, 2, 3} <= set(await stage.effects()):
                    await asyncio.sleep(0.05)
        stage.check_order(await stage.effects())


async def test_a_client_stopped_before_its_tasks_began_ends_too(kafka: str) -> None:
    """It awaits the tasks it has cancelled, whose CancelledError must not pass for the caller's."""
    ends = Ends(kafka)
    await ends.start()
    await ends.stop()
    await nothing_left()


async def _nothing() -> None:
    pass


async def test_kafka_away_at_the_start_and_a_stop_while_waiting(proxy: Through, kafka: str, stage: Stage) -> None:
    cut = await proxy(kafka)
    cut.freeze()
    consumer = stage.consumer(kafka=cut.address)
    async with consuming(consumer, joined=False):
        await asyncio.sleep(0.5)
        assert not consumer.ready
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 40, "joining would have taken sixty seconds"


async def test_postgresql_sessions_terminated_all_the_time(stage: Stage) -> None:
    admin = await asyncpg.connect(stage.dsn)
    stage.before_effect = lambda numbers: asyncio.sleep(0.005)
    try:
        await stage.publish(1_000)
        async with consuming(stage.consumer()):
            for _ in range(15):
                await asyncio.sleep(0.05)
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'relevo' and datname = current_database()"
                )
                await stage.publish(10)
            effects = await stage.until_effects(stage.published)
    finally:
        await admin.close()
    stage.check_effects(effects, range(stage.published))
    assert await listed(stage.database) == []


@pytest.mark.parametrize("failure", ["cut", "freeze"])
async def test_postgresql_away(proxy: Through, stage: Stage, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The partitions are held and the polling goes on; the membership is kept."""
    monkeypatch.setattr(consumer_module, "_KEEP_POLLING", 0.2)
    cut = await proxy(urlsplit(stage.dsn).netloc.rpartition("@")[2])
    database = connect(through(stage.dsn, cut), uses_playbook=False)
    beats: list[float] = []
    now = asyncio.get_running_loop().time
    # With production's patience of a session, so that no busy machine costs the membership which is to be kept.
    consumer = stage.consumer(database=database, profile="production", beat=lambda: beats.append(now()))
    assignments = 0

    def assigned() -> None:
        nonlocal assignments
        assignments += 1
        Assigned(consumer)

    Assigned = type(consumer)._on_assigned
    monkeypatch.setattr(consumer, "_on_assigned", assigned)
    try:
        async with consuming(consumer):
            await stage.publish(100)
            await stage.until_effects(100)
            getattr(cut, failure)()
            await stage.publish(600)
            away = now()
            await asyncio.sleep(4)
            while len([beat for beat in beats if beat > away]) <= 5:
                await asyncio.sleep(0.1)
            assert len(await stage.effects()) == 100
            cut.heal()
            effects = await stage.until_effects(700)
            assert assignments == 1
    finally:
        await database.close()
    stage.check_effects(effects, range(700))
    assert await listed(stage.database) == []


async def test_both_away_at_once(cut_kafka: Proxy, proxy: Through, database: str) -> None:
    async with open_stage(cut_kafka.address, database) as stage:
        cut = await proxy(urlsplit(stage.dsn).netloc.rpartition("@")[2])
        opened = connect(through(stage.dsn, cut), uses_playbook=False)
        try:
            await stage.publish(300)
            async with consuming(stage.consumer(database=opened)):
                await stage.until_effects(1)
                cut.cut()
                cut_kafka.cut()
                await asyncio.sleep(3)
                cut.heal()
                await asyncio.sleep(0.5)
                cut_kafka.heal()
                await stage.publish(100)
                effects = await stage.until_effects(400)
        finally:
            await opened.close()
        stage.check_effects(effects, range(400))
        assert await listed(stage.database) == []


async def test_a_database_that_is_not_migrated_yet_is_waited_for(stage: Stage) -> None:
    await stage.rows("alter table ledger rename to not_yet")
    await stage.publish(30)
    async with consuming(stage.consumer()):
        await asyncio.sleep(1)
        assert await listed(stage.database) == []
        await stage.rows("alter table not_yet rename to ledger")
        effects = await stage.until_effects(30)
    stage.check_effects(effects, range(30))
