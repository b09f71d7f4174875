"""Nothing unsafe reaches Kafka: events as records that everything downstream can keep. PURE."""

import base64
import gzip
import re
from datetime import datetime
from typing import Any

import orjson

from ingest.draft import Unusable
from relevo.events import Event, TouchpointRecorded
from relevo.events.cloudevents import attributes, encode
from relevo.stream.kafka import Outgoing

_MOST_RECORD = 384 * 1024  # encoded; under a record batch with room to spare
MOST_KEPT = 256 * 1024  # of a failed touchpoint's bytes, before base64
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def record(event: Event) -> Outgoing:
    """The event's record. Raises Unusable where PostgreSQL could not keep it (NUL, half a character), or Kafka."""
    try:
        made = Outgoing(event.topic.name, *encode(event, "ingest"))
    except ValueError:  # half a character has no UTF-8
        raise _half_a_character() from None
    return _safe(made)


def touchpoint(data: dict[str, Any], trace: str | None) -> Outgoing:
    """The record of the TouchpointRecorded with this data (of `normalise.described`). Raises Unusable, as `record`."""
    headers = attributes(TouchpointRecorded.type, "ingest", data["touchpoint_id"], _iso(data["at"]), trace)
    try:
        value = orjson.dumps(data, option=orjson.OPT_UTC_Z)
    except TypeError:
        raise _half_a_character() from None
    return _safe(Outgoing(TouchpointRecorded.topic.name, data["subjects"][0]["subject_id"], headers, value))


def _iso(moment: datetime) -> str:
    """As `isoformat` writes it, in a fifth of its time."""
    return orjson.dumps(moment)[1:-1].decode()


def _safe(made: Outgoing) -> Outgoing:
    # `in` would first take the bytes for a number, and fail, which is slow.
    if made.value.find(b"\\u0000") >= 0 and _NUL.search(made.value) is not None:
        raise Unusable("Holds a NUL character.")
    if len(made.value) > _MOST_RECORD:
        raise Unusable("Too much for one touchpoint.", status=413, title="Too large")
    return made


def _half_a_character() -> Unusable:
    return Unusable("Holds half a character (a lone surrogate).")


def kept(body: bytes) -> str:
    """A failed touchpoint's bytes in base64, packed where they are many. Raises Unusable where that is too much."""
    if len(body) > MOST_KEPT:
        body = gzip.compress(body, 6, mtime=0)
    if len(body) > MOST_KEPT:
        raise Unusable(f"An event has at most {MOST_KEPT // 1024} KiB.", status=413, title="Too large")
    return base64.b64encode(body).decode()
