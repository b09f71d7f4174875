"""How far each partition is applied in a service's database, and whether that is all the broker holds."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text

from relevo.events import Topic
from relevo.stream.kafka import KafkaAway, Partition, Reader, partition_of
from relevo.stream.transaction import Transaction

# In the transaction of the effects: never back, since a zombie may come late with what another one has overtaken.
ADVANCE = (
    "insert into position (topic, partition, next_offset) values ($1, $2, $3) on conflict (topic, partition)"
    " do update set next_offset = greatest(position.next_offset, excluded.next_offset)"
)
_SET = text(
    "insert into position (topic, partition, next_offset) select * from"
    " unnest(cast(:topics as text[]), cast(:partitions as int[]), cast(:offsets as bigint[]))"
    " on conflict (topic, partition) do update set next_offset = excluded.next_offset"
    " where position.next_offset <> excluded.next_offset"
)
_OF_TOPICS = text("select topic, partition, next_offset from position where topic = any(:topics)")


async def of_topics(tx: Transaction, topics: Sequence[str]) -> dict[Partition, int]:
    rows = await tx.execute(_OF_TOPICS, {"topics": list(topics)})
    return {(row.topic, row.partition): row.next_offset for row in rows}


async def correct(tx: Transaction, offsets: Mapping[Partition, int]) -> None:
    """Write where the group reads on, absolutely: a re-created topic starts at 0 again, and what has aged out of a
    topic is never going to be applied."""
    keys = list(offsets)
    params = {
        "topics": [topic for topic, _ in keys],
        "partitions": [number for _, number in keys],
        "offsets": [offsets[key] for key in keys],
    }
    await tx.execute(_SET, params)


async def all_applied(tx: Transaction, reader: Reader, topic: Topic, keys: Sequence[str]) -> list[bool]:
    """For each key: whether this database holds the effects of all that its partition held at some moment after `tx`
    began. Raises KafkaAway."""
    count = reader.partitions(topic.name)
    if count is None:
        raise KafkaAway(f"nothing is known of topic {topic.name}")
    wanted = [(topic.name, partition_of(key, count)) for key in keys]
    before = await of_topics(tx, [topic.name])
    ends = await reader.end_offsets(set(wanted))
    after = await of_topics(tx, [topic.name])
    # A position beyond the end is of a topic that was re-created since: it says nothing of this one.
    return [before.get(p, 0) <= ends[p] <= after.get(p, 0) for p in wanted]
