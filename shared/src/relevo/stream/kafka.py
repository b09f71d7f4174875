"""Kafka, and the only file that knows aiokafka: a producer, a consumer and the topics, with its traps walled off.

What is walled off (aiokafka 0.14): the idempotent producer hangs while brokers are away, so acks=all without it,
every wait with a deadline, and a new client after any error; `stop()` can hang and leave tasks behind that go on
sending batches or heartbeats, so a client that does not stop in time is taken apart; a client's background task can
die without a word, and a rebalance can make `getmany` wait without limit; one broken header name makes a partition
unreadable for ever; deserializers can block a partition, so none is set; defaults that lose data (acks=1, auto-commit,
latest) are all set.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from struct import unpack
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, ProducerClosed
from aiokafka.protocol.fetch import FetchRequest

from relevo.events import Topic
from relevo.stream.brokers import Brokers

log = logging.getLogger(__name__)
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every retry; we say what matters ourselves

Partition = tuple[str, int]
Profile = Literal["local", "production"]

_BATCH_BYTES = 512 * 1024
_JOINING = 60.0  # seconds: joining waits for the slowest member to finish what it has in hand
_TOPIC_EXISTS = 36
_FETCH_LEAST = 1024  # bytes; a broker sends one batch all the same
_MIX, _WORD = 0x5BD1E995, 0xFFFFFFFF  # murmur2's multiplier; 32 bits
_NO_PARTITION = TopicPartition("no topic is called so", 0)


class KafkaAway(Exception):
    """No broker answered in time, or it answered with an error. What was being sent may or may not have arrived."""


class Record(NamedTuple):
    """One record as it was read. `unreadable` says why there is nothing of it but its offset."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    unreadable: str = ""


