"""Kafka, and the only file that knows aiokafka: a producer, a consumer and the topics, with its traps walled off.

What is walled off (aiokafka 0.14): the idempotent producer hangs while brokers are away, so acks=all without it,
every wait with a deadline, and a new client after any error; `stop()` can loop for ever, so it gets a deadline too;
deserializers can block a partition, so none is set; defaults that lose data (acks=1, auto-commit, latest) are all set.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from relevo.events import Topic

log = logging.getLogger(__name__)
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every retry; we say what matters ourselves

Partition = tuple[str, int]
Profile = Literal["local", "production"]

_BATCH_BYTES = 512 * 1024
_GROUP_TOPIC_EXISTS = 36


class KafkaAway(Exception):
    """No broker answered in time, or it answered with an error. What was being sent may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


class Outgoing(NamedTuple):
    """One record to be written."""

    topic: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


@lru_cache(maxsize=100_000)
def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's Java clients put `key` (murmur2), so that every writer agrees. Cached: the hash is pure Python."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


class Producer:
    """Writes records with acks=all. One client inside, thrown away after any error and built anew."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Outgoing], timeout: float) -> None:
        """Returns when every record is acknowledged; per partition in the order given, one record batch in flight.

        Raises KafkaAway after `timeout` seconds or on any error: then none, some or all of them have arrived.
        """
        try:
            async with asyncio.timeout(timeout):
                client = await self._started()
                chains: dict[Partition, list[Outgoing]] = defaultdict(list)
                for record in records:
                    count = await self._partitions(client, record.topic)
                    chains[record.topic, partition_of(record.key, count)].append(record)
                if len(chains) == 1:
                    ((partition, chain),) = chains.items()
                    await self._send(client, partition, chain)
                else:
                    async with asyncio.TaskGroup() as group:
                        for partition, chain in chains.items():
                            group.create_task(self._send(client, partition, chain))
        except (KafkaError, OSError, TimeoutError, ExceptionGroup, AssertionError) as error:
            self._discard()
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            raise KafkaAway(f"not acknowledged: {type(cause).__name__}") from error

    async def close(self) -> None:
        self._discard()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=3)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._client is None:
                client = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
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

    @staticmethod
    async def _partitions(client: AIOKafkaProducer, topic: str) -> int:
        known = client.client.cluster.partitions_for_topic(topic)
        if known is None:
            known = await client.partitions_for(topic)
        return len(known)

    @staticmethod
    async def _send(client: AIOKafkaProducer, partition: Partition, chain: Sequence[Outgoing]) -> None:
        topic, number = partition
        batch = client.create_batch()
        for record in chain:
            item = {"key": record.key.encode(), "value": record.value, "timestamp": None, "headers": list(record.headers)}
            if batch.append(**item) is None:
                batch.close()
                await (await client.send_batch(batch, topic, partition=number))
                batch = client.create_batch()
                if batch.append(**item) is None:
                    raise KafkaError("a single record is larger than a whole batch may be")
        batch.close()
        await (await client.send_batch(batch, topic, partition=number))

    def _discard(self) -> None:
        if self._client is not None:
            self._leave(self._client)
            self._client = None

    def _leave(self, client: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_quietly(client.stop(), 3))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _quietly(work: Awaitable[Any], timeout: float) -> None:
    with suppress(Exception):
        async with asyncio.timeout(timeout):
            await work


Assigned = Callable[[], None]
Revoked = Callable[[], Awaitable[None]]


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, assigned: Assigned, revoked: Revoked) -> None:
        self._assigned, self._revoked = assigned, revoked

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._assigned()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked()


class Reader:
    """A member of a consumer group. Offsets are committed by hand, never for records that were merely returned."""

    def __init__(
        self, bootstrap: str, group: str, topics: Sequence[str], profile: Profile, assigned: Assigned, revoked: Revoked
    ) -> None:
        local = profile == "local"
        self._client = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],  # the sticky one is broken (1175, 1176)
            # Tansu answers fetches by polling, so a short wait there; a real broker wakes them.
            fetch_max_wait_ms=50 if local else 500,
            session_timeout_ms=2_000 if local else 10_000,
            heartbeat_interval_ms=500 if local else 3_000,
            max_poll_interval_ms=300_000,
            request_timeout_ms=10_000,
            retry_backoff_ms=100,
            metadata_max_age_ms=30_000,
        )
        self._client.subscribe(list(topics), listener=_Listener(assigned, revoked))

    async def start(self) -> None:
        """Raises KafkaAway when no broker answers."""
        try:
            await self._client.start()
        except (KafkaError, OSError) as error:
            await _quietly(self._client.stop(), 3)
            raise KafkaAway(type(error).__name__) from error

    async def poll(self, seconds: float, most: int) -> dict[Partition, list[Record]]:
        """Up to `most` records that have arrived, by partition in offset order; an empty dict after `seconds`."""
        try:
            polled = await self._client.getmany(timeout_ms=int(seconds * 1000), max_records=most)
        except (KafkaError, OSError) as error:
            raise KafkaAway(type(error).__name__) from error
        return {
            (tp.topic, tp.partition): [
                Record(m.topic, m.partition, m.offset, m.key, tuple(m.headers), m.value) for m in messages
            ]
            for tp, messages in polled.items()
        }

    def assignment(self) -> set[Partition]:
        return {(tp.topic, tp.partition) for tp in self._client.assignment()}

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit the next offset to read of each partition. False where the group moved on: another member reads on
        from the last commit, and its inbox skips what was done."""
        try:
            async with asyncio.timeout(10):
                await self._client.commit({TopicPartition(*p): offset for p, offset in offsets.items()})
        except (KafkaError, OSError, TimeoutError, ValueError):
            return False
        return True

    async def next_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Where this group will read on. Raises KafkaAway."""
        try:
            async with asyncio.timeout(10):
                return {p: await self._client.position(TopicPartition(*p)) for p in partitions}
        except (KafkaError, OSError, TimeoutError) as error:
            raise KafkaAway(type(error).__name__) from error

    async def end_offsets(self, partitions: Iterable[Partition], timeout: float = 5) -> dict[Partition, int]:
        """The offset after each partition's last record, asked of the broker now. Raises KafkaAway."""
        try:
            async with asyncio.timeout(timeout):
                ends = await self._client.end_offsets([TopicPartition(*p) for p in partitions])
        except (KafkaError, OSError, TimeoutError) as error:
            raise KafkaAway(type(error).__name__) from error
        return {(tp.topic, tp.partition): offset for tp, offset in ends.items()}

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has; None while the metadata is not here."""
        known = self._client.partitions_for_topic(topic)
        return len(known) if known else None

    def pause(self, partitions: Iterable[Partition]) -> None:
        with suppress(ValueError, KafkaError):
            self._client.pause(*[TopicPartition(*p) for p in partitions])

    def resume(self, partitions: Iterable[Partition]) -> None:
        with suppress(ValueError, KafkaError):
            self._client.resume(*[TopicPartition(*p) for p in partitions])

    async def keep_alive(self) -> set[Partition]:
        """Poll with every partition paused, so that the group keeps this member; returns what was paused."""
        assigned = self._client.assignment()
        if assigned:
            self._client.pause(*assigned)
            with suppress(KafkaError, OSError):
                await self._client.getmany(*assigned, timeout_ms=0)
        return {(tp.topic, tp.partition) for tp in assigned}

    async def stop(self) -> None:
        await _quietly(self._client.stop(), 5)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(30):
            await admin.start()
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaAway(f"{bootstrap} does not answer: {type(error).__name__}") from error
    finally:
        await _quietly(admin.close(), 3)


async def create_topics(bootstrap: str, topics: Iterable[Topic], profile: Profile) -> list[str]:
    """Create what is missing and return its names. Raises ValueError naming both counts where an existing topic has
    another number of partitions (keys would land elsewhere), KafkaAway where no broker answers."""
    wanted = {topic.name: (topic.partitions_local if profile == "local" else topic.partitions) for topic in topics}
    replication = 1 if profile == "local" else -1  # -1: the broker's default.replication.factor
    async with _admin(bootstrap) as admin:
        answer = await admin.create_topics(
            [
                NewTopic(topic.name, wanted[topic.name], replication, topic_configs=_settings_of(topic))
                for topic in topics
            ]
        )
        codes = {name: code for name, code, *_ in answer.topic_errors}
        failed = {name: code for name, code in codes.items() if code not in (0, _GROUP_TOPIC_EXISTS)}
        if failed:
            raise KafkaAway(f"topics not created, with the broker's error codes: {failed}")
        existing = [name for name, code in codes.items() if code == _GROUP_TOPIC_EXISTS]
        if existing:
            for found in await admin.describe_topics(existing):
                name, count = found["topic"], len(found["partitions"])
                if count != wanted[name]:
                    raise ValueError(
                        f"topic {name} has {count} partitions, {wanted[name]} are declared: "
                        "keys would land elsewhere; drain and re-create it, or mend the declaration"
                    )
        return [name for name, code in codes.items() if code == 0]


def _settings_of(topic: Topic) -> dict[str, str]:
    if topic.compacted:
        return {"cleanup.policy": "compact"}
    return {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention.total_seconds() * 1000))}
