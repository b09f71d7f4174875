"""sla-monitor as real processes beside a database and a broker of their own; the test plays handoff and listens."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from tests.sla.histories import documents, event_of
from tests.sla.world import Fact, Policy, Terms

from relevo.events import EVENTS, Event, LeadAccepted
from relevo.events.cloudevents import decode, encode, header
from relevo.events.topics import SLAS
from relevo.playbook import load
from relevo.stream.kafka import Outgoing, Producer, Reader, create_topics
from relevo.testing.databases import fresh_database
from relevo.testing.services import PATIENCE, migrate_database
from relevo_local import broker, postgres
from relevo_local.ports import Ports
from sla_monitor.main import service

TARGET = timedelta(hours=4)
# One promise, around the clock: warned two minutes before its target, then given to the next rep.
TERMS = Terms(
    (
        Policy("wait", "wait", 0, 240, 120, "always", ((240, "fallback"),)),
        Policy("answer", "answer", 0, 240, 120, "always", ((238, "warn_rep"), (240, "reassign"))),
    ),
    most=2,
)


@dataclass
class Rig:
    dsn: str
    kafka: str
    folder: Path
    producer: Producer
    ports: Ports = field(default_factory=Ports)
    up: dict[str, tuple["subprocess.Popen[bytes]", int]] = field(default_factory=dict)

    def start(self, name: str, more: Mapping[str, str] | None = None) -> None:
        """A replica: `python -m sla_monitor run`."""
        port = self.ports.take()
        settings = {
            "RELEVO_DATABASE": self.dsn, "RELEVO_KAFKA": self.kafka, "RELEVO_TOPICS": "local", "RELEVO_LOCAL": "1",
            "RELEVO_TIME_TRAVEL": "1", "RELEVO_HTTP_PORT": str(port), "RELEVO_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "sla_monitor", "run"], env={**os.environ, **settings, **(more or {})},
                stdout=log, stderr=log,
            )  # fmt: skip
        self.up[name] = (child, port)

    def kill(self, name: str) -> None:
        child, _ = self.up.pop(name)
        child.send_signal(signal.SIGKILL)
        child.wait()

    async def ready(self, name: str, within: float = PATIENCE) -> None:
        child, port = self.up[name]
        ends = time.monotonic() + within
        async with httpx.AsyncClient(trust_env=False) as http:
            while time.monotonic() < ends and child.poll() is None:
                with suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)
        raise TimeoutError(f"{name} did not become ready:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")

    async def publish(self, events: Sequence[Event]) -> None:
        """As handoff does."""
        await published(self.producer, events)

    async def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(statement, *args))
        finally:
            await connection.close()

    async def now(self) -> datetime:
        moment: datetime = (await self.sql("select relevo_now()"))[0][0]
        return moment

    async def until(self, statement: str, count: int, within: float) -> None:
        """Wait for a count in the monitor's database. Raises TimeoutError that says how far it came."""
        ends = time.monotonic() + within
        found = -1
        while time.monotonic() < ends:
            found = (await self.sql(statement))[0][0]
            if found >= count:
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{found} of {count} after {within} s: {statement}")

    async def said(self) -> list[Any]:
        """All that `slas` holds, each event once, in the order of each partition; waits until the outbox is empty."""
        ends = time.monotonic() + PATIENCE
        while (await self.sql("select count(*) from outbox"))[0][0] and time.monotonic() < ends:
            await asyncio.sleep(0.2)
        return await everything(self.kafka, [SLAS.name])


async def everything(kafka: str, topics: Sequence[str]) -> list[Any]:
    """All that these topics hold, each event once, in the order of each partition."""
    found: dict[Any, Any] = {}

    async def nothing() -> None:
        pass

    reader = Reader(kafka, f"listener-{uuid4().hex[:8]}", list(topics), "local", lambda: None, nothing)
    await reader.start()
    try:
        quiet = 0
        while quiet < 3:
            polled = await reader.poll(1.0, 5_000)
            quiet = 0 if polled else quiet + 1
            for records in polled.values():
                for record in records:
                    event = decode(EVENTS[header(record.headers, "ce_type") or ""], record.headers, record.value)
                    found.setdefault(event.id, event)
    finally:
        await reader.stop()
    return list(found.values())


async def published(producer: Producer, events: Sequence[Event]) -> None:
    """Events on their topics, as the service does that says them."""
    for first in range(0, len(events), 500):
        records = [Outgoing(e.topic.name, *encode(e, "faults")) for e in events[first : first + 500]]
        await producer.publish(records, 60)


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with (
        postgres.running(folder / "postgres") as server,
        broker.running(folder / "kafka") as kafka,
        fresh_database(server.dsn) as dsn,
    ):
        await migrate_database(dsn, "sla_monitor.migrations")
        await create_topics(kafka, service.topics(), "local")
        made = Rig(dsn, kafka, folder, Producer(kafka))
        written = documents(TERMS)
        await made.sql(
            "insert into playbook (revision, version, documents, at) values (1, $1, $2, now())",
            load(written).version, json.dumps(written),
        )  # fmt: skip
        try:
            yield made
        finally:
            for name in list(made.up):
                made.kill(name)
            await made.producer.close()
            made.ports.release()


def assigned(number: int, at: datetime) -> Event:
    """A lead given to ana at that moment."""
    fact = Fact(0, "assigned", 0, 1, "ana", "north", employees=80)
    return event_of(number, 0, fact).model_copy(update={"at": at, "mql_at": at, "trace": trace(number)})


def accepted(number: int, at: datetime) -> Event:
    event = event_of(number, 0, Fact(0, "accepted", 0, 1))
    assert isinstance(event, LeadAccepted)
    return event.model_copy(update={"at": at})


def trace(number: int) -> str:
    return f"00-{sha256(str(number).encode()).hexdigest()[:32]}-00f067aa0ba902b7-01"
