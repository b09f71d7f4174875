"""The one HTTP client: every request has a deadline and a size cap, follows no redirect and heeds no proxy of the
environment. `stranger()` calls addresses that other people gave us, `own()` only base URLs from our settings."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from relevo.addresses import literal, loopback_only, public_only, public_or_loopback
from relevo.connections import Checked, NoAnswer, Resolve, Transport, look_up

__all__ = ["Answer", "Client", "Limits", "NoAnswer", "Resolve", "check_stranger", "own", "stranger"]


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
        async with self._answering():
            request = self._http.build_request(method, url, headers=headers, content=content)
            response = await self._http.send(request, stream=True)
            try:
                body, cut = await _read(response, self._limits.answer)
            finally:
                await response.aclose()
            return Answer(response.status_code, body, cut, response.headers)

    async def lines(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> AsyncIterator[tuple[int, bytes]]:
        """One request, and its answer line by line as it comes, each with the answer's status. Raises as `send`."""
        self._check(url)
        left, part = self._limits.answer, b""
        async with self._answering(), self._http.stream(method, url, headers=headers, content=content) as response:
            async for more in response.aiter_raw():
                left -= len(more)
                if left < 0:
                    raise NoAnswer("protocol", "the answer is longer than we take")
                *whole, part = (part + more).split(b"\n")
                for line in whole:
                    yield response.status_code, line
            if part:
                yield response.status_code, part

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """The time a request has; whatever goes wrong within is a NoAnswer."""
        try:
            async with asyncio.timeout(self._limits.total):
                yield
        except (TimeoutError, httpcore.ReadTimeout, httpcore.WriteTimeout):  # theirs may come first on a busy machine
            raise NoAnswer("timeout", f"no whole answer within {self._limits.total:g} s") from None
        except httpcore.TimeoutException:
            raise NoAnswer("timeout", f"no connection within {self._limits.connect:g} s") from None
        except httpcore.ConnectError as error:
            raise NoAnswer("connect", f"cannot connect: {_cause(error)}") from None
        except httpcore.NetworkError:
            raise NoAnswer("closed", "the connection broke off") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpx.HTTPError, httpx.InvalidURL):
            raise NoAnswer("protocol", "that is no HTTP answer") from None

    async def aclose(self) -> None:
        await self._http.aclose()


def stranger(*, local: bool, limits: Limits | None = None, resolve: Resolve | None = None) -> Client:
    """A client for URLs that other people gave us: https only, and no address that `public_only` refuses. A name is
    resolved once, all its addresses are checked, and a checked one is dialled (SNI and Host stay the name's), so that
    a name that changes its mind in between leads nowhere else.

    In `local` mode loopback is allowed too, and plain http to it. `resolve(host, port)` gives a name's addresses.
    """
    limits = limits or Limits()
    lookup = resolve or look_up
    secure = Transport(Checked(lookup, public_or_loopback if local else public_only), limits.connections)
    plain = Transport(Checked(lookup, loopback_only), limits.connections)
    return Client(_client(secure, plain, limits), lambda url: check_stranger(url, local=local), limits)


def own(*base_urls: str, limits: Limits | None = None) -> Client:
    """A client that calls nothing but what lies under `base_urls`, which come from settings."""
    limits = limits or Limits(answer=16 * 1024 * 1024)
    bases = tuple(httpx.URL(url.rstrip("/") + "/") for url in base_urls)

    def check(url: str) -> None:
        asked = _parse(url)
        if ".." in asked.path.split("/") or not any(_under(asked, base) for base in bases):
            raise NoAnswer("refused", "this URL lies under none of our base URLs")

    anywhere = Transport(httpcore.AnyIOBackend(), limits.connections)
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
