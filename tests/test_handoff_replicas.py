"""Four replicas of handoff, each a process of its own, on one broker and one database: every lead goes to one rep,
nobody is above capacity, and it is as fair as one alone. `RELEVO_REPLICA_LEADS=10000` is the full size."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.one_team import one_team

from relevo.events import Event, LeadQualified, PlaybookPublished
from relevo.events.cloudevents import encode
from relevo.playbook import load
from relevo.stream.kafka import Outgoing, Producer
from relevo.testing.databases import fresh_database
from relevo.testing.samples import sample
from relevo.testing.services import PATIENCE
from relevo_local import broker
from relevo_local.ports import LOOPBACK, Ports

LEADS = int(os.environ.get("RELEVO_REPLICA_LEADS", "500"))
REPLICAS = 4
WEIGHTS = (1, 1, 1, 2, 2, 5)
REPS = [f"id: r{n}, weight: {weight}, capacity: 10000" for n, weight in enumerate(WEIGHTS)]


@contextmanager
def replicas(environment: Mapping[str, str], count: int) -> Iterator[None]:
    ports = Ports()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "handoff", "run", "--only", "worker"],
            env={**os.environ, **environment, "RELEVO_HTTP_PORT": str(ports.take())},
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]
    try:
        yield
        assert [process.poll() for process in running] == [None] * count, "one of them ended by itself"
    finally:
        for process in running:
            process.kill()
            process.wait()
        ports.release()


@asynccontextmanager
async def prepared(postgres: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """A broker and a database of the test's own, migrated: what the replicas find in their environment."""
    async with broker.running(folder) as kafka, fresh_database(postgres) as dsn:
        environment = {
            "RELEVO_KAFKA": kafka, "RELEVO_DATABASE": dsn, "RELEVO_LOCAL": "1", "RELEVO_HTTP_HOST": LOOPBACK,
            "RELEVO_SECRET": "of the replicas' test, as long as a secret",
        }  # fmt: skip
        migrating = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "handoff", "migrate", env={**os.environ, **environment}, stderr=subprocess.DEVNULL
        )
        assert await migrating.wait() == 0
        yield environment


async def publish(kafka: str, events: list[Event]) -> None:
    producer = Producer(kafka)
    records = [Outgoing(each.topic.name, *encode(each, "test")) for each in events]
    try:
        for start in range(0, len(records), 200):
            await producer.publish(records[start : start + 200], PATIENCE)
    finally:
        await producer.close()


async def until_placed(dsn: str, count: int) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(PATIENCE + count / 20):
            while await connection.fetchval("select count(*) from assignment") < count:
                await asyncio.sleep(0.2)
        return list(await connection.fetch("select lead_id, rep, version, stage from assignment"))
    finally:
        await connection.close()


async def counters(dsn: str) -> dict[str, Any]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select rep, assigned, target, open_leads from counter join rep on rep_id = rep")
        return {row["rep"]: row for row in rows}
    finally:
        await connection.close()


@pytest.mark.timeout(300 + LEADS / 10)
async def test_four_replicas_are_as_fair_as_one(postgres: str, tmp_path: Path) -> None:
    documents = one_team(*REPS, "id: small, capacity: 7")
    published = sample(PlaybookPublished).model_copy(
        update={"revision": 1, "version": load(documents).version, "documents": documents}
    )
    mql = sample(LeadQualified)
    mqls: list[Event] = [mql.model_copy(update={"id": uuid4(), "lead_id": uuid4(), "cycle": 1}) for _ in range(LEADS)]
    again = [each.model_copy(update={"id": uuid4()}) for each in mqls[::10]]  # said twice, under another id
    async with prepared(postgres, tmp_path) as environment:
        await publish(environment["RELEVO_KAFKA"], [published])
        with replicas(environment, REPLICAS):
            await publish(environment["RELEVO_KAFKA"], [*mqls, *again])
            placed = await until_placed(environment["RELEVO_DATABASE"], LEADS)
            found = await counters(environment["RELEVO_DATABASE"])
    assert Counter(row["lead_id"] for row in placed) == Counter[UUID](each.lead_id for each in mqls)  # type: ignore[attr-defined]
    assert {(row["version"], row["stage"]) for row in placed} == {(1, "assigned")}
    given = Counter(row["rep"] for row in placed)
    assert given == {rep: row["assigned"] for rep, row in found.items()}
    assert given == {rep: row["open_leads"] for rep, row in found.items()}
    assert given["small"] == 7, "nobody above capacity"
    worst = max(abs(row["assigned"] - row["target"]) for row in found.values())
    print(f"\n{LEADS} leads by {REPLICAS} replicas: {dict(sorted(given.items()))}, worst deviation {worst:.3f}")
    assert worst < 2
