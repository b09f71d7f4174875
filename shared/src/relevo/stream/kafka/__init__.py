"""Kafka, and the only room that knows aiokafka: a producer, a reader and the topics, with its traps walled off.

What is walled off (aiokafka 0.14): the idempotent producer hangs while brokers are away, so acks=all without it,
every wait with a deadline, and a new client after any error; `stop()` can hang and leave tasks behind that go on
sending batches or heartbeats, so a client that does not stop in time is taken apart; a client's background task can
die without a word, and a rebalance can make `getmany` wait without limit; one broken header name makes a partition
unreadable for ever; deserializers can block a partition, so none is set; defaults that lose data (acks=1, auto-commit,
latest) are all set.
"""

import logging

from relevo.stream.kafka.ends import Ends
from relevo.stream.kafka.producer import Producer
from relevo.stream.kafka.reader import Profile, Reader
from relevo.stream.kafka.records import KafkaAway, Outgoing, Partition, Record, murmur2, partition_of
from relevo.stream.kafka.topics import create_topics

__all__ = [
    "Ends", "KafkaAway", "Outgoing", "Partition", "Producer", "Profile", "Reader", "Record", "create_topics", "murmur2",
    "partition_of",
]  # fmt: skip

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every retry; we say what matters ourselves
