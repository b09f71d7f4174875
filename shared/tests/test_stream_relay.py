"""The relay: lowest ids first, one at a time, each partition in order, and nothing stuck behind what cannot be sent."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from relevo.events import Topic
from relevo.events.cloudevents import encode
from relevo.stream import connect
from relevo.stream.kafka import KafkaAway, Producer, create_topics
from relevo.stream.relay import BATCH
from relevo.stream.transaction import EVENT_BYTES
from relevo.testing.services import PATIENCE
from relevo.testing.stage import NOW, Stage, lead

pytestmark = pytest.mark.broker

Echoes = Callable[[Stage], Awaitable[list[int]]]
Wire = Callable[[str, str], Awaitable[list[Any]]]


async def test_two_relays_by_mistake_invert_nothing(stage: Stage, echoes: Echoes) -> None:
    """Four writers commit, two processes relay: each record once and each lead's in order."""
    engines = [connect(stage.dsn, uses_playbook=False) for _ in range(2)]
    producers = [Producer(stage.kafka) for _ in range(2)]
    relays = [stage.relay(producer, database.engine) for producer, database in zip(producers, engines, strict=True)]
    tasks = [asyncio.create_task(relay.run()) for relay in relays]

    async def write(writer: int) -> int:  # each has leads of its own: the row lock of a real handler
        number = writer
        while number < 1_200 or not all(relay.sent for relay in relays):  # until both have taken part
            async with stage.database.transaction() as tx:
                tx.emit(stage.sink(at=NOW, by="system", number=number, lead=lead(writer, 4)))
            for relay in relays:
                relay.wake()
            number += 4
        return number

    ends = await asyncio.gather(*(write(writer) for writer in range(4)))
    async with asyncio.timeout(PATIENCE):
        while await stage.rows("select 1 from outbox"):
            await asyncio.sleep(0.05)
    for relay in relays:
        relay.stop()
    await asyncio.gather(*tasks)
    for producer, database in zip(producers, engines, strict=True):
        await producer.close()
        await database.close()
    sent = await echoes(stage)
    assert [[n for n in sent if n % 4 == writer] for writer in range(4)] == [
        list(range(writer, end, 4)) for writer, end in enumerate(ends)
    ]


async def test_a_lower_id_that_commits_later_is_not_skipped(stage: Stage, echoes: Echoes) -> None:
    producer = Producer(stage.kafka)
    relay = stage.relay(producer)
    late = stage.database.engine.connect()
    async with late as connection, connection.begin():
        await connection.exec_driver_sql(
            "insert into outbox (topic, key, event_id, type, time, value) values"
            " ($1, 'k', gen_random_uuid(), 'test.echoed.v1', 'now', '{\"number\": 0}')",
            (stage.sink.topic.name,),
        )
        stage.published = 1
        await stage.emit(3)
        assert await relay.round() == 3
    assert await relay.round() == 1
    assert await relay.round() == 0
    await producer.close()
    assert sorted(await echoes(stage)) == [0, 1, 2, 3]


async def test_more_than_a_batch_keeps_its_order(stage: Stage, echoes: Echoes) -> None:
    producer = Producer(stage.kafka)
    await stage.emit(2 * BATCH + 7)
    assert await stage.relay(producer).flush(PATIENCE) == 0
    await producer.close()
    sent = await echoes(stage)
    assert sorted(sent) == list(range(2 * BATCH + 7))
    stage.check_order(sent)


async def test_a_record_on_the_wire_is_what_the_event_encodes_to(stage: Stage, wire: Wire) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event = stage.sink(at=NOW + timedelta(microseconds=1), by="rep:ñ", number=1, lead=lead(1, 7), trace=trace)
    async with stage.database.transaction() as tx:
        tx.emit(event)
    producer = Producer(stage.kafka)
    await stage.relay(producer).round()
    await producer.close()
    (record,) = await wire(stage.kafka, stage.sink.topic.name)
    key, headers, value = encode(event, "test")
    assert (record.key.decode(), tuple(record.headers), record.value) == (key, headers, value)


async def test_the_largest_event_passes_and_a_larger_one_is_refused_at_the_door(stage: Stage, wire: Wire) -> None:
    class Large(stage.sink):  # type: ignore[misc, name-defined]
        text: str

    def large(number: int, size: int) -> Large:
        return Large(at=NOW, by="system", number=number, lead=lead(0, 1), text="x" * size)

    with pytest.raises(ValueError, match="an event may have"):
        async with stage.database.transaction() as tx:
            tx.emit(large(0, EVENT_BYTES))
    async with stage.database.transaction() as tx:
        tx.emit(large(0, EVENT_BYTES - 500), large(1, 10), large(2, EVENT_BYTES - 500))
    producer = Producer(stage.kafka)
    assert await stage.relay(producer).flush(PATIENCE) == 0
    await producer.close()
    sizes = [len(record.value) // 1000 for record in await wire(stage.kafka, stage.sink.topic.name)]
    assert sizes == [899, 0, 899]


async def test_one_caller_s_time_out_leaves_the_next_client_alone(stage: Stage) -> None:
    producer = Producer(stage.kafka)
    await producer.publish([], PATIENCE)
    first = producer._client
    with pytest.raises(KafkaAway):
        await producer.publish([stage.outgoing(0)], 0.0)
    await producer.publish([stage.outgoing(1)], PATIENCE)
    second = producer._client
    assert second is not first
    assert first is not None
    producer._leave(first)  # another caller of the first client, whose time-out comes only now
    assert producer._client is second
    await producer.close()


async def test_topics_are_created_once_and_a_different_count_is_refused(stage: Stage) -> None:
    topic = stage.source.topic
    assert await create_topics(stage.kafka, [topic], "local") == []
    with pytest.raises(ValueError, match="has 3 partitions, 12 are declared"):
        await create_topics(stage.kafka, [topic], "production")


async def test_topics_of_production_by_two_services_at_once(stage: Stage) -> None:
    topics = [Topic(f"many-{stage.name}"), Topic(f"compacted-{stage.name}", partitions=1, compacted=True)]
    both = await asyncio.gather(*(create_topics(stage.kafka, topics, "production") for _ in range(2)))
    assert sorted([*both[0], *both[1]]) == sorted(topic.name for topic in topics)
