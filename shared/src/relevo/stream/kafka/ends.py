"""How far partitions reach, asked of the broker."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from relevo.stream.kafka.brokers import Brokers
from relevo.stream.kafka.leaving import ends_in_time
from relevo.stream.kafka.records import Partition, or_away

_CONNECTING = 60.0  # seconds
_FETCH_LEAST = 1024  # bytes; a broker sends one batch all the same


class Ends:
    """Asks how far partitions reach, on a connection of its own and as a member of no group."""

    def __init__(self, kafka: str) -> None:
        self._client = AIOKafkaConsumer(
            **Brokers.of(kafka).client(), group_id=None, request_timeout_ms=10_000, retry_backoff_ms=100,
            metadata_max_age_ms=5_000,  # until a topic created anew is noticed
        )  # fmt: skip

    async def start(self) -> None:
        """Raises KafkaAway."""
        async with or_away(_CONNECTING):
            await self._client.start()

    async def of_topics(self, topics: Iterable[str], timeout: float = 5) -> dict[Partition, int]:
        """As `of`, for every partition of these topics; those nobody has created have none."""
        known = self._client.partitions_for_topic
        return await self.of([(topic, number) for topic in topics for number in known(topic) or ()], timeout)

    async def of(self, partitions: Iterable[Partition], timeout: float = 5) -> dict[Partition, int]:
        """The offset after each partition's last record, asked of the broker now. Raises KafkaAway."""
        async with or_away(timeout):
            return await self._asked([TopicPartition(*p) for p in partitions])

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
        if await ends_in_time(self._client.stop(), 2):
            return
        fetcher = self._client._fetcher
        if fetcher is not None and fetcher._fetch_task is not None:
            fetcher._fetch_task.cancel()
        await ends_in_time(self._client._client.close(), 2)
