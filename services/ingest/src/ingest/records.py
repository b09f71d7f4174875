"""One Kafka record as the bytes the spool keeps, and back. PURE.

u64 milliseconds when it was kept · topic, key (u16 length each) · u8 count of headers, (u16, u16 lengths) each · value
"""

import struct
from datetime import UTC, datetime, timedelta

from relevo.stream.kafka import Outgoing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = struct.Struct(">QHHB")
_HEADER = struct.Struct(">HH")


def pack(record: Outgoing, at: datetime) -> bytes:
    topic, key = record.topic.encode(), record.key.encode()
    parts = [_HEAD.pack(round(at.timestamp() * 1000), len(topic), len(key), len(record.headers))]
    parts += (topic, key)
    for name, value in record.headers:
        encoded = name.encode()
        parts += (_HEADER.pack(len(encoded), len(value)), encoded, value)
    parts.append(record.value)
    return b"".join(parts)


def unpack(payload: bytes) -> tuple[Outgoing, datetime]:
    """The record, and when it was kept."""
    milliseconds, topic_length, key_length, count = _HEAD.unpack_from(payload)
    at = _HEAD.size

    def take(length: int) -> bytes:
        nonlocal at
        at += length
        return payload[at - length : at]

    topic, key = take(topic_length).decode(), take(key_length).decode()
    headers = []
    for _ in range(count):
        name_length, value_length = _HEADER.unpack(take(_HEADER.size))
        headers.append((take(name_length).decode(), take(value_length)))
    return Outgoing(topic, key, tuple(headers), payload[at:]), _EPOCH + timedelta(milliseconds=milliseconds)
