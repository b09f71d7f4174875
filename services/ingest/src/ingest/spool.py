"""The spool: touchpoints on the local disk, fsync'ed, while Kafka does not answer; read back in the order written.

Many appends share one sync. Bounded: at the limit, or when the disk refuses, `Full`. After a failed sync nobody knows
what the disk holds (the kernel may drop the pages and report the next sync as fine), so nothing more is promised:
`Broken`, and the process is to exit and start again from what the disk really kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ingest import frames
from ingest.segments import Broken, Chunk, Full, Segments

__all__ = ["Broken", "Chunk", "Full", "Spool"]

P = ParamSpec("P")
T = TypeVar("T")


class Spool:
    """One folder, one process. All methods are called on one event loop; the disk has a thread of its own."""

    def __init__(self, segments: Segments, limit: int) -> None:
        self._segments, self.limit = segments, limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.broken = asyncio.Event()  # set when a sync has failed
        self.size = segments.size

    @property
    def empty(self) -> bool:
        return self.size == 0

    @property
    def has_room(self) -> bool:
        return self.size + frames.MOST <= self.limit and not self.broken.is_set()

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Returns when all of them are on the disk. Raises Full or Broken: then none is promised."""
        blob = frames.frame(payloads)
        if self.broken.is_set():
            raise Broken("the spool's disk failed; this process is about to end")
        if self.size + len(blob) > self.limit:
            raise Full("the spool has reached its limit")
        self.size += len(blob)  # at once: whoever comes next goes behind it
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((blob, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def read(self, most: int) -> Chunk | None:
        """Up to `most` payloads from the front, left where they are; None where the disk holds none yet."""
        return await self._on_disk(self._segments.read, most)

    async def forget(self, chunk: Chunk) -> None:
        """`chunk` was read from the front and is safe elsewhere now."""
        await self._on_disk(self._segments.forget, chunk.end)
        self.size -= chunk.size

    async def close(self) -> None:
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        self._thread.shutdown()
        self._segments.close()

    async def _flush(self) -> None:
        """Write what came in while the last sync ran, with one sync for all of it, until nothing more came in."""
        while self._pending:
            batch, self._pending = self._pending, []
            failure: Exception | None = None
            try:
                await self._on_disk(self._segments.write, b"".join(blob for blob, _ in batch))
            except Full as full:
                failure = full
            except Broken as broken:
                failure = broken
                self.broken.set()
            for blob, done in batch:
                if failure is not None:
                    self.size -= len(blob)
                if done.done():  # whoever waited has gone
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)
        self._flushing = None

    async def _on_disk(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
