"""The whole way, POST to signed webhook, beside the same five hops without the framework; and what idleness costs."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Literal
from uuid import uuid4

import httpx
import psutil
from tests.bench import bare_hops
from tests.bench.figures import Rounds, figure
from tests.people import Journey, journey

from relevo_local.ports import LOOPBACK, Ports
from relevo_local.receiver import Receiver
from relevo_local.system import Wanted, running

POSTS = 40
IDLE_SECONDS = 20.0


@figure("journey.latency", unit="ms p50", better="lower", goal=3.0)
async def latency() -> AsyncIterator[Rounds]:
    """POST to signed webhook received, one at a time."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with running(Wanted(Path(folder), broker=_broker())) as system, journey(system.environment) as people:
            with _bare(system.environment, people.receiver) as url:
                await _answers(url)

                async def ours() -> float:
                    return await _p50(lambda name: _post_form(people, name), people.receiver, _relevo_said)

                async def bare() -> float:
                    return await _p50(lambda name: _post_bare(people.http, url, name), people.receiver, _bare_said)

                yield Rounds(ours, bare)


async def _p50(post: Callable[[str], Awaitable[None]], receiver: Receiver, said: Callable[[object], str]) -> float:
    """Milliseconds from before the POST to the webhook's arrival; the median of many, one at a time."""
    took = []
    for _ in range(POSTS):
        name = uuid4().hex
        began = time.perf_counter()
        await post(name)
        (webhook,) = await receiver.until(lambda each, name=name: said(each.data) == name)  # type: ignore[misc]
        took.append((webhook.at - began) * 1000)
        await asyncio.sleep(0.05)  # one at a time, from rest
    return median(took)


async def _post_form(people: Journey, name: str) -> None:
    answer = await people.touch(id=name, type="form_submitted", form="demo", email=f"{name}@bench.example")
    assert answer.status_code == 202, answer.text


async def _post_bare(http: httpx.AsyncClient, url: str, name: str) -> None:
    form = {"id": name, "type": "form_submitted", "form": "demo", "email": f"{name}@bench.example"}
    answer = await http.post(url, json=form)
    assert answer.status_code == 202, answer.text


def _relevo_said(data: object) -> str:
    return (
        str(data["snapshot"]["contact"].get("email", "")).partition("@")[0]
        if isinstance(data, dict) and "snapshot" in data
        else ""
    )


def _bare_said(data: object) -> str:
    return str(data.get("id", "")) if isinstance(data, dict) else ""


@contextmanager
def _bare(environment: dict[str, str], receiver: Receiver) -> Iterator[str]:
    """The three bare processes; their webhooks come to the same receiver."""
    ports = Ports()
    port = ports.take()
    receiver.secrets["bare"] = bare_hops.SECRET
    command = [sys.executable, "-m", "tests.bench.bare_hops"]
    children = [
        subprocess.Popen([*command, role, str(port), receiver.endpoint("bare")], env={**os.environ, **environment})
        for role in ("first", "second", "third")
    ]
    try:
        yield f"http://{LOOPBACK}:{port}/"
    finally:
        for child in children:
            child.kill()
            child.wait()
        ports.release()


async def _answers(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(200):
            try:
                await http.get(url)
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise TimeoutError("the bare hops do not answer")


@figure("journey.idle", unit="% of a core", better="lower", goal=15.0)
async def idle() -> AsyncIterator[Rounds]:
    """The five idle services together."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with running(Wanted(Path(folder), broker=_broker())) as system:
            services = [psutil.Process(system.processes.pid(name)) for name in system.setting.ports]
            await asyncio.sleep(5)

            async def ours() -> float:
                before = sum(_seconds(each) for each in services)
                await asyncio.sleep(IDLE_SECONDS)
                return (sum(_seconds(each) for each in services) - before) / IDLE_SECONDS * 100

            yield Rounds(ours)


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _broker() -> Literal["embedded", "apache"]:
    return "apache" if os.environ.get("BROKER") == "apache" else "embedded"