class Outgoing(NamedTuple):
    """One record to be written."""

    topic: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's Java clients put `key`, so that every writer agrees."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """MurmurHash2 of 32 bits, with Kafka's seed. As aiokafka's, which goes byte by byte, in a third of its time."""
    whole = len(key) & ~3
    found = 0x9747B28C ^ len(key)
    for word in unpack(f"<{whole // 4}I", key[:whole]):
        word = word * _MIX & _WORD
        found = (found * _MIX ^ (word ^ word >> 24) * _MIX) & _WORD
    if rest := key[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _MIX & _WORD
    found = (found ^ found >> 13) * _MIX & _WORD
    return found ^ found >> 15


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
    await _ends_in_time(client.client.close(), 2)
    if not await _ends_in_time(client.stop(), 3) and client._sender.sender_task is not None:
        client._sender.sender_task.cancel()  # it is opening a connection, and ends when that has failed


def _seen(future: asyncio.Future[Any]) -> None:
    """Nobody is left to ask for this error."""
    if not future.cancelled():
        future.exception()


async def _ends_in_time(work: Awaitable[Any], timeout: float) -> bool:
    """Whether `work` ended well. A client that stops awaits tasks it has just cancelled: where one had not begun, their
    CancelledError comes out of it, and is not ours."""
    us = asyncio.current_task()
    assert us is not None
    before = us.cancelling()
    try:
        async with asyncio.timeout(timeout):
            await work
    except asyncio.CancelledError:
        if us.cancelling() > before:
            raise
        return False
    except Exception:  # noqa: BLE001 - it is being thrown away, whatever it says
        return False
    return True


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
        self, kafka: str, group: str, topics: Sequence[str], profile: Profile, assigned: Assigned, revoked: Revoked
    ) -> None:
        local = profile == "local"
        self._client = AIOKafkaConsumer(
            **Brokers.of(kafka).client(),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],  # the sticky one is broken (1175, 1176)
            # Tansu answers fetches by polling, so a short wait there; a real broker wakes them.
            fetch_max_wait_ms=50 if local else 500,
            session_timeout_ms=2_000 if local else 10_000,
            heartbeat_interval_ms=500 if local else 3_000,
            # By default as short as the session: a member that ends its chunk first would be thrown out.
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=300_000,
            request_timeout_ms=10_000,
            retry_backoff_ms=100,
            metadata_max_age_ms=5_000 if local else 30_000,  # until a topic created anew is noticed
        )
        self._client.subscribe(list(topics), listener=_Listener(assigned, revoked))
        # A broker answers a connection's requests in turn: behind our own fetches, which wait for records, each answer
        # would come a wait too late.
        self._ends = Ends(kafka)

    async def start(self) -> None:
        """Returns as a member of the group with its partitions assigned. Raises KafkaAway."""
        try:
            async with asyncio.timeout(_JOINING):
                await self._client.start()
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error
        await self._ends.start()

    async def poll(
        self, seconds: float, most: int, topics: Collection[str] | None = None
    ) -> dict[Partition, list[Record]]:
        """Up to `most` records that have arrived (of `topics` only, if given), by partition in offset order; an empty
        dict after `seconds`, or a few more while the group is being rebalanced. Raises KafkaAway."""
        partitions: Collection[TopicPartition] = ()
        if topics is not None:
            partitions = [tp for tp in self._client.assignment() if tp.topic in topics] or [_NO_PARTITION]
        try:
            polled = await self._getmany(partitions, seconds, most)
        except UnicodeDecodeError:
            return await self._beside_the_unreadable()
        return {(tp.topic, tp.partition): [_record(m) for m in messages] for tp, messages in polled.items()}

    async def keep_alive(self) -> None:
        """Poll without taking anything: a member that does not poll leaves the group, without a word."""
        await self._getmany([_NO_PARTITION], 0, 1)

    async def _getmany(
        self, partitions: Collection[TopicPartition], seconds: float, most: int
    ) -> dict[TopicPartition, list[Any]]:
        try:
            async with asyncio.timeout(seconds + 5):  # cancelled at its waits only, so that no record can be dropped
                polled: dict[TopicPartition, list[Any]] = await self._client.getmany(
                    *partitions, timeout_ms=int(seconds * 1000), max_records=most
                )
        except UnicodeDecodeError:
            raise
        except TimeoutError:
            return {}
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error
        if self._client._fetcher.error_future.done():
            raise KafkaAway("the fetching task has ended by itself")
        return polled

    async def _beside_the_unreadable(self) -> dict[Partition, list[Record]]:
        """A header name somewhere is no UTF-8, and aiokafka gets neither past that record nor past the rest of its
        batch (one batch has one writer, and none of ours). Returns what stands before it, or, when nothing does, one
        unreadable Record in the place of the batch, to be buried."""
        for tp, result in self._client._fetcher._records.items():
            broken = getattr(result, "_partition_records", None)
            if broken is None or broken._records_iterator.gi_frame is not None:
                continue  # its iterator has not failed
            partition, first, bad = (tp.topic, tp.partition), await self._client.position(tp), broken.next_fetch_offset
            if bad > first:
                readable = await self._getmany([tp], 5, bad - first)
                return {partition: [_record(m) for m in readable[tp]]} if readable else {}
            return {partition: [await self._skip_batch(tp, bad)]}
        return {}

    async def _skip_batch(self, tp: TopicPartition, bad: int) -> Record:
        """Find the end of the batch by trying, one offset after the other, and read on there."""
        after = bad + 1
        while True:
            self._client.seek(tp, after)
            try:
                await self._getmany([tp], 0.5, 1)
                break
            except UnicodeDecodeError:
                after += 1
        self._client.seek(tp, after)
        why = f"offsets {bad} to {after - 1} are one record batch with a header name that is no UTF-8"
        return Record(tp.topic, tp.partition, after - 1, None, (), None, why)

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

    async def next_offsets(self) -> dict[Partition, int]:
        """Where this member will read on, in each partition it has now. Raises KafkaAway."""
        offsets: dict[Partition, int] = {}
        try:
            async with asyncio.timeout(10):
                for tp in self._client.assignment():
                    with suppress(IllegalStateError):  # taken away meanwhile
                        offsets[tp.topic, tp.partition] = await self._client.position(tp)
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error
        return offsets

    async def rewind(self, partitions: Iterable[Partition]) -> None:
        """Read on from the first record that is there. Raises KafkaAway."""
        try:
            async with asyncio.timeout(10):
                await self._client.seek_to_beginning(*(TopicPartition(*p) for p in partitions))
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error

    async def end_offsets(self, partitions: Iterable[Partition], timeout: float = 5) -> dict[Partition, int]:
        """As `Ends.of`."""
        return await self._ends.of(partitions, timeout)

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has; None while the metadata is not here."""
        known = self._client.partitions_for_topic(topic)
        return len(known) if known else None

    async def stop(self) -> None:
        """Leave the group and close. A client that does not stop in time is taken apart: its heartbeats would keep
        the partitions from everybody else."""
        await self._ends.stop()
        if await _ends_in_time(self._client.stop(), 5):
            return
        coordinator, fetcher = self._client._coordinator, self._client._fetcher
        tasks = [getattr(coordinator, f"_{of}_task", None) for of in ("coordination", "heartbeat", "commit_refresh")]
        tasks += [getattr(fetcher, "_fetch_task", None), *getattr(fetcher, "_pending_tasks", ())]
        for task in filter(None, tasks):
            task.cancel()
        await _ends_in_time(self._client._client.close(), 2)


class Ends:
    """Asks how far partitions reach, on a connection of its own and as a member of no group."""

    def __init__(self, kafka: str) -> None:
        self._client = AIOKafkaConsumer(
            **Brokers.of(kafka).client(), group_id=None, request_timeout_ms=10_000, retry_backoff_ms=100,
            metadata_max_age_ms=5_000,  # until a topic created anew is noticed
        )  # fmt: skip

    async def start(self) -> None:
        """Raises KafkaAway."""
        try:
            async with asyncio.timeout(_JOINING):
                await self._client.start()
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error

    async def of_topics(self, topics: Iterable[str], timeout: float = 5) -> dict[Partition, int]:
        """As `of`, for every partition of these topics; those nobody has created have none."""
        known = self._client.partitions_for_topic
        return await self.of([(topic, number) for topic in topics for number in known(topic) or ()], timeout)

    async def of(self, partitions: Iterable[Partition], timeout: float = 5) -> dict[Partition, int]:
        """The offset after each partition's last record, asked of the broker now. Raises KafkaAway."""
        try:
            async with asyncio.timeout(timeout):
                return await self._asked([TopicPartition(*p) for p in partitions])
        except Exception as error:
            raise KafkaAway(type(error).__name__) from error

    async def _asked(self, partitions: Sequence[TopicPartition]) -> dict[Partition, int]:
        """Asked for offsets, the embedded broker counts the last batch as one record; how far a partition reaches, as
        told with any fetch from it, is right on every broker."""
        ends = {(tp.topic, tp.partition): offset for tp, offset in (await self._client.end_offsets(partitions)).items()}
        by_leader: dict[int, dict[str, list[tuple[int, int, int]]]] = defaultdict(lambda: defaultdict(list))
        client = self._client._client
        for (topic, number), offset in ends.items():
            leader = client.cluster.leader_for_partition(TopicPartition(topic, number))
            by_leader[leader][topic].append((number, offset, _FETCH_LEAST))
        for leader, topics in by_leader.items():
            request = FetchRequest(1, 1, _FETCH_LEAST, 0, list(topics.items()), rack_id="")
            for topic, found in (await client.send(leader, request)).topics:
                for number, error, reaches, *_ in found:
                    if not error:
                        ends[topic, number] = max(ends[topic, number], reaches)
        return ends

    async def stop(self) -> None:
        if await _ends_in_time(self._client.stop(), 2):
            return
        fetcher = self._client._fetcher
        if fetcher is not None and fetcher._fetch_task is not None:
            fetcher._fetch_task.cancel()
        await _ends_in_time(self._client._client.close(), 2)


