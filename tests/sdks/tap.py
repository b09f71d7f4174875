"""A reverse proxy that notes each request as it passes: what an SDK really sends, and how often."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httptools


@dataclass
class Request:
    path: str = ""
    body: bytes = b""

    @property
    def message_ids(self) -> list[str]:
        body = zlib.decompress(self.body, wbits=47) if self.body[:2] == b"\x1f\x8b" else self.body
        return [event["messageId"] for event in json.loads(body)["batch"]]


@dataclass
class Tap:
    """Every request that passed, by the connection's own order; `statuses` are those of the answers."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def message_ids(self) -> list[str]:
        return [one for request in self.requests for one in request.message_ids]


class _Asked:
    """httptools' callbacks for what a client says."""

    def __init__(self, tap: Tap) -> None:
        self._tap, self._now = tap, Request()

    def on_message_begin(self) -> None:
        self._now = Request()

    def on_url(self, url: bytes) -> None:
        self._now.path += url.decode()

    def on_body(self, body: bytes) -> None:
        self._now.body += body

    def on_message_complete(self) -> None:
        self._tap.requests.append(self._now)


class _Answered:
    def __init__(self, tap: Tap) -> None:
        self._tap, self.parser = tap, httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        self._tap.statuses.append(self.parser.get_status_code())


@asynccontextmanager
async def tapping(host: str, port: int) -> AsyncIterator[Tap]:
    """A tap before this address, at `tap.url`."""
    tap = Tap()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, parser: Any) -> None:
        with suppress(ConnectionError):
            while data := await source.read(64 * 1024):
                parser.feed_data(data)
                sink.write(data)
                await sink.drain()
        sink.close()

    async def carry(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(
            pump(client, to_server, httptools.HttpRequestParser(_Asked(tap))),
            pump(server, to_client, _Answered(tap).parser),
        )

    listening = await asyncio.start_server(carry, "127.0.0.1", 0)
    tap.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield tap
    finally:
        listening.close()
