"""The producer: acks=all, a new client after any error, and nothing sent behind a successor's back."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from relevo.stream.kafka.brokers import Brokers
from relevo.stream.kafka.leaving import ends_in_time
from relevo.stream.kafka.records import KafkaAway, Outgoing, Partition, partition_of

_BATCH_BYTES = 512 * 1024


class Producer:
    """Writes records with acks=all. One client inside, thrown away after any error and built anew."""

    def __init__(self, kafka: str) -> None:
        self._brokers = Brokers.of(kafka)
        self._client: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Outgoing], timeout: float) -> None:
        """Returns when every record is acknowledged; per partition in the order given, one record batch in flight.

        Raises KafkaAway after `timeout` seconds or on any error: then none, some or all of them have arrived.
        """
        client = None
        try:
            async with asyncio.timeout(timeout):
                client = await self._started()
                await self._send_all(client, records)
        except Exception as error:  # whatever a client raises, the next attempt gets a new one
            if client is not None:
                self._leave(client)
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            raise KafkaAway(f"not acknowledged: {type(cause).__name__}") from error

    async def close(self) -> None:
        if self._client is not None:
            self._leave(self._client)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._client is None:
                client = AIOKafkaProducer(
                    **self._brokers.client(),
                    acks="all",
                    enable_idempotence=False,
                    linger_ms=0,
                    max_batch_size=_BATCH_BYTES,
                    max_request_size=4 * _BATCH_BYTES,
                    request_timeout_ms=10_000,
                    retry_backoff_ms=50,
                )
                try:
                    await client.start()
                except BaseException:
                    self._leave(client)
                    raise
                self._client = client
            return self._client

    async def _send_all(self, client: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        chains: dict[Partition, list[Outgoing]] = defaultdict(list)
        counts: dict[str, int] = {}
        for record in records:
            topic = record.topic
            if topic not in counts:
                known = client.client.cluster.partitions_for_topic(topic) or await client.partitions_for(topic)
                counts[topic] = len(known)
            chains[topic, partition_of(record.key, counts[topic])].append(record)
        if len(chains) == 1:
            ((partition, only),) = chains.items()
            await self._send(client, partition, only)
            return
        async with asyncio.TaskGroup() as group:
            sending = [group.create_task(self._send(client, *chain_)) for chain_ in chains.items()]
        if any(task.cancelled() for task in sending):  # a task group takes that for success
            raise KafkaError("a batch was given up")

    @staticmethod
    async def _send(client: AIOKafkaProducer, partition: Partition, records: Sequence[Outgoing]) -> None:
        topic, number = partition
        batch = client.create_batch()
        for record in records:
            headers = list(record.headers)
            item = {"key": record.key.encode(), "value": record.value, "timestamp": None, "headers": headers}
            if batch.append(**item) is None:  # full; a batch takes its first record, whatever its size
                batch.close()
                await (await client.send_batch(batch, topic, partition=number))
                batch = client.create_batch()
                batch.append(**item)
        batch.close()
        await (await client.send_batch(batch, topic, partition=number))

    def _leave(self, client: AIOKafkaProducer) -> None:
        if self._client is client:  # another caller may have built the next one already
            self._client = None
        task = asyncio.create_task(_end_producer(client))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _end_producer(client: AIOKafkaProducer) -> None:
    """Stop a client that is given up, whose batches nobody waits for any more: left to itself it would try for ten
    seconds to send them, behind what its successor has sent meanwhile. Dropped, or expired in mid-air, they end."""
    accumulator = client._message_accumulator
    accumulator._closed = True
    queued = list(chain(*accumulator._batches.values()))
    for batch in (*queued, *accumulator._pending_batches):
        batch.future.add_done_callback(_seen)
        batch._drain_waiter.add_done_callback(_seen)
    for batch in queued:
        batch.failure(ProducerClosed())
    accumulator._batches.clear()
    for batch in accumulator._pending_batches:
        batch._ttl = -1.0
    await ends_in_time(client.client.close(), 2)
    if not await ends_in_time(client.stop(), 3) and client._sender.sender_task is not None:
        client._sender.sender_task.cancel()  # it is opening a connection, and ends when that has failed


def _seen(future: asyncio.Future[Any]) -> None:
    """Nobody is left to ask for this error."""
    if not future.cancelled():
        future.exception()
