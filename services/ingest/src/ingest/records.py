"""One Kafka record as the bytes the spool keeps, and back. PURE.

A line of JSON, `[when it was kept, topic, key, [[header, value], …]]`, and the value as it is.
"""

from datetime import datetime

import orjson

from relevo.stream.kafka import Outgoing


def pack(record: Outgoing, at: datetime) -> bytes:
    headers = [(name, value.decode()) for name, value in record.headers]
    return orjson.dumps((at, record.topic, record.key, headers), option=orjson.OPT_APPEND_NEWLINE) + record.value


def unpack(payload: bytes) -> tuple[Outgoing, datetime]:
    """The record, and when it was kept."""
    line, _, value = payload.partition(b"\n")
    at, topic, key, headers = orjson.loads(line)
    told = tuple((name, text.encode()) for name, text in headers)
    return Outgoing(topic, key, told, value), datetime.fromisoformat(at)
