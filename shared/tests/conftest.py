"""What the stream's tests share: a ledger, a stage on the broker, and an independent eye on the wire."""

from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from relevo.testing.ledger import Ledger, open_ledger
from relevo.testing.stage import Stage, open_stage


@pytest_asyncio.fixture
async def ledger(database: str) -> AsyncIterator[Ledger]:
    async with open_ledger(database) as opened:
        yield opened


@pytest_asyncio.fixture
async def stage(kafka: str, database: str) -> AsyncIterator[Stage]:
    async with open_stage(kafka, database) as opened:
        yield opened


@pytest.fixture
def wire() -> Callable[[str, str], Awaitable[list[ConsumerRecord]]]:
    """`await wire(kafka, topic)`: its records, each partition in offset order, as plain aiokafka reads them."""
    return _read


@pytest.fixture
def echoes() -> Callable[[Stage], Awaitable[list[int]]]:
    """`await echoes(stage)`: the numbers that its sink holds on the wire."""

    async def read(stage: Stage) -> list[int]:
        return [orjson.loads(record.value)["number"] for record in await _read(stage.kafka, stage.sink.topic.name)]

    return read


async def _read(kafka: str, topic: str) -> list[ConsumerRecord]:
    client = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await client.start()
    records: list[ConsumerRecord] = []
    try:
        numbers = await client._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        client.assign(partitions)
        ends = await client.end_offsets(partitions)
        while any([await client.position(p) < end for p, end in ends.items()]):
            for found in (await client.getmany(timeout_ms=200)).values():
                records += found
    finally:
        await client.stop()
    return sorted(records, key=lambda record: (record.partition, record.offset))
