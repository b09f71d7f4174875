"""Shows that records torn or flipped at any byte cost only the records they touch, and never invent one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import frames
from ingest.frames import Damage, Whole

PAYLOADS = [f'{{"touchpoint": {n}, "email": "ana{n}@example.com"}}'.encode() for n in range(5)]
BLOB = frames.frame(PAYLOADS)


def payloads(buffer: bytes, final: bool = True) -> list[bytes]:
    return [item.payload for item in frames.read(buffer, final) if isinstance(item, Whole)]


def test_what_was_framed_is_read_back() -> None:
    assert payloads(BLOB) == PAYLOADS
    assert frames.whole_length(BLOB) == len(BLOB)


@pytest.mark.parametrize("payload", [b"", b"x" * (frames.MOST + 1)])
def test_a_payload_has_a_length_that_can_be_told_from_damage(payload: bytes) -> None:
    with pytest.raises(ValueError, match="1 to"):
        frames.frame([payload])


def test_torn_at_any_byte_keeps_every_record_before_the_tear() -> None:
    ends = [frames.OVERHEAD * (n + 1) + sum(map(len, PAYLOADS[: n + 1])) for n in range(5)]
    for tear in range(len(BLOB)):
        whole = sum(end <= tear for end in ends)
        assert payloads(BLOB[:tear]) == PAYLOADS[:whole]
        assert frames.whole_length(BLOB[:tear]) == ([0, *ends][whole])


def test_flipped_at_any_byte_loses_only_the_record_it_hits() -> None:
    size = len(BLOB) // 5
    for at in range(len(BLOB)):
        for mask in (0x01, 0x80, 0xFF):
            flipped = bytearray(BLOB)
            flipped[at] ^= mask
            expected = [p for n, p in enumerate(PAYLOADS) if n != at // size]
            assert payloads(bytes(flipped)) == expected, f"byte {at} ^ {mask:#x}"


def test_zeroes_after_a_crash_are_no_records() -> None:
    assert payloads(BLOB + bytes(4096)) == PAYLOADS
    assert frames.whole_length(BLOB + bytes(4096)) == len(BLOB)


def test_an_unfinished_record_is_left_for_the_next_reading() -> None:
    items = list(frames.read(BLOB[:-3], final=False))
    assert [i for i in items if isinstance(i, Damage)] == []
    assert len(items) == 4


def test_damage_longer_than_a_reading_is_passed_in_big_steps() -> None:
    junk = b"x" * (3 * (frames.MOST + frames.OVERHEAD))
    window = 2 * (frames.MOST + frames.OVERHEAD)
    content, at, readings, found = junk + BLOB, 0, 0, []
    while at < len(content):
        buffer = content[at : at + window]
        for item in frames.read(buffer, final=at + len(buffer) == len(content)):
            end = item.end
            if isinstance(item, Whole):
                found.append(item.payload)
        at, readings = at + end, readings + 1
    assert found == PAYLOADS
    assert readings <= 4


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=8), st.binary(max_size=300))
def test_whatever_follows_whole_records_they_are_read(written: list[bytes], tail: bytes) -> None:
    assert payloads(frames.frame(written) + tail)[: len(written)] == written
