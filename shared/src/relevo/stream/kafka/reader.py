"""The reader: a member of a consumer group, which commits by hand and gets past what aiokafka cannot read."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from relevo.stream.kafka.brokers import Brokers
from relevo.stream.kafka.ends import Ends
from relevo.stream.kafka.leaving import ends_in_time
from relevo.stream.kafka.records import KafkaAway, Partition, Record, or_away

Profile = Literal["local", "production"]

_JOINING = 60.0  # seconds: joining waits for the slowest member to finish what it has in hand
_NO_PARTITION = TopicPartition("no topic is called so", 0)

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
        async with or_away(_JOINING):
            await self._client.start()
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
        async with or_away(10):
            for tp in self._client.assignment():
                with suppress(IllegalStateError):  # taken away meanwhile
                    offsets[tp.topic, tp.partition] = await self._client.position(tp)
        return offsets

    async def rewind(self, partitions: Iterable[Partition]) -> None:
        """Read on from the first record that is there. Raises KafkaAway."""
        async with or_away(10):
            await self._client.seek_to_beginning(*(TopicPartition(*p) for p in partitions))

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
        if await ends_in_time(self._client.stop(), 5):
            return
        coordinator, fetcher = self._client._coordinator, self._client._fetcher
        tasks = [getattr(coordinator, f"_{of}_task", None) for of in ("coordination", "heartbeat", "commit_refresh")]
        tasks += [getattr(fetcher, "_fetch_task", None), *getattr(fetcher, "_pending_tasks", ())]
        for task in filter(None, tasks):
            task.cancel()
        await ends_in_time(self._client._client.close(), 2)


def _record(message: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in message.headers)  # a header's value may be null
    return Record(message.topic, message.partition, message.offset, message.key, headers, message.value)
