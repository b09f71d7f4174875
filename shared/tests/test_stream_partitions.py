"""Shows that a key lands where Kafka's own clients put it, so that every writer agrees."""

import os

import pytest
from aiokafka.partitioner import murmur2 as by_aiokafka

from relevo.stream.kafka import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),  # of Kafka's own tests (UtilsTest.testMurmur2), as Java's signed numbers
    [
        (b"21", -973932308),
        (b"abc", 479470107),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_the_hash_is_that_of_kafkas_clients(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_the_hash_is_aiokafkas_at_every_length() -> None:
    for length in range(200):
        key = os.urandom(length)
        assert murmur2(key) == by_aiokafka(key) & 0xFFFFFFFF, key.hex()


def test_a_negative_hash_lands_where_java_puts_it() -> None:
    assert partition_of("foobar", 12) == (-790332482 & 0x7FFFFFFF) % 12
