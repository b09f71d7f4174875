"""How far a partition is applied, said so that a deadline can rest on it: never more than is true, also when topics
are created anew, age out, or nobody reads."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError

from relevo.stream import consumer as consumer_module
from relevo.stream.consumer import Consumer
from relevo.stream.dead import Limit
from relevo.stream.kafka import KafkaAway, create_topics, partition_of
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE
from relevo.testing.stage import Stage, consuming, lead, open_stage

pytestmark = pytest.mark.broker


async def all_applied(stage: Stage, consumer: Consumer) -> list[bool]:
    """By lead, for seven of them."""
    async with stage.database.transaction() as tx:
        keys = [str(lead(number, stage.leads)) for number in range(stage.leads)]
        return await consumer.all_applied(tx, stage.source.topic, keys)


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)


async def positions(stage: Stage) -> dict[int, int]:
    return {row["partition"]: row["next_offset"] for row in await stage.rows("select * from position")}


async def test_not_before_it_is_true_and_then_at_once(stage: Stage) -> None:
    going_on = asyncio.Event()
    stage.leads = 1
    consumer = stage.consumer(profile="production")  # whose session a busy machine does not cost it
    with pytest.raises(KafkaAway):
        await all_applied(stage, consumer)
    async with consuming(consumer):
        stage.leads = 7
        assert await all_applied(stage, consumer) == [True] * 7  # there is nothing yet
        stage.leads = 1
        stage.before_effect = lambda numbers: going_on.wait()
        await stage.publish(5)
        await until(lambda: asyncio.sleep(0, stage.calls))
        stage.leads = 7
        held = partition_of(str(lead(0, 1)), 3)
        elsewhere = [partition_of(str(lead(number, 7)), 3) != held for number in range(7)]
        assert await all_applied(stage, consumer) == elsewhere
        going_on.set()
        await stage.until_effects(5)
        assert await all_applied(stage, consumer) == [True] * 7
    with pytest.raises(KafkaAway):
        await all_applied(stage, consumer)


async def test_whoever_applied_it(stage: Stage) -> None:
    """Two members: each can say it of all partitions."""
    await stage.publish(50)
    one, other = (stage.consumer(profile="production") for _ in range(2))
    async with consuming(one), consuming(other):
        await stage.until_effects(50)
        assert await all_applied(stage, one) == await all_applied(stage, other) == [True] * 7


async def test_nobody_knows_while_kafka_is_away(cut_kafka: Proxy, database: str) -> None:
    async with open_stage(cut_kafka.address, database) as stage, consuming(stage.consumer()) as consumer:
        assert all(await all_applied(stage, consumer))
        cut_kafka.cut()
        with pytest.raises(KafkaAway):
            await all_applied(stage, consumer)
        cut_kafka.heal()
        await until(lambda: knows(stage, consumer))


async def knows(stage: Stage, consumer: Consumer) -> bool:
    try:
        return all(await all_applied(stage, consumer))
    except KafkaAway:
        return False


async def test_what_the_limit_left_unread_is_not_applied(stage: Stage) -> None:
    stage.poison = set(range(1_000))
    await stage.publish(100)
    consumer = stage.consumer(limit=Limit(in_a_row=2), profile="production")
    async with consuming(consumer):
        await until(lambda: asyncio.sleep(0, consumer.stopped_by is not None))
        another = stage.consumer(limit=Limit(in_a_row=2), profile="production")
        async with consuming(another):  # a rebalance takes positions anew
            assert not all(await all_applied(stage, consumer))


async def test_a_topic_created_anew_starts_at_its_beginning(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "_LOOK_ROUND", 0.3)
    await stage.publish(200)
    async with consuming(stage.consumer()) as consumer:
        await stage.until_effects(200)
        admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka)
        await admin.start()
        await admin.delete_topics([stage.source.topic.name])
        await admin.close()
        await asyncio.sleep(0.5)
        await create_topics(stage.kafka, [stage.source.topic], "local")
        await stage.publish(50)
        effects = await stage.until_effects(250)
        await until(lambda: knows(stage, consumer))
        assert sum((await positions(stage)).values()) == 50
    stage.check_effects(effects, range(250))


async def test_a_position_beyond_the_end_says_nothing_and_is_set_right(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.publish(20)
    async with consuming(stage.consumer(profile="production")) as consumer:
        await stage.until_effects(20)
        assert all(await all_applied(stage, consumer))
        await stage.rows("update position set next_offset = next_offset + 1000")
        assert not any(await all_applied(stage, consumer))
        monkeypatch.setattr(consumer_module, "_LOOK_ROUND", 0.3)
        await until(lambda: knows(stage, consumer))
    assert sum((await positions(stage)).values()) == 20


async def test_what_has_aged_out_is_not_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "_LOOK_ROUND", 0.3)
    await stage.publish(20)
    async with consuming(stage.consumer()):
        await stage.until_effects(20)
    await stage.publish(100)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka)
    await admin.start()
    try:
        topic = stage.source.topic.name
        await admin.delete_records({TopicPartition(topic, n): RecordsToDelete(before_offset=-1) for n in range(3)})
    except KafkaError as error:
        pytest.skip(f"this broker deletes no records: {type(error).__name__}")
    finally:
        await admin.close()
    async with consuming(stage.consumer()) as consumer:
        await until(lambda: knows(stage, consumer))
    assert sum((await positions(stage)).values()) == 120
    assert len(await stage.effects()) == 20


async def test_records_that_do_not_come_make_it_join_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka's fetching can end without a word; heartbeats go on, and nobody else gets the partitions."""
    monkeypatch.setattr(consumer_module, "_LOOK_ROUND", 0.3)
    async with consuming(stage.consumer()) as consumer:
        await stage.publish(10)
        await stage.until_effects(10)
        reader = consumer._reader
        assert reader is not None
        reader._client.pause(*reader._client.assignment())  # as good as lost
        await stage.publish(10)
        await stage.until_effects(20)
        assert consumer._reader is not reader
        reader = consumer._reader
        assert reader is not None
        reader._client._fetcher._fetch_task.cancel()
        await stage.publish(10)
        effects = await stage.until_effects(30)
    stage.check_effects(effects, range(30))
