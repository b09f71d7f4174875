"""Connections of the HTTP client (`outbound.py`): whom it may dial, and which of those that are open it uses."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import cache, partial
from typing import Literal

import httpcore
import httpx

from relevo.addresses import literal

MOST_HOSTS = 256  # to which connections are kept open

Why = Literal["refused", "name", "connect", "timeout", "closed", "protocol"]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NoAnswer(Exception):
    """No answer came. `why` in one word; the text is for a person and holds neither URL nor body."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why: Why = why


async def look_up(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


class Checked(httpcore.AsyncNetworkBackend):
    """Dials only addresses it has checked. httpcore hands it the URL's host, and keeps that for SNI and Host."""

    def __init__(self, resolve: Resolve, problem: Callable[[str], str | None]) -> None:
        self._resolve, self._problem = resolve, problem
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = [host] if literal(host) else list(dict.fromkeys(await self._resolve(host, port)))
                for address in addresses:
                    if because := self._problem(address):
                        raise NoAnswer("refused", because)
                return await self._dial(addresses, port, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (socket.gaierror, UnicodeError):
            raise NoAnswer("name", "the host's name has no address") from None

    async def _dial(
        self, addresses: Sequence[str], port: int, options: Iterable[httpcore.SOCKET_OPTION] | None
    ) -> httpcore.AsyncNetworkStream:
        """The first address that takes the connection, within the caller's deadline."""
        failed: Exception = NoAnswer("name", "the host's name has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, socket_options=options)
            except httpcore.ConnectError as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Host:
    """Connections to one host. httpcore's own pool looks at all its connections, and asks the system about each, at
    every request and every answer; here the one that was used last is asked, once."""

    def __init__(self, open_: Callable[[], httpcore.AsyncHTTPConnection], most: int) -> None:
        self._open, self._room = open_, asyncio.Semaphore(most)
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self.busy = 0

    async def send(self, request: httpcore.Request) -> tuple[httpcore.Response, Callable[[], Awaitable[None]]]:
        """The answer's head; call what comes with it when done with the body."""
        await self._room.acquire()
        self.busy += 1
        connection: httpcore.AsyncHTTPConnection | None = None
        try:
            connection = await self._take()
            came = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(connection)
            raise

        async def done() -> None:
            try:
                await came.aclose()
            finally:
                await self._give_back(connection)

        return came, done

    async def _take(self) -> httpcore.AsyncHTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():  # nor closed by the other side
                return connection
            await connection.aclose()
        return self._open()

    async def _give_back(self, connection: httpcore.AsyncHTTPConnection | None) -> None:
        self.busy -= 1
        self._room.release()
        if connection is None:
            return
        if connection.is_idle():
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """One for all: to read the authorities takes as long as a hundred requests."""
    return httpx.create_ssl_context()


class Transport(httpx.AsyncBaseTransport):
    """httpx over connections whose dialling is ours: its own transport has no door for that. Each host has its own, so
    that one that hangs fills its own places only."""

    def __init__(self, network: httpcore.AsyncNetworkBackend, most: int) -> None:
        self._network, self._most = network, most
        self._hosts: dict[tuple[bytes, bytes, int | None], _Host] = {}  # last used last

    async def _host(self, url: httpx.URL) -> _Host:
        key = (url.raw_scheme, url.raw_host, url.port)
        host = self._hosts.pop(key, None) or _Host(partial(self._open, url), self._most)
        self._hosts[key] = host
        if len(self._hosts) > MOST_HOSTS and not next(iter(self._hosts.values())).busy:
            await self._hosts.pop(next(iter(self._hosts))).aclose()
        return host

    def _open(self, url: httpx.URL) -> httpcore.AsyncHTTPConnection:
        default = 443 if url.scheme == "https" else 80
        return httpcore.AsyncHTTPConnection(
            httpcore.Origin(url.raw_scheme, url.raw_host, url.port or default),
            ssl_context=_trusted(),
            keepalive_expiry=30.0,
            network_backend=self._network,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.AsyncByteStream)
        host = await self._host(url)
        came, done = await host.send(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(came.status, headers=came.headers, stream=_Stream(came, done), extensions=came.extensions)

    async def aclose(self) -> None:
        for host in self._hosts.values():
            await host.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response, done: Callable[[], Awaitable[None]]) -> None:
        self._response, self._done = response, done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._done()
