"""Handoff beside bare libraries: leads given away, webhooks sent, and how soon a webhook follows its commit."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, ClassVar, cast
from uuid import uuid4

import asyncpg
import orjson
from tests.bench.figures import Rounds, figure
from tests.one_team import one_team

from handoff import deliveries
from handoff.deliver import deliver
from handoff.handlers import assign_leads
from handoff.main import service
from handoff.settings import Settings
from handoff.sign import new_secret, signatures
from handoff.vault import vault
from relevo.events import LeadAssigned, LeadQualified
from relevo.outbound import Limits, stranger
from relevo.service import Stopping
from relevo.stream import Database, connect
from relevo.testing.databases import fresh_database
from relevo.testing.samples import sample
from relevo.testing.services import migrate_database
from relevo_local import postgres

REPS, LEADS, BATCH = 50, 200, 200
ENDPOINTS, IN_FLIGHT, WEBHOOKS = 8, 40, 800
LATENCIES = 40
QUICK, WARMING, PACED, PACE_SECONDS = 4, 20, 200, 0.02


def _documents() -> dict[str, str]:
    return one_team(*(f"id: r{n}, weight: {1 + n % 3}, capacity: 10000" for n in range(REPS)))


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Database, asyncpg.Connection, Settings]]:
    """Handoff's database with a playbook of 50 reps, on a durable PostgreSQL; a connection of the bare kind beside."""
    os.environ.setdefault("RELEVO_HTTP_HOST", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with postgres.running(Path(folder), durable=True) as server, fresh_database(server.dsn) as dsn:
            await migrate_database(dsn, "handoff.migrations")
            bare = await asyncpg.connect(dsn)
            await bare.execute(
                "insert into playbook (revision, version, documents, at) values (1, 'bench', $1, now())",
                orjson.dumps(_documents()).decode(),
            )
            database = connect(dsn, uses_playbook=True)
            settings = Settings(database=dsn, kafka="127.0.0.1:1", local=True, secret="of the bench, long enough")
            try:
                yield database, bare, settings
            finally:
                await database.close()
                await bare.close()


async def _endpoint(bare: asyncpg.Connection, settings: Settings, url: str, secret: str) -> None:
    await bare.execute(
        "insert into endpoint (endpoint_id, name, target, url, secrets, types, created_at, created_by)"
        " values ($1, 'bench', 'all', $2, $3, '{lead.assigned}', now(), 'user:bench')",
        uuid4(), url, [vault(settings).seal(secret)],
    )  # fmt: skip


def _mqls(count: int) -> list[LeadQualified]:
    mql = sample(LeadQualified)
    return [mql.model_copy(update={"id": uuid4(), "lead_id": uuid4(), "cycle": 1}) for _ in range(count)]


async def _assign(database: Database, mqls: Sequence[LeadQualified]) -> list[LeadAssigned]:
    async with database.transaction() as tx:
        said = await assign_leads(tx, mqls)
        tx.emit(*said)
    found = [event for event in said if isinstance(event, LeadAssigned)]
    assert len(found) == len(mqls)
    return found


class _Bare:
    """The same rows of the same tables read and written, in the plainest statements, by asyncpg alone: no routing,
    nothing made of anything; the row of one real decision is written again and again under other ids."""

    LEAD = "insert into lead (lead_id) values ($1) on conflict do nothing"
    KNOWN = (
        "select l.erased_at, a.cycle, a.rep, m.survivor from lead l left join assignment a using (lead_id)"
        " left join merge m using (lead_id) where lead_id = $1"
    )
    TEAM = "select from team where team_id = 'team' for update"
    STATE = (
        "select c.*, r.open_leads, s.capacity, a.until_at from counter c join rep r on r.rep_id = c.rep"
        " left join spare s on s.rep = c.rep and s.until_at > now()"
        " left join away a on a.rep = c.rep and a.from_at <= now() and (a.until_at is null or a.until_at > now())"
        " where team = 'team'"
    )
    ASSIGNMENT = "insert into assignment select * from jsonb_populate_record(null::assignment, $1)"
    DECISION = "insert into decision select * from jsonb_populate_record(null::decision, $1)"
    COUNTERS = "update counter set target = target + 0.02, assigned = assigned + (rep = $1)::int where team = 'team'"
    LOAD = "update rep set open_leads = open_leads + 1 where rep_id = $1"
    DELIVERY = (
        "insert into delivery (webhook_id, endpoint_id, lead_id, cycle, assignment_id, version, type, body, state,"
        " due_at, created_at, rep, trace) select $1, endpoint_id, $2, 1, $3, 1, 'lead.assigned', $4, 'pending', now(),"
        " now(), $5, $6 from endpoint where removed_at is null and 'lead.assigned' = any(types)"
    )
    OUTBOX = (
        "insert into outbox (topic, key, event_id, type, time, value, trace)"
        " values ('assignments', $1, $2, 'lead.assigned.v1', '2026-03-02', $3, $4)"
    )

    @classmethod
    async def after_one(cls, database: Database, connection: asyncpg.Connection) -> "_Bare":
        await _assign(database, _mqls(1))
        self = cls()
        self.connection = connection
        self.assignment = dict(orjson.loads(await connection.fetchval("select to_jsonb(a) from assignment a limit 1")))
        self.decision = dict(orjson.loads(await connection.fetchval("select to_jsonb(d) from decision d limit 1")))
        self.delivery = await connection.fetchrow("select * from delivery limit 1")
        self.event = await connection.fetchval("select value from outbox limit 1")
        return self

    async def one(self) -> None:
        lead, assignment, decision = uuid4(), uuid4(), uuid4()
        rep = self.assignment["rep"]
        connection = self.connection
        ours = {"assignment_id": assignment, "lead_id": lead, "decision_id": decision}
        async with connection.transaction():
            await connection.execute(self.LEAD, lead)
            await connection.fetch(self.KNOWN, lead)
            await connection.fetch(self.TEAM)
            await connection.fetch(self.STATE)
            await connection.execute(self.ASSIGNMENT, orjson.dumps({**self.assignment, **ours}, default=str).decode())
            await connection.execute(self.DECISION, orjson.dumps({**self.decision, **ours}, default=str).decode())
            await connection.execute(self.COUNTERS, rep)
            await connection.execute(self.LOAD, rep)
            await connection.execute(
                self.DELIVERY, f"msg_{uuid4().hex}", lead, assignment, self.delivery["body"], rep,
                self.delivery["trace"],
            )  # fmt: skip
            await connection.execute(self.OUTBOX, str(lead), uuid4(), self.event, self.delivery["trace"])

    connection: asyncpg.Connection
    assignment: dict[str, Any]
    decision: dict[str, Any]
    delivery: asyncpg.Record
    event: bytes


@figure("handoff.assign", unit="leads/s", better="higher", goal=0.5)
async def assign() -> AsyncIterator[Rounds]:
    """One lead a transaction among 50 reps, with decision record and delivery row, beside the bare transaction of the
    same shape."""
    async with _opened() as (database, connection, settings):
        await _endpoint(connection, settings, "https://crm.example/", new_secret())
        bare = await _Bare.after_one(database, connection)

        async def ours() -> float:
            mqls = _mqls(LEADS)
            began = time.perf_counter()
            for mql in mqls:
                await _assign(database, [mql])
            return LEADS / (time.perf_counter() - began)

        async def baseline() -> float:
            began = time.perf_counter()
            for _ in range(LEADS):
                await bare.one()
            return LEADS / (time.perf_counter() - began)

        yield Rounds(ours, baseline)


@figure("handoff.assign_batch", unit="leads/s", better="higher", goal=3.0)
async def assign_batch() -> AsyncIterator[Rounds]:
    """Batches of 200, as the consumer hands them on, beside one lead a transaction."""
    async with _opened() as (database, connection, settings):
        await _endpoint(connection, settings, "https://crm.example/", new_secret())

        async def in_batches() -> float:
            batches = [_mqls(BATCH) for _ in range(4)]
            began = time.perf_counter()
            for batch in batches:
                await _assign(database, batch)
            return 4 * BATCH / (time.perf_counter() - began)

        async def one_by_one() -> float:
            mqls = _mqls(LEADS)
            began = time.perf_counter()
            for mql in mqls:
                await _assign(database, [mql])
            return LEADS / (time.perf_counter() - began)

        yield Rounds(in_batches, one_by_one)


class _Target(asyncio.Protocol):
    """Takes a POST, notes it, answers 204: as little as an HTTP server can."""

    def __init__(self, note: Callable[[bytes], None]) -> None:
        self._note, self._buffer = note, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._note(rest[:length])
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@asynccontextmanager
async def _served(count: int, target: Callable[[], asyncio.Protocol]) -> AsyncIterator[list[str]]:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(target, "127.0.0.1", 0) for _ in range(count)]
    try:
        yield [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/" for server in servers]
    finally:
        for server in servers:
            server.close()


@asynccontextmanager
async def _targets(count: int) -> AsyncIterator[tuple[list[str], list[float]]]:
    """Their URLs, and when whatever was posted there arrived."""
    arrived: list[float] = []
    async with _served(count, lambda: _Target(lambda _: arrived.append(time.perf_counter()))) as urls:
        yield urls, arrived


@asynccontextmanager
async def _delivering(settings: Settings) -> AsyncIterator[Any]:
    async with service.opened(settings) as opened:
        task = asyncio.create_task(deliver(opened))
        try:
            yield opened
        finally:
            opened.stopping.set()
            await asyncio.wait({task})
            if not isinstance(task.exception(), Stopping):
                task.result()


@figure("handoff.deliver", unit="webhooks/s", better="higher", goal=0.6)
async def deliver_many() -> AsyncIterator[Rounds]:
    """800 rows over 8 endpoints: claimed, signed, posted, recorded with their events; beside a bare loop that signs
    and posts the same bytes with the same client, 40 in flight."""
    async with _opened() as (database, connection, settings), _targets(ENDPOINTS) as (urls, arrived):
        secret = new_secret()
        for url in urls:
            await _endpoint(connection, settings, url, secret)
        await _assign(database, _mqls(WEBHOOKS // ENDPOINTS))
        body = (await connection.fetchval("select body from delivery limit 1")).encode()

        async def ours() -> float:
            await connection.execute("update delivery set state = 'pending', tries = 0, due_at = now()")
            await connection.execute("delete from attempt")
            began, count = time.perf_counter(), len(arrived)
            async with _delivering(settings):
                while await connection.fetchval("select exists (select from delivery where state = 'pending')"):
                    await asyncio.sleep(0.01)
                took = time.perf_counter() - began
            assert len(arrived) - count == WEBHOOKS
            return WEBHOOKS / took

        async def bare() -> float:
            client = stranger(local=True, limits=Limits(connections=10))
            numbers = iter(range(WEBHOOKS))

            async def send() -> None:
                for number in numbers:
                    now, webhook_id = int(time.time()), f"msg_{uuid4().hex}"
                    headers = {
                        "content-type": "application/json", "webhook-id": webhook_id, "webhook-timestamp": str(now),
                        "webhook-signature": signatures([secret], webhook_id, now, body),
                    }  # fmt: skip
                    answer = await client.send("POST", urls[number % ENDPOINTS], headers=headers, content=body)
                    assert answer.status == 204

            began = time.perf_counter()
            await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))
            took = time.perf_counter() - began
            await client.aclose()
            return WEBHOOKS / took

        yield Rounds(ours, bare)


@figure("handoff.latency", unit="ms p50", better="lower", goal=10.0)
async def latency() -> AsyncIterator[Rounds]:
    """From the commit of an assignment to the webhook's arrival, one at a time, from rest."""
    async with _opened() as (_, connection, settings), _targets(1) as (urls, arrived):
        await _endpoint(connection, settings, urls[0], new_secret())

        async def ours() -> float:
            took = []
            async with _delivering(settings) as opened:
                for mql in _mqls(LATENCIES):
                    await asyncio.sleep(0.03)
                    count = len(arrived)
                    await _assign(opened.database, [mql])
                    committed = time.perf_counter()
                    while len(arrived) == count:
                        await asyncio.sleep(0.0005)
                    took.append((arrived[-1] - committed) * 1000)
            return median(took)

        yield Rounds(ours)


class _Hanging(asyncio.Protocol):
    """Takes a connection and says nothing, until it is let go."""

    open: ClassVar[set[asyncio.BaseTransport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self._transport)


@figure("handoff.hanging", unit="ms p99", better="lower", goal=1.1)
async def hanging() -> AsyncIterator[Rounds]:
    """From commit to arrival at four endpoints, 200 webhooks a second, while a fifth takes every connection and never
    answers; beside the same without the fifth."""
    committed: dict[str, float] = {}
    took: list[float] = []

    def note(body: bytes) -> None:
        took.append((time.perf_counter() - committed[orjson.loads(body)["data"]["lead_id"]]) * 1000)

    async with (
        _opened() as (_, connection, settings),
        _served(QUICK, lambda: _Target(note)) as urls,
        _served(1, _Hanging) as [silent],
    ):
        for url in (silent, *urls):
            await _endpoint(connection, settings, url, new_secret())
        settings = settings.model_copy(update={"webhook_total_seconds": 25.0})  # so that none gives up in a round

        async def one_after_another(database: Database, count: int) -> None:
            """Until they have arrived everywhere else; `took` is of these."""
            took.clear()
            for mql in _mqls(count):
                next_one = asyncio.create_task(asyncio.sleep(PACE_SECONDS))
                await _assign(database, [mql])
                committed[str(mql.lead_id)] = time.perf_counter()
                await next_one
            while len(took) < QUICK * count:
                await asyncio.sleep(0.01)

        async def paced(to_all: bool) -> float:
            await connection.execute("delete from delivery")
            await connection.execute(
                "update endpoint set failures = 0, failing_since = null, spared_until = null,"
                " removed_at = case when url = $1 and not $2 then now() end",
                silent, to_all,
            )  # fmt: skip
            async with _delivering(settings) as opened:
                await one_after_another(opened.database, WARMING)  # connections, caches: they cost once, whoever hangs
                await one_after_another(opened.database, PACED)
                assert len(_Hanging.open) == (deliveries.IN_FLIGHT if to_all else 0), "it hangs all the while"
                for transport in list(_Hanging.open):
                    transport.close()
            return quantiles(took, n=100)[98]

        yield Rounds(lambda: paced(True), lambda: paced(False))
