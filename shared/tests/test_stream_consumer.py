"""On a real broker: effects once, in order per key, offsets committed after effects, no record blocks a partition."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record.util import calc_crc32c

from relevo.events.cloudevents import encode
from relevo.stream.consumer import Consumer
from relevo.stream.dead import Limit, listed
from relevo.stream.kafka import Partition, partition_of
from relevo.testing.services import PATIENCE
from relevo.testing.stage import NOW, Stage, consuming, lead

pytestmark = pytest.mark.broker


def member(stage: Stage, **more: Any) -> Consumer:
    """With production's patience of a session: a busy machine that costs a membership has what was in hand done again,
    and its offset not committed, which is well, and not what these tests count."""
    return stage.consumer(profile="production", **more)


async def committed(stage: Stage) -> dict[Partition, int]:
    """What the group's offsets are, as the broker tells anybody."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka)
    await admin.start()
    try:
        topic = stage.source.topic
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions_local)]
        offsets = await admin.list_consumer_group_offsets(stage.group, partitions=partitions)
    finally:
        await admin.close()
    return {(tp.topic, tp.partition): found.offset for tp, found in offsets.items() if found.offset > 0}


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_effects_once_and_in_order_per_key(stage: Stage) -> None:
    await stage.publish(1_000)
    async with consuming(member(stage)):
        effects = await stage.until_effects(1_000)
        await stage.publish(50)
        effects = await stage.until_effects(1_050)
    async with consuming(member(stage)):  # goes on where the first one ended
        await stage.publish(10)
        effects = await stage.until_effects(1_060)
    stage.check_effects(effects, range(1_060))
    assert sum(len(call) for call in stage.calls) == 1_060  # nothing was even tried twice


async def test_offsets_are_committed_after_the_effects(stage: Stage) -> None:
    going_on = asyncio.Event()

    async def held(numbers: list[int]) -> None:
        await going_on.wait()

    stage.before_effect = held
    await stage.publish(60)
    async with consuming(member(stage)):
        await until(lambda: asyncio.sleep(0, stage.calls))
        await asyncio.sleep(0.5)
        assert (await stage.effects(), await committed(stage)) == ([], {})
        going_on.set()
        await stage.until_effects(60)
    offsets = await committed(stage)
    positions = await stage.rows("select topic, partition, next_offset from position where next_offset > 0")
    assert offsets == {(row["topic"], row["partition"]): row["next_offset"] for row in positions}
    assert sum(offsets.values()) == 60


async def test_poison_in_the_middle_blocks_nothing(stage: Stage) -> None:
    stage.poison = {0, 150, 151, 299}
    await stage.publish(300)
    async with consuming(member(stage)):
        effects = await stage.until_effects(296)
        await until(lambda: listed_count(stage, 4))
        await stage.publish(1)
        effects = await stage.until_effects(297)
    stage.check_effects(effects, set(range(301)) - stage.poison)


async def listed_count(stage: Stage, count: int) -> bool:
    return len(await listed(stage.database)) == count


