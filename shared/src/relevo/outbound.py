"""The one HTTP client: every request has a deadline and a size cap, follows no redirect and heeds no proxy of the
environment. `stranger()` calls addresses that other people gave us, `own()` only base URLs from our settings."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal

import httpcore
import httpx

from relevo.addresses import literal, loopback_only, public_only, public_or_loopback

MOST_HOSTS = 256  # to which connections are kept open

Why = Literal["refused", "name", "connect", "timeout", "closed", "protocol"]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NoAnswer(Exception):
    """No answer came. `why` in one word; the text is for a person and holds neither URL nor body."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why: Why = why


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes. `answer` caps what is read of an answer's body; the rest is cut off with the connection.
    `connections` are those to one host."""

    connect: float = 5.0
    total: float = 15.0
    answer: int = 64 * 1024
    connections: int = 100


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are found in any case; `cut`: the body was longer than the limit."""

    status: int
    body: bytes
    cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Keeps connections open between requests; `aclose()` it when done."""

    def __init__(self, http: httpx.AsyncClient, check: Callable[[str], None], limits: Limits) -> None:
        self._http, self._check, self._limits = http, check, limits

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        """One request, one answer, whatever its status. Raises NoAnswer, at the latest after `Limits.total` seconds."""
        self._check(url)
        try:
            async with asyncio.timeout(self._limits.total):
                request = self._http.build_request(method, url, headers=headers, content=content)
                response = await self._http.send(request, stream=True)
                try:
                    body, cut = await _read(response, self._limits.answer)
                finally:
                    await response.aclose()
                return Answer(response.status_code, body, cut, response.headers)
        except TimeoutError:
            raise NoAnswer("timeout", f"no whole answer within {self._limits.total:g} s") from None
        except httpcore.TimeoutException:
            raise NoAnswer("timeout", f"no connection within {self._limits.connect:g} s") from None
        except httpcore.ConnectError as error:
            raise NoAnswer("connect", f"cannot connect: {_cause(error)}") from None
        except httpcore.NetworkError:
            raise NoAnswer("closed", "the connection broke off") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpx.HTTPError, httpx.InvalidURL):
            raise NoAnswer("protocol", "that is no HTTP answer") from None

    async def lines(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> AsyncIterator[tuple[int, bytes]]:
        """One request, and its answer line by line as it comes, each with the answer's status. Raises as `send`."""
        self._check(url)
        left, part = self._limits.answer, b""
        try:
            async with asyncio.timeout(self._limits.total):
                async with self._http.stream(method, url, headers=headers, content=content) as response:
                    async for more in response.aiter_raw():
                        left -= len(more)
                        if left < 0:
                            raise NoAnswer("protocol", "the answer is longer than we take")
                        *whole, part = (part + more).split(b"\n")
                        for line in whole:
                            yield response.status_code, line
                    if part:
                        yield response.status_code, part
        except TimeoutError:
            raise NoAnswer("timeout", f"no whole answer within {self._limits.total:g} s") from None
        except (httpcore.ConnectError, httpcore.TimeoutException) as error:
            raise NoAnswer("connect", f"cannot connect: {_cause(error)}") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError):
            raise NoAnswer("closed", "the connection broke off") from None

    async def aclose(self) -> None:
        await self._http.aclose()


def stranger(*, local: bool, limits: Limits | None = None, resolve: Resolve | None = None) -> Client:
    """A client for URLs that other people gave us: https only, and no address that `public_only` refuses. A name is
    resolved once, all its addresses are checked, and a checked one is dialled (SNI and Host stay the name's), so that
    a name that changes its mind in between leads nowhere else.

    In `local` mode loopback is allowed too, and plain http to it. `resolve(host, port)` gives a name's addresses.
    """
    limits = limits or Limits()
    lookup = resolve or _resolve
    secure = _Transport(_Checked(lookup, public_or_loopback if local else public_only), limits)
    plain = _Transport(_Checked(lookup, loopback_only), limits)
    return Client(_client(secure, plain, limits), lambda url: check_stranger(url, local=local), limits)


