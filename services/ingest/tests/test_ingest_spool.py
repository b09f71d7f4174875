"""Shows that the spool gives back what it acknowledged, in order, after kills, tears, flips, a full or failing disk."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent

import pytest

from ingest import frames
from ingest.segments import Segments
from ingest.spool import Broken, Full, Spool

MiB = 1024 * 1024
Open = Callable[..., Spool]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    spools: list[Spool] = []

    def open_(limit: int = MiB, **how: object) -> Spool:
        spools.append(Spool(Segments(tmp_path / "spool", **how), limit))  # type: ignore[arg-type]
        return spools[-1]

    yield open_
    for spool in spools:
        await spool.close()


def touch(n: int) -> bytes:
    return f'{{"touchpoint": {n}}}'.encode()


async def drained(spool: Spool, most: int = 3) -> list[bytes]:
    found: list[bytes] = []
    while chunk := await spool.read(most):
        found += chunk.payloads
        await spool.forget(chunk)
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.spool"))


async def test_drains_in_the_order_written_and_leaves_no_personal_data_behind(tmp_path: Path, opened: Open) -> None:
    spool = opened()
    for n in range(10):
        await spool.append([touch(n)])
    assert spool.size > 0
    assert await drained(spool) == [touch(n) for n in range(10)]
    assert spool.empty
    assert files(tmp_path / "spool") == []


async def test_many_appends_share_a_sync(opened: Open) -> None:
    syncs = 0

    def counting(file: int) -> None:
        nonlocal syncs
        syncs += 1
        os.fdatasync(file)

    spool = opened(sync=counting)
    await asyncio.gather(*(spool.append([touch(n)]) for n in range(200)))
    assert syncs <= 3  # the new segment's folder, the first append, all that came meanwhile
    assert await drained(spool, 500) == [touch(n) for n in range(200)]


async def test_a_new_process_goes_on_where_the_last_one_stood(opened: Open) -> None:
    spool = opened()
    await spool.append([touch(n) for n in range(10)])
    chunk = await spool.read(4)
    assert chunk is not None
    await spool.forget(chunk)
    await spool.close()
    again = opened()
    assert again.size == len(frames.frame([touch(n) for n in range(4, 10)]))
    assert await drained(again) == [touch(n) for n in range(4, 10)]


async def test_a_lost_or_damaged_cursor_drains_again_rather_than_skips(tmp_path: Path, opened: Open) -> None:
    spool = opened()
    await spool.append([touch(n) for n in range(10)])
    chunk = await spool.read(4)
    assert chunk is not None
    await spool.forget(chunk)
    await spool.close()
    cursor = tmp_path / "spool" / "cursor"
    whole = cursor.read_bytes()
    for at in range(len(whole)):
        cursor.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        again = opened()
        chunk = await again.read(20)
        assert chunk is not None
        assert chunk.payloads == tuple(touch(n) for n in range(10))
        await again.close()


async def test_segments_are_rotated_and_removed_one_by_one(tmp_path: Path, opened: Open) -> None:
    spool = opened(segment_bytes=100)
    for n in range(20):
        await spool.append([touch(n)])
    before = files(tmp_path / "spool")
    assert len(before) > 3
    chunk = await spool.read(100)
    assert chunk is not None
    await spool.forget(chunk)
    assert files(tmp_path / "spool") == before[1:]
    assert [*chunk.payloads, *await drained(spool)] == [touch(n) for n in range(20)]
    await spool.append([touch(99)])
    assert files(tmp_path / "spool") > before  # a number is never used twice


async def test_what_is_appended_while_draining_goes_behind(opened: Open) -> None:
    spool = opened()
    await spool.append([touch(0), touch(1)])
    chunk = await spool.read(10)
    assert chunk is not None
    await spool.append([touch(2)])
    await spool.forget(chunk)
    assert not spool.empty
    assert await drained(spool) == [touch(2)]


async def test_torn_at_any_byte_and_appended_to_again(tmp_path: Path, opened: Open) -> None:
    whole = frames.frame([touch(n) for n in range(4)])
    each = len(whole) // 4
    folder = tmp_path / "spool"
    for tear in range(len(whole) + 1):
        for old in folder.glob("*"):
            old.unlink()
        folder.mkdir(exist_ok=True)
        (folder / f"{1:016d}.spool").write_bytes(whole[:tear])
        spool = opened()
        await spool.append([touch(9)])
        assert await drained(spool) == [*(touch(n) for n in range(tear // each)), touch(9)]
        await spool.close()


async def test_flipped_at_any_byte_skips_that_record_and_keeps_its_bytes(tmp_path: Path, opened: Open) -> None:
    whole = frames.frame([touch(n) for n in range(4)])
    each = len(whole) // 4
    folder = tmp_path / "spool"
    for at in range(len(whole) - each):  # the last record's damage cannot be told from a torn tail
        for old in folder.glob("*"):
            old.unlink()
        folder.mkdir(exist_ok=True)
        (folder / f"{1:016d}.spool").write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        spool = opened()
        assert await drained(spool) == [touch(n) for n in range(4) if n != at // each]
        assert spool.empty
        assert sum(path.stat().st_size for path in folder.glob("damaged-*")) == each
        await spool.close()


async def test_at_its_limit_it_says_full_and_takes_nothing(opened: Open) -> None:
    spool = opened(limit=100)
    await spool.append([touch(1)])
    with pytest.raises(Full, match="limit"):
        await spool.append([b"x" * 100])
    assert await drained(spool) == [touch(1)]
    await spool.append([touch(2)])
    assert await drained(spool) == [touch(2)]


async def test_a_disk_that_refuses_the_write_leaves_no_half_record(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    await spool.append([touch(1)])
    write = os.write
    with monkeypatch.context() as disk:
        state = {"room": 5}

        def short(file: int, data: bytes) -> int:
            if not state["room"]:
                raise OSError(errno.ENOSPC, "No space left on device")
            state["room"] -= (taken := write(file, data[: state["room"]]))
            return taken

        disk.setattr(os, "write", short)
        with pytest.raises(Full, match="No space left"):
            await spool.append([touch(2)])
    await spool.append([touch(3)])
    assert await drained(spool) == [touch(1), touch(3)]


async def test_after_a_failed_sync_nothing_is_promised_any_more(opened: Open) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool = opened(sync=failing)
    first, second = await asyncio.gather(spool.append([touch(1)]), spool.append([touch(2)]), return_exceptions=True)
    assert isinstance(first, Broken)
    assert isinstance(second, Broken)
    assert spool.broken.is_set()
    with pytest.raises(Broken):
        await spool.append([touch(3)])


async def test_two_processes_never_share_a_folder(opened: Open) -> None:
    opened()
    with pytest.raises(BlockingIOError, match="RELEVO_SPOOL"):
        opened()


def run(code: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", dedent(code), str(folder)], stdout=subprocess.PIPE, text=True, bufsize=1
    )


def test_a_really_full_disk_answers_full_and_works_again_once_there_is_room(tmp_path: Path) -> None:
    # RLIMIT_FSIZE makes the kernel itself refuse, in the middle of a record.
    child = run(
        """
        import asyncio, resource, sys
        from pathlib import Path
        from ingest.segments import Segments
        from ingest.spool import Full, Spool

        async def main():
            spool = Spool(Segments(Path(sys.argv[1])), 10_000_000)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            await spool.append([b"one"])
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            try:
                await spool.append([b"x" * 5000])
            except Full as full:
                print("full:", full)
            await spool.append([b"two"])
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await spool.append([b"y" * 5000])
            print([p[:3] for p in (await spool.read(10)).payloads])
            await spool.close()

        asyncio.run(main())
        """,
        tmp_path,
    )
    output, _ = child.communicate(timeout=30)
    assert output.splitlines() == ["full: the disk refuses to write: File too large", "[b'one', b'two', b'yyy']"]


def test_killed_at_any_moment_it_keeps_all_it_acknowledged_in_order(tmp_path: Path) -> None:
    # A child appends and prints each number it was promised; it is killed at once after the n-th promise, five times
    # over in one folder.
    code = """
        import asyncio, sys
        from pathlib import Path
        from ingest.segments import Segments
        from ingest.spool import Spool

        async def main():
            spool = Spool(Segments(Path(sys.argv[1]), segment_bytes=2000), 10_000_000)

            async def one(n):
                await spool.append([str(n).encode() * 7])
                print(n, flush=True)

            for n in range(0, 100_000, 8):
                await asyncio.gather(*(one(n + i) for i in range(8)))

        asyncio.run(main())
        """
    promised: list[list[int]] = []
    for kill_after in (1, 2, 19, 40, 77):
        child = run(code, tmp_path)
        assert child.stdout is not None
        seen = [int(child.stdout.readline()) for _ in range(kill_after)]
        child.send_signal(signal.SIGKILL)
        seen += [int(line) for line in child.stdout.read().splitlines()]
        child.wait()
        promised.append(seen)

    async def read_all() -> list[bytes]:
        spool = Spool(Segments(tmp_path), 10_000_000)
        found = await drained(spool, 50)
        await spool.close()
        return found

    numbers = [int(payload[: len(payload) // 7]) for payload in asyncio.run(read_all())]
    lives: list[list[int]] = []
    for number in numbers:
        if number == 0:
            lives.append([])
        lives[-1].append(number)
    assert len(lives) == 5
    for life, told in zip(lives, promised, strict=True):
        assert life == list(range(len(life)))  # in order, nothing twice, nothing invented
        assert set(told) <= set(life)
