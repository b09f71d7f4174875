"""Ingest beside what a user would write: durable touchpoints per second, each server alone on one core."""

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import httpx
import psutil
import yaml
from tests.bench.figures import Rounds, figure

from relevo_local import broker
from relevo_local.ports import LOOPBACK, Ports

CONNECTIONS, SECONDS = 64, 4.0


@figure("ingest.single", unit="touchpoints/s", better="higher", goal=1.0)
async def single() -> AsyncIterator[Rounds]:
    """One touchpoint a request, 64 in flight; the server has one core, load and broker the other."""
    key = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder, _ports(2) as (port, plain_port):
        home = Path(folder)
        async with broker.running(home / "kafka") as kafka:
            with (
                _server(["ingest", "migrate"], _environment(home, kafka, port, key), once=True),
                _server(["ingest", "run"], _environment(home, kafka, port, key)),
                _server(["tests.bench.plain_ingest", str(plain_port)], {"RELEVO_KAFKA": kafka}),
            ):
                await asyncio.gather(_answers(port), _answers(plain_port))
                yield Rounds(lambda: _load(port, key), lambda: _load(plain_port, key))


async def _load(port: int, key: str) -> float:
    arguments = [str(port), "/v1/touchpoints", key, str(CONNECTIONS), str(SECONDS)]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", *arguments, stdout=subprocess.PIPE
    )
    psutil.Process(child.pid).cpu_affinity([_cores()[0]])
    out, _ = await child.communicate()
    report = json.loads(out)
    assert report["refused"] == 0, report
    return float(report["answered"]) / SECONDS


@contextlib.contextmanager
def _server(command: list[str], environment: Mapping[str, str], *, once: bool = False) -> Iterator[None]:
    child = subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )
    try:
        if once:
            assert child.wait(60) == 0, command
        else:
            psutil.Process(child.pid).cpu_affinity([_cores()[-1]])
        yield
    finally:
        child.kill()
        child.wait()


def _environment(home: Path, kafka: str, port: int, key: str) -> dict[str, str]:
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