def own(*base_urls: str, limits: Limits | None = None) -> Client:
    """A client that calls nothing but what lies under `base_urls`, which come from settings."""
    limits = limits or Limits(answer=16 * 1024 * 1024)
    bases = tuple(httpx.URL(url.rstrip("/") + "/") for url in base_urls)

    def check(url: str) -> None:
        asked = _parse(url)
        if ".." in asked.path.split("/") or not any(_under(asked, base) for base in bases):
            raise NoAnswer("refused", "this URL lies under none of our base URLs")

    anywhere = _Transport(httpcore.AnyIOBackend(), limits)
    return Client(_client(anywhere, anywhere, limits), check, limits)


def check_stranger(url: str, *, local: bool) -> None:
    """Whether `stranger()` would try `url`, before any look-up. Raises NoAnswer("refused"), saying how to mend it."""
    parsed = _parse(url)
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise NoAnswer("refused", "write a whole URL that begins with https://")
    if parsed.userinfo:
        raise NoAnswer("refused", "leave user name and password out of the URL: the signature says who sends")
    if parsed.scheme == "http" and not local:
        raise NoAnswer("refused", "use https: plain http would show the lead's data to anyone on the way")
    if literal(parsed.host) is None and (parsed.scheme == "https" or parsed.host == "localhost"):
        return  # a name: its addresses are checked when it is resolved
    problem = loopback_only if parsed.scheme == "http" else public_or_loopback if local else public_only
    if because := problem(parsed.host):
        raise NoAnswer("refused", because)


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


class _Checked(httpcore.AsyncNetworkBackend):
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


class _Transport(httpx.AsyncBaseTransport):
    """httpx over pools whose dialling is ours: its own transport has no door for that. A pool for each host, because
    whatever a pool does takes the square of its connections, and so that a host that hangs fills its own only."""

    def __init__(self, network: httpcore.AsyncNetworkBackend, limits: Limits) -> None:
        self._network, self._limits = network, limits
        self._tls = httpx.create_ssl_context()
        self._pools: dict[tuple[bytes, bytes, int | None], httpcore.AsyncConnectionPool] = {}  # last used last

    async def _pool(self, url: httpx.URL) -> httpcore.AsyncConnectionPool:
        host = (url.raw_scheme, url.raw_host, url.port)
        pool = self._pools.pop(host, None)
        if pool is None:
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=self._limits.connections,
                max_keepalive_connections=self._limits.connections,
                keepalive_expiry=30.0,
                network_backend=self._network,
            )
        self._pools[host] = pool
        if len(self._pools) > MOST_HOSTS and all(
            each.is_idle() for each in next(iter(self._pools.values())).connections
        ):
            await self._pools.pop(next(iter(self._pools))).aclose()
        return pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.AsyncByteStream)
        pool = await self._pool(url)
        came = await pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(came.status, headers=came.headers, stream=_Stream(came), extensions=came.extensions)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def _client(secure: httpx.AsyncBaseTransport, plain: httpx.AsyncBaseTransport, limits: Limits) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=secure,
        mounts={"http://": plain},
        timeout=httpx.Timeout(limits.total, connect=limits.connect),
        headers={"user-agent": "Relevo", "accept-encoding": "identity"},  # so that no answer grows when unpacked
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # nobody's answer marks the next request
        follow_redirects=False,
        trust_env=False,
    )


async def _read(response: httpx.Response, most: int) -> tuple[bytes, bool]:
    """The body, up to `most` bytes, and whether there was more."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), False


def _parse(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise NoAnswer("refused", "that is no URL") from None


def _under(url: httpx.URL, base: httpx.URL) -> bool:
    same = (url.scheme, url.host, url.port, url.userinfo) == (base.scheme, base.host, base.port, base.userinfo)
    return same and (url.path + "/").startswith(base.path)


def _cause(error: BaseException) -> str:
    """The system's own words, without the address."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "refused or unreachable"
