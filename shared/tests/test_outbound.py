"""Shows that the HTTP client dials no address it should not, and ends every request in time and in bounds."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relevo.connections import _trusted
from relevo.outbound import Answer, Client, Limits, NoAnswer, own, stranger

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server of ours; its port."""

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve_and_close, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(raw: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return serve


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

# Ways of writing an address that webhooks must never leave for.
HOSTS = """
127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 0 0.0.0.0 0.1.2.3 2130706433 0x7f000001 0x7f.0.0.1 017700000001
0177.0.0.1 localhost LOCALHOST localhost. 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1
169.254.169.254 169.254.170.2 100.64.0.1 100.127.255.254 192.0.0.8 192.0.0.170 192.0.2.1 198.51.100.7 203.0.113.9
192.88.99.1 198.18.0.1 198.19.255.255 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 [::] [::1]
[0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [::ffff:0:127.0.0.1]
[64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1] [100::1] [2001::1] [2001:0:7f00:1::] [2001:10::1] [2001:20::1]
[2001:db8::1] [2002:7f00:1::] [2002:a9fe:a9fe::] [3fff::1] [5f00::1] [fc00::1] [fd00:ec2::254] [fe80::1] [fec0::1]
[ff02::1] [2606:4700::5efe:7f00:1] [2606:4700::200:5efe:a00:1]
""".split()


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, list[int]]]:
    """A port on which nobody may ever connect (any address of this machine), and the connections that came."""
    came: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)

    async with serving(serve, "") as port:
        yield port, came


async def test_no_stranger_leads_us_to_a_private_address(canary: tuple[int, list[int]]) -> None:
    port, came = canary
    assert len(HOSTS) >= 60
    client = stranger(local=False)
    for host in HOSTS:
        for scheme in ("https", "http"):
            with pytest.raises(NoAnswer) as refused:
                await client.send("POST", f"{scheme}://{host}:{port}/", content=b"x")
            assert refused.value.why in ("refused", "name"), host
    await client.aclose()
    assert came == []


async def test_a_name_is_refused_if_any_of_its_addresses_is(canary: tuple[int, list[int]]) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "93.184.216.34"] if host == "first.example" else ["2606:4700::1111", "::1"]

    port, came = canary
    client = stranger(local=False, resolve=resolve)
    for host in ("first.example", "last.example"):
        with pytest.raises(NoAnswer, match="public internet"):
            await client.send("GET", f"https://{host}:{port}/")
    await client.aclose()
    assert came == []


async def test_local_mode_opens_loopback_and_nothing_else() -> None:
    async with serving(answering(OK)) as port:
        client = stranger(local=True)
        assert (await client.send("POST", f"http://127.0.0.1:{port}/")).body == b"ok"
        for url in ("http://192.168.1.1/", "http://93.184.216.34/", "https://10.0.0.1/", "https://169.254.169.254/"):
            with pytest.raises(NoAnswer) as refused:
                await client.send("POST", url)
            assert refused.value.why == "refused", url
        await client.aclose()


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://example.com/", "https://", "https://user:pw@example.com/", "http://example.com/", "https://[::1"],
)
async def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    client = stranger(local=False)
    with pytest.raises(NoAnswer) as refused:
        await client.send("POST", url)
    assert refused.value.why == "refused"
    await client.aclose()


async def test_the_checked_address_is_dialled_under_the_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once; certificate, SNI and Host are the name's, though an address was dialled."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=crm.example", "-addext", "subjectAltName=DNS:crm.example", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    _trusted.cache_clear()
    asked: list[str] = []
    heads: list[bytes] = []
    names: list[str | None] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    tls.sni_callback = lambda connection, name, context: names.append(name)
    async with serving(serve, tls=tls) as port:
        client = stranger(local=True, resolve=resolve)
        for _ in range(3):
            await client.send("GET", f"https://crm.example:{port}/hook")
        with pytest.raises(NoAnswer, match="TLS"):
            await client.send("GET", f"https://127.0.0.1:{port}/hook")
        await client.aclose()
    assert asked == ["crm.example"]
    assert names == ["crm.example", None]
    assert len(heads) == 3
    assert all(f"host: crm.example:{port}\r\n".encode() in head.lower() for head in heads)


async def misbehaving(serve: Serve, limits: Limits | None = None) -> Answer:
    async with serving(serve) as port:
        client = stranger(local=True, limits=limits or Limits(connect=60, total=60))
        try:
            return await client.send("POST", f"http://127.0.0.1:{port}/hook", content=b"{}")
        finally:
            await client.aclose()


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    answer = await misbehaving(answering(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"))
    assert answer.status == 302


async def test_an_endless_body_is_cut() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 8192)
            await writer.drain()

    answer = await misbehaving(serve, Limits(connect=60, total=60, answer=64 * 1024))
    assert (answer.status, len(answer.body), answer.cut) == (200, 64 * 1024, True)


async def test_an_unpacked_answer_does_not_grow() -> None:
    packed = b"\x1f\x8b" + b"0" * 100
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 102\r\n\r\n"
    assert (await misbehaving(answering(head + packed))).body == packed


async def test_silence_and_one_byte_at_a_time_end_at_the_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    for serve in (silent, slow):
        with pytest.raises(NoAnswer) as timed_out:
            await misbehaving(serve, Limits(connect=60, total=0.5))
        assert timed_out.value.why == "timeout"
        assert str(timed_out.value) == "no whole answer within 0.5 s"


async def test_a_reset_and_a_non_answer_have_their_words() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    with pytest.raises(NoAnswer) as broken:
        await misbehaving(reset)
    assert broken.value.why in ("closed", "protocol")
    with pytest.raises(NoAnswer) as garbage:
        await misbehaving(answering(b"220 mail.example ESMTP\r\n\r\n"))
    assert garbage.value.why == "protocol"


async def test_nobody_listening_says_so_without_the_address() -> None:
    async with serving(answering(OK)) as port:
        pass
    client = stranger(local=True)
    with pytest.raises(NoAnswer) as refused:
        await client.send("POST", f"http://127.0.0.1:{port}/secret")
    await client.aclose()
    assert refused.value.why == "connect"
    assert "127.0.0.1" not in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_cookies_and_the_environments_proxy_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(serve) as port:
        client = stranger(local=True)
        for _ in range(2):
            await client.send("GET", f"http://127.0.0.1:{port}/")
        await client.aclose()
    assert len(heads) == 2
    assert all(b"cookie" not in head.lower() for head in heads)


async def test_own_calls_what_lies_under_its_base_urls_only() -> None:
    async with serving(answering(OK)) as port:
        base = f"http://127.0.0.1:{port}/relevo/"

        async def status(client: Client, url: str) -> int | str:
            try:
                return (await client.send("GET", url)).status
            except NoAnswer as refused:
                return refused.why

        client = own(base)
        assert await status(client, f"http://127.0.0.1:{port}/relevo/v1/leads") == 200
        for url in (
            f"http://127.0.0.1:{port}/other",
            f"http://127.0.0.1:{port}/relevo/../other",
            f"http://127.0.0.1:{port + 1}/relevo/v1",
            f"http://localhost:{port}/relevo/v1",
            f"http://a:b@127.0.0.1:{port}/relevo/v1",
            "https://example.com/relevo/v1",
        ):
            assert await status(client, url) == "refused", url
        await client.aclose()
