"""The proxy: carries bytes both ways, and cuts, freezes, forgets, slows and heals on command."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relevo.testing.plugin import Through
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE
from relevo_local import broker

ALL_AT_ONCE = PATIENCE


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """A server that sends back what it gets, until told the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def dial(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, within: float) -> bytes:
    writer.write(data)
    async with asyncio.timeout(within):
        return await reader.readexactly(len(data))


async def test_carries_everything_and_the_end(echo: str, proxy: Through) -> None:
    door = await proxy(echo)
    reader, writer = await dial(door)
    data = bytes(range(256)) * 20_000
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(ALL_AT_ONCE):
        assert await reader.read(-1) == data
    writer.close()


async def test_cut_resets_old_and_new_until_healed(echo: str, proxy: Through) -> None:
    door = await proxy(echo)
    reader, writer = await dial(door)
    assert await back(reader, writer, b"one", ALL_AT_ONCE) == b"one"
    door.cut()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await back(reader, writer, b"two", ALL_AT_ONCE)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await back(*await dial(door), b"three", ALL_AT_ONCE)
    door.heal()
    reader, writer = await dial(door)
    assert await back(reader, writer, b"four", ALL_AT_ONCE) == b"four"
    writer.close()


async def test_frozen_is_silent_and_then_goes_on(echo: str, proxy: Through) -> None:
    door = await proxy(echo)
    old, new = await dial(door), None
    assert await back(*old, b"one", ALL_AT_ONCE) == b"one"
    door.freeze()
    new = await dial(door)
    for connection in (old, new):
        with pytest.raises(TimeoutError):
            await back(*connection, b"two", 0.1)
    door.heal()
    for reader, writer in (old, new):
        async with asyncio.timeout(ALL_AT_ONCE):
            assert await reader.readexactly(3) == b"two"
        writer.close()


async def test_half_open_never_tells_the_client(echo: str, proxy: Through) -> None:
    door = await proxy(echo)
    old = await dial(door)
    assert await back(*old, b"one", ALL_AT_ONCE) == b"one"
    door.half_open()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await back(*old, b"two", 0.1)
        door.heal()
    assert not old[0].at_eof()
    reader, writer = await dial(door)
    assert await back(reader, writer, b"three", ALL_AT_ONCE) == b"three"
    writer.close()
    old[1].close()


async def test_a_refused_target_is_a_reset(proxy: Through) -> None:
    door = await proxy("127.0.0.1:1")
    reader, writer = await dial(door)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await back(reader, writer, b"one", ALL_AT_ONCE)


async def test_slow_takes_at_least_as_long_as_said(echo: str, proxy: Through) -> None:
    door = await proxy(echo)
    reader, writer = await dial(door)
    clock = asyncio.get_running_loop().time
    door.slow(delay=0.1)
    begun = clock()
    assert await back(reader, writer, b"x" * 1000, ALL_AT_ONCE) == b"x" * 1000
    assert clock() - begun >= 0.2
    door.slow(rate=10_000)
    begun = clock()
    assert await back(reader, writer, b"x" * 2000, ALL_AT_ONCE) == b"x" * 2000
    assert clock() - begun >= 0.2
    writer.close()


async def test_the_broker_behind_the_proxy_sends_its_clients_through_it(cut_kafka: Proxy) -> None:
    assert await broker.is_ready(cut_kafka.address)
    cut_kafka.cut()
    assert not await broker.is_ready(cut_kafka.address)
    cut_kafka.heal()
    assert await broker.is_ready(cut_kafka.address)