async def test_no_record_can_block_its_partition_or_end_the_process(stage: Stage) -> None:
    event = stage.source(at=NOW, by="system", number=7, lead=lead(7, 7))
    _, headers, value = encode(event, "elsewhere")
    a_type = ("ce_type", headers[1][1])
    strange: list[tuple[bytes | None, list[tuple[str, bytes | None]], bytes | None]] = [
        (b"", [], None),  # not ours: skipped
        (None, [("ce_type", None)], b"x"),  # not ours either
        (b"k", [a_type], value),
        (b"k", [a_type, ("ce_specversion", b"1.0"), ("ce_id", None)], value),
        (b"k", [a_type, ("ce_specversion", b"1.0"), ("ce_id", b"\xff")], value),
        (b"k", [*headers, ("a\0b", b"1")], b'{"number": 1'),
        (b"\xff\x00", list(headers), b"[]"),
        (b"k", list(headers), None),
        (b"k", list(headers), b'{"at":' * 100_000),
        (b"k", list(headers), b'{"at":"2026-03-02T09:00:00Z","by":"system","number":1e999,"lead":7}'),
        (b"k", list(headers), b'{"at":1e300,"by":"\\ud800","number":1,"lead":"x"}'),
        (b"k", [("ce_id", b"0"), *headers], value),
    ]
    stage.leads = 1  # one key, one partition: all of them stand before and behind good ones
    partition = partition_of_first(stage)
    client = AIOKafkaProducer(bootstrap_servers=stage.kafka)
    await client.start()
    try:
        for record_key, record_headers, record_value in strange:
            await stage.publish(1)
            await client.send_and_wait(
                stage.source.topic.name, record_value, record_key, partition=partition, headers=record_headers
            )
        await stage.publish(1)
    finally:
        await client.stop()
    async with consuming(member(stage)):
        effects = await stage.until_effects(len(strange) + 1)
        await until(lambda: listed_count(stage, len(strange) - 2))
    assert effects == list(range(len(strange) + 1))
    letters = await listed(stage.database)
    assert all(letter.error.startswith("Unreadable: ") and letter.tries == 1 for letter in letters)
    assert sum((await committed(stage)).values()) == 2 * len(strange) + 1


def partition_of_first(stage: Stage) -> int:
    return partition_of(str(lead(0, stage.leads)), stage.source.topic.partitions_local)


async def test_a_batch_that_aiokafka_cannot_read_is_buried_as_a_whole(stage: Stage) -> None:
    stage.leads = 1
    partition = partition_of_first(stage)
    await stage.publish(5)
    client = AIOKafkaProducer(bootstrap_servers=stage.kafka)
    await client.start()
    try:
        for _ in range(2):
            batch = client.create_batch()
            for name in ("fine", "brokenname", "fine too"):
                batch.append(key=b"k", value=b"v", timestamp=None, headers=[(name, b"1")])
            batch.close()
            bytes_ = bytearray(batch._build())
            bytes_[bytes_.index(b"brokenname")] = 0xFF
            bytes_[17:21] = calc_crc32c(bytes(bytes_[21:])).to_bytes(4, "big")
            batch._buffer = bytes_
            await (await client.send_batch(batch, stage.source.topic.name, partition=partition))
            await stage.publish(5)
    finally:
        await client.stop()
    async with consuming(member(stage)):
        effects = await stage.until_effects(15)
    stage.check_effects(effects, range(15))
    first, second = await listed(stage.database)
    assert "offsets 6 to 7" in first.error
    assert "UTF-8" in second.error
    assert sum((await committed(stage)).values()) == 21


async def test_the_limit_stops_the_consumer_and_nothing_is_lost(stage: Stage) -> None:
    stage.leads = 1
    stage.poison = set(range(500))
    await stage.publish(500)
    consumer = member(stage, limit=Limit(in_a_row=10))
    async with consuming(consumer):
        await until(lambda: asyncio.sleep(0, consumer.stopped_by is not None))
        assert not consumer.ready
        assert "nothing is lost" in str(consumer.stopped_by)
    assert [letter.offset for letter in await listed(stage.database)] == list(range(10))
    stage.poison = set()  # mended, and deployed again
    async with consuming(member(stage)):
        effects = await stage.until_effects(490)
    stage.check_effects(effects, range(10, 500))


async def test_stopping_ends_what_is_in_hand_and_takes_nothing_more(stage: Stage) -> None:
    began, going_on = asyncio.Event(), asyncio.Event()

    async def held(numbers: list[int]) -> None:
        began.set()
        await going_on.wait()

    stage.before_effect = held
    stage.leads = 1
    await stage.publish(40)
    async with consuming(member(stage)) as consumer:
        await began.wait()
        consumer.stop()
        await asyncio.sleep(0.1)
        going_on.set()
    assert await stage.effects() == stage.calls[0]
    assert sum((await committed(stage)).values()) == len(stage.calls[0])
