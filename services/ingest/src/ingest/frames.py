"""Records in a spool file: length, CRC32C, payload; and finding the next whole one after damage. PURE.

┌───────────────┬───────────────┬───────────────┐
│ length, u32le │ crc32c, u32le │ payload       │   length counts the payload: 1 … MOST
└───────────────┴───────────────┴───────────────┘
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import google_crc32c

MOST = 1 << 20  # a payload's bytes; far above the largest Kafka record that ingest makes
_HEAD = struct.Struct("<II")
OVERHEAD = _HEAD.size


@dataclass(frozen=True, slots=True)
class Whole:
    """A record that is as it was written; `end` is where the next one starts."""

    payload: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `start` to `end` that belong to no whole record."""

    start: int
    end: int


def frame(payloads: Iterable[bytes]) -> bytes:
    """The payloads as records, back to back. An empty payload is refused: eight zero bytes must never be a record."""
    parts: list[bytes] = []
    for payload in payloads:
        if not 1 <= len(payload) <= MOST:
            raise ValueError(f"a payload has 1 to {MOST} bytes")
        parts += (_HEAD.pack(len(payload), google_crc32c.value(payload)), payload)
    return b"".join(parts)


def read(buffer: bytes, final: bool) -> Iterator[Whole | Damage]:
    """What `buffer` holds, in order. Unless `final`, an unfinished record at its end is left for the next reading.

    With `final` everything is accounted for: what is not whole is damage, a torn tail too.
    """
    at, end = 0, len(buffer)
    while at < end:
        whole = _whole_at(buffer, at)
        if whole is not None:
            yield whole
            at = whole.end
            continue
        if not final and _unfinished(buffer, at):
            return
        following = _next_whole(buffer, at + 1)
        if following is None:
            # Unless this is all, a record may start in the last bytes and end beyond them: left for the next reading.
            damaged_to = end if final else end - OVERHEAD - MOST
            if damaged_to > at:
                yield Damage(at, damaged_to)
            return
        yield Damage(at, following)
        at = following


def whole_length(buffer: bytes) -> int:
    """Where the last whole record ends: what follows was torn off while it was written, and never acknowledged."""
    last = 0
    for item in read(buffer, final=True):
        if isinstance(item, Whole):
            last = item.end
    return last


def _whole_at(buffer: bytes, at: int) -> Whole | None:
    if at + OVERHEAD > len(buffer):
        return None
    length, checksum = _HEAD.unpack_from(buffer, at)
    start, end = at + OVERHEAD, at + OVERHEAD + length
    if not 1 <= length <= MOST or end > len(buffer):
        return None
    payload = buffer[start:end]
    return Whole(payload, end) if google_crc32c.value(payload) == checksum else None


def _unfinished(buffer: bytes, at: int) -> bool:
    """Whether more bytes could make a record of what starts at `at`."""
    if at + OVERHEAD > len(buffer):
        return True
    (length,) = struct.unpack_from("<I", buffer, at)
    return bool(1 <= length <= MOST and at + OVERHEAD + length > len(buffer))


def _next_whole(buffer: bytes, at: int) -> int | None:
    """Where the next whole record starts. A length up to MOST has a zero as its highest byte, and the JSON of payloads
    holds no zero byte, so that looking for zeros finds every candidate and few others; the checksum decides."""
    zero = buffer.find(0, at + 3)
    while zero != -1:
        if _whole_at(buffer, zero - 3) is not None:
            return zero - 3
        zero = buffer.find(0, zero + 1)
    return None
