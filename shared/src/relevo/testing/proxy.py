"""A TCP proxy of our own that fails on command: cut, frozen, half open, slow, and healed."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 64 * 1024
_QUEUED = 64  # chunks under way in one direction; more, and the sender feels the pressure
_TICK = 0.02  # seconds between two steps of a slow link


class Proxy:
    """Stands before `target` (host:port) at `address`. Each failure lasts until the next one, or `heal()`.

    - `cut()`: every connection is reset, and every new one too. A dead peer whose machine still answers.
    - `freeze()`: nothing moves, nothing is told; new connections open and hear nothing. A network that swallows
      packets: after `heal()` what was under way arrives.
    - `half_open()`: the target loses its connections, the clients keep theirs and never hear of it, not even after
      `heal()`. New connections work. A firewall that forgot them.
    - `slow(delay, rate)`: each byte arrives `delay` seconds later, at most `rate` bytes a second per direction.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False
        self._delay = 0.0
        self._rate: float | None = None
        self.port = 0
        self.accepted = 0  # connections, ever

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        self._cut = True
        for link in list(self._links):
            link.reset()

    def freeze(self) -> None:
        self._flowing.clear()

    def half_open(self) -> None:
        for link in list(self._links):
            link.forget()

    def slow(self, delay: float = 0.0, rate: float | None = None) -> None:
        self._delay, self._rate = delay, rate

    def heal(self) -> None:
        self._cut = False
        self._delay, self._rate = 0.0, None
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for link in list(self._links):
            link.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, from its acceptance to its end in both directions."""
        self.accepted += 1
        link = _Link(to_client)
        self._links.add(link)
        try:
            if self._cut:
                return link.reset()
            await self._flowing.wait()
            server, link.to_server = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, client, link.to_server))
                both.create_task(self._pump(link, server, link.to_client))
        except* OSError:  # one side was reset, or the target refused: so the other side is reset
            link.reset()
        finally:
            link.close()
            self._links.discard(link)

    async def _pump(self, link: "_Link", source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one direction to its end. A queue of (when due, bytes) between reading and writing makes the delay."""
        now = asyncio.get_running_loop().time
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)

        async def collect() -> None:
            data = b"-"
            while data:  # the empty one says that the sender has ended
                data = await source.read(_CHUNK)
                await under_way.put((now() + self._delay, data))

        async def deliver() -> None:
            data = b"-"
            while data:
                due, data = await under_way.get()
                await asyncio.sleep(due - now())
                await self._flowing.wait()
                if not link.forgotten:
                    await self._hand_over(data, sink)

        async with asyncio.TaskGroup() as group:
            group.create_task(collect())
            group.create_task(deliver())

    async def _hand_over(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        if not data:
            sink.write_eof()
            return
        step = len(data) if self._rate is None else max(1, int(self._rate * _TICK))
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if self._rate is not None:
                await asyncio.sleep(len(piece) / self._rate)
            sink.write(piece)
            await sink.drain()


class _Link:
    """One connection's two ends."""

    def __init__(self, to_client: asyncio.StreamWriter) -> None:
        self.to_client = to_client
        self.to_server: asyncio.StreamWriter | None = None
        self.forgotten = False

    def forget(self) -> None:
        """End the target's side only; what the client still says is read and dropped."""
        self.forgotten = True
        if self.to_server is not None:
            _reset(self.to_server)

    def reset(self) -> None:
        for writer in (self.to_client, self.to_server):
            if writer is not None:
                _reset(writer)

    def close(self) -> None:
        for writer in (self.to_client, self.to_server):
            if writer is not None:
                writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    # Closing with a linger time of zero sends RST instead of FIN.
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