def _record(message: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in message.headers)  # a header's value may be null
    return Record(message.topic, message.partition, message.offset, message.key, headers, message.value)


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    brokers = Brokers.of(kafka)
    admin = AIOKafkaAdminClient(**brokers.client(), request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(30):
            await admin.start()
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        secured = "" if brokers.protocol == "PLAINTEXT" else ", or does not let us in as RELEVO_KAFKA says"
        raise KafkaAway(f"{brokers.servers} does not answer{secured}: {type(error).__name__}") from error
    finally:
        await _ends_in_time(admin.close(), 3)


async def create_topics(kafka: str, topics: Collection[Topic], profile: Profile) -> list[str]:
    """Create what is missing and return its names. Raises ValueError naming both counts where an existing topic has
    another number of partitions (keys would land elsewhere), KafkaAway where no broker answers."""
    wanted = {topic.name: (topic.partitions_local if profile == "local" else topic.partitions) for topic in topics}
    async with _admin(kafka) as admin:
        # aiokafka cannot ask for the brokers' default.replication.factor.
        replicas = 1 if profile == "local" else min(3, len(admin._client.cluster.brokers()))
        answer = await admin.create_topics(
            [
                NewTopic(topic.name, wanted[topic.name], replicas, topic_configs=_settings_of(topic, replicas))
                for topic in topics
            ]
        )
        codes = {name: code for name, code, *_ in answer.topic_errors}
        failed = {name: code for name, code in codes.items() if code not in (0, _TOPIC_EXISTS)}
        if failed:
            raise KafkaAway(f"topics not created, with the broker's error codes: {failed}")
        for name, count in (await _partitions_of(admin, wanted)).items():
            if count != wanted[name]:
                raise ValueError(
                    f"topic {name} has {count} partitions, {wanted[name]} are declared: "
                    "keys would land elsewhere; drain and re-create it, or mend the declaration"
                )
        return [name for name, code in codes.items() if code == 0]


async def _partitions_of(admin: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, int]:
    """Also those just created, once the brokers have told each other: until then nobody can write to them."""
    while True:
        counts = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics(list(topics))}
        if all(counts.get(name) for name in topics):
            return counts
        await asyncio.sleep(0.1)


def _settings_of(topic: Topic, replicas: int) -> dict[str, str]:
    settings = {"cleanup.policy": "compact"}
    if not topic.compacted:
        settings = {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention.total_seconds() * 1000))}
    if replicas >= 3:
        settings["min.insync.replicas"] = "2"  # with acks=all: what is acknowledged survives the loss of a broker
    return settings
