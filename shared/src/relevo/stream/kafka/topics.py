"""Topics are created, with the partitions that keys rely on."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from relevo.events import Topic
from relevo.stream.kafka.brokers import Brokers
from relevo.stream.kafka.leaving import ends_in_time
from relevo.stream.kafka.reader import Profile
from relevo.stream.kafka.records import KafkaAway

_TOPIC_EXISTS = 36


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
        await ends_in_time(admin.close(), 3)


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
