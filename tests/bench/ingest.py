"""Ingest beside what a user would write, each server alone on one core: durable touchpoints per second; its limits."""

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import psutil
import yaml
from tests.bench.figures import Rounds, figure

from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.stream.kafka import create_topics
from relevo_local import broker
from relevo_local.ports import LOOPBACK, Ports

SECONDS = 4.0  # of a round
BATCH = 100
MEMORY_FROM, MEMORY_TO = 200_000, 1_000_000  # touchpoints


@figure("ingest.single", unit="touchpoints/s", better="higher", goal=1.5)
async def single() -> AsyncIterator[Rounds]:
    """One touchpoint a request, 64 in flight; the server has one core, load and broker the other."""
    async with _kafka() as (home, kafka), _ours(home, kafka) as ours, _plain(kafka) as plain:
        yield Rounds(lambda: _rate(ours), lambda: _rate(plain))


@figure("ingest.p99", unit="ms", better="lower", goal=250.0)
async def p99() -> AsyncIterator[Rounds]:
    """The slowest of a hundred answers at 70 % of the load that one core takes, counted from when each was due."""
    async with _kafka() as (home, kafka), _ours(home, kafka) as ours:

        async def at_seventy_percent() -> float:
            most = await _rate(ours)
            return (await _load(ours, "--rate", 0.7 * most))["p99_ms"]

        yield Rounds(at_seventy_percent)


@figure("ingest.batch", unit="touchpoints/s", better="higher", goal=0.5)
async def batch() -> AsyncIterator[Rounds]:
    """A hundred a request, 8 in flight."""
    async with _kafka() as (home, kafka), _ours(home, kafka) as ours, _plain(kafka, "/v1/batches") as plain:
        yield Rounds(lambda: _rate(ours, BATCH), lambda: _rate(plain, BATCH))


@figure("ingest.spool", unit="touchpoints/s", better="higher", goal=1.0)
async def spool() -> AsyncIterator[Rounds]:
    """With the broker unreachable, every touchpoint fsync'ed on the disk; beside the same with the broker there."""
    async with _kafka() as (home, kafka), _ours(home, kafka) as reaching:
        with _ports(1) as (nobody,):
            async with _ours(home / "cut off", f"{LOOPBACK}:{nobody}") as cut_off:
                yield Rounds(lambda: _rate(cut_off), lambda: _rate(reaching))


@figure("ingest.memory", unit="MiB", better="lower", goal=20.0, once=True)
async def memory() -> AsyncIterator[Rounds]:
    """By how much resident memory grows between 200,000 and 1,000,000 touchpoints."""
    async with _kafka() as (home, kafka), _ours(home, kafka) as ours:

        async def grown() -> float:
            before = await _resident_after(ours, MEMORY_FROM)
            return (await _resident_after(ours, MEMORY_TO - MEMORY_FROM) - before) / 2**20

        yield Rounds(grown)


@dataclass(frozen=True)
class Server:
    """A process under load."""

    pid: int
    port: int
    path: str
    key: str


async def _rate(server: Server, each: int = 1) -> float:
    """Touchpoints a second."""
    report = await _load(server, "--each", each, "--connections", 64 if each == 1 else 8)
    return report["answered"] * each / report["seconds"]


async def _resident_after(server: Server, touchpoints: int) -> float:
    requests = touchpoints // BATCH
    report = await _load(server, "--each", BATCH, "--connections", 8, "--requests", requests, "--seconds", 1_800)
    assert report["answered"] == requests, report
    return float(psutil.Process(server.pid).memory_info().rss)


async def _load(server: Server, *options: object) -> dict[str, float]:
    arguments = [str(server.port), server.path, server.key, "--seconds", SECONDS, *options]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", *map(str, arguments), stdout=subprocess.PIPE
    )
    psutil.Process(child.pid).cpu_affinity([_cores()[0]])
    out, _ = await child.communicate()
    report: dict[str, float] = json.loads(out)
    assert report["refused"] == 0, report
    return report


@contextlib.asynccontextmanager
async def _kafka() -> AsyncIterator[tuple[Path, str]]:
    """A folder, and a broker that has ingest's topics."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with broker.running(Path(folder) / "kafka") as kafka:
            await create_topics(kafka, [TOUCHPOINTS, TOUCHPOINTS_FAILED], "local")
            yield Path(folder), kafka


@contextlib.asynccontextmanager
async def _ours(home: Path, kafka: str) -> AsyncIterator[Server]:
    key = secrets.token_hex(16)  # begins with no dash, which an option would
    with _ports(1) as (port,), _server(["ingest", "run"], _environment(home, kafka, port, key)) as pid:
        await _answers(port)
        yield Server(pid, port, "/v1/touchpoints", key)


@contextlib.asynccontextmanager
async def _plain(kafka: str, path: str = "/v1/touchpoints") -> AsyncIterator[Server]:
    with _ports(1) as (port,), _server(["tests.bench.plain_ingest", str(port)], {"RELEVO_KAFKA": kafka}) as pid:
        await _answers(port)
        yield Server(pid, port, path, "of nobody")


@contextlib.contextmanager
def _server(command: list[str], environment: Mapping[str, str]) -> Iterator[int]:
    child = subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )
    try:
        psutil.Process(child.pid).cpu_affinity([_cores()[-1]])
        yield child.pid
    finally:
        child.kill()
        child.wait()


def _environment(home: Path, kafka: str, port: int, key: str) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    sources = home / "sources.yaml"
    entry = {"name": "bench", "kind": "api", "access": "secret", "keys": [{"sha256": sha256(key.encode()).hexdigest()}]}
    sources.write_text(yaml.safe_dump({"sources": [entry]}))
    return {
        "RELEVO_KAFKA": kafka,
        "RELEVO_HTTP_PORT": str(port),
        "RELEVO_SOURCES": str(sources),
        "RELEVO_SPOOL": str(home / "spool"),
        "RELEVO_SECRET": secrets.token_urlsafe(32),
        "RELEVO_TOPICS": "local",
        "RELEVO_LOCAL": "1",
    }


async def _answers(port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(600):
            try:
                await http.get(f"http://{LOOPBACK}:{port}/readyz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")


@contextlib.contextmanager
def _ports(count: int) -> Iterator[list[int]]:
    ports = Ports()
    try:
        yield [ports.take() for _ in range(count)]
    finally:
        ports.release()


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
