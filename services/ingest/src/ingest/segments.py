"""The spool's files: numbered segments of `frames`, a cursor and a lock. Blocking; used by one thread."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ingest import frames

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 * 1024 * 1024
_WINDOW = 2 * (frames.MOST + frames.OVERHEAD)  # read at a time: always room for one whole record


class Full(Exception):
    """Nothing was taken: the spool's limit is reached, or the disk is full or refuses to write. Try again later."""


class Broken(Exception):
    """A sync failed: what the disk holds is unknown until the process has started again."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in the spool: a segment's number and a byte offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True)
class Chunk:
    """Payloads from the front; `size` bytes are gone from the spool once it is told to forget up to `end`."""

    payloads: tuple[bytes, ...]
    end: Position
    size: int


class Segments:
    """The files of one folder, held by one process."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES, sync: Callable[[int], None] = os.fdatasync):
        """Opens `folder` and cuts what was torn off at its end. Raises BlockingIOError where another process holds it.

        `sync` makes a file's bytes durable; tests hand in one that fails.
        """
        self._folder, self._segment_bytes, self._sync = folder, segment_bytes, sync
        self._lock = _locked(folder)
        self._sizes = {int(path.stem): path.stat().st_size for path in sorted(folder.glob("*.spool"))}
        self._cursor = _read_cursor(folder / "cursor")
        self._file = -1
        for number in [n for n in self._sizes if n < self._cursor.segment]:
            self._remove(number)  # drained before the last stop
        if self._sizes:
            self._cut_torn_tail(max(self._sizes))
            if self._cursor.segment not in self._sizes:
                self._cursor = Position(min(self._sizes), 0)
            self._cursor = Position(self._cursor.segment, min(self._cursor.offset, self._sizes[self._cursor.segment]))

    @property
    def size(self) -> int:
        """Bytes not yet forgotten."""
        drained = self._cursor.offset if self._cursor.segment in self._sizes else 0
        return sum(self._sizes.values()) - drained

    def write(self, blob: bytes) -> None:
        """Append whole records and sync. Raises Full (nothing was kept) or Broken."""
        with _disk_full_is_full():
            if self._file == -1 or self._sizes[self._last] + len(blob) > self._segment_bytes:
                self._start_segment()
            written = self._sizes[self._last]
            try:
                rest = memoryview(blob)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                self._cut(self._file, written)
                raise
        self._synced(self._file)
        self._sizes[self._last] = written + len(blob)

    def read(self, most: int) -> Chunk | None:
        """Up to `most` payloads from the front, all of one segment; None when nothing is left.

        Damaged bytes are skipped, logged, and kept beside the segments for a person to look at; a chunk may hold
        nothing else.
        """
        for number in sorted(n for n in self._sizes if n >= self._cursor.segment):
            start = self._cursor.offset if number == self._cursor.segment else 0
            if start < self._sizes[number]:
                return self._read_segment(number, start, most)
        return None

    def forget(self, to: Position) -> None:
        """Everything before `to` is safe elsewhere. Whole segments go at once, the last one too when nothing is left in
        it (it holds personal data). A crash may bring some of it back: the same records, with the same ids."""
        self._cursor = to
        temporary = self._folder / "cursor.new"
        temporary.write_bytes(frames.frame([f"{to.segment} {to.offset}".encode()]))
        temporary.replace(self._folder / "cursor")
        for number in [n for n in self._sizes if n < to.segment or Position(n, self._sizes[n]) == to]:
            self._remove(number)

    def close(self) -> None:
        """Let another process have the folder. A second call does nothing."""
        self._close_file()
        if self._lock != -1:
            os.close(self._lock)
            self._lock = -1

    @property
    def _last(self) -> int:
        return max(self._sizes)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}.spool"

    def _read_segment(self, number: int, start: int, most: int) -> Chunk:
        with self._path(number).open("rb") as file:
            file.seek(start)
            buffer = file.read(min(_WINDOW, self._sizes[number] - start))
        payloads: list[bytes] = []
        end = 0
        for item in frames.read(buffer, final=start + len(buffer) == self._sizes[number]):
            end = item.end
            if isinstance(item, frames.Damage):
                self._keep_damaged(number, start + item.start, buffer[item.start : item.end])
                continue
            payloads.append(item.payload)
            if len(payloads) == most:
                break
        return Chunk(tuple(payloads), Position(number, start + end), end)

    def _keep_damaged(self, number: int, offset: int, damaged: bytes) -> None:
        name = f"damaged-{number}-{offset}"
        log.error("the spool has damaged bytes; they are kept in %s", name, extra={"bytes": len(damaged)})
        with suppress(OSError):
            (self._folder / name).write_bytes(damaged)

    def _start_segment(self) -> None:
        number = max(self._last if self._sizes else 0, self._cursor.segment) + 1
        self._close_file()
        self._file = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._sizes[number] = 0
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._synced(folder)
        finally:
            os.close(folder)

    def _cut_torn_tail(self, number: int) -> None:
        content = self._path(number).read_bytes()
        whole = frames.whole_length(content)
        if whole < len(content):
            log.warning("cut a torn tail off the spool", extra={"bytes": len(content) - whole})
            file = os.open(self._path(number), os.O_WRONLY)
            try:
                self._cut(file, whole)
                self._synced(file)
            finally:
                os.close(file)
            self._sizes[number] = whole

    def _cut(self, file: int, length: int) -> None:
        try:
            os.ftruncate(file, length)
        except OSError as error:
            raise Broken("could not take back a half-written record") from error

    def _synced(self, file: int) -> None:
        try:
            self._sync(file)
        except OSError as error:
            raise Broken("the disk did not confirm a sync") from error

    def _remove(self, number: int) -> None:
        if number == self._last:
            self._close_file()
        del self._sizes[number]
        self._path(number).unlink(missing_ok=True)

    def _close_file(self) -> None:
        if self._file != -1:
            os.close(self._file)
            self._file = -1


def _locked(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise BlockingIOError(
            f"{folder} is another process's spool; give each replica its own (RELEVO_SPOOL)"
        ) from None
    return lock


def _read_cursor(path: Path) -> Position:
    """Where draining stood; a missing or damaged cursor drains everything again, under the same ids."""
    with suppress(OSError):
        for item in frames.read(path.read_bytes(), final=True):
            if isinstance(item, frames.Whole):
                segment, offset = item.payload.split()
                return Position(int(segment), int(offset))
    return Position(0, 0)


@contextmanager
def _disk_full_is_full() -> Iterator[None]:
    """ENOSPC, EDQUOT, EFBIG, EIO while writing: the record was taken back, the sender is to come again."""
    try:
        yield
    except OSError as error:
        raise Full(f"the disk refuses to write: {os.strerror(error.errno or 0)}") from error
