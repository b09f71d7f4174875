"""Scoring beside the bare transaction of the same shape; at a million leads beside ten thousand; a simulation."""

import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from tests.bench.figures import Rounds, figure

from relevo.cli.playbook import read_folder
from relevo.events import TouchpointRecorded, uuid7
from relevo.events.identity import subject_id
from relevo.playbook import Playbook, load
from relevo.stream import Database, connect
from relevo.testing.databases import fresh_database
from relevo.testing.services import migrate_database
from relevo_local import postgres
from scoring.handlers import score_touchpoints
from scoring.lead import Lead
from scoring.rows import to_columns, touchpoint_columns
from scoring.score import score
from scoring.simulate import Job, simulate
from scoring.simulation import Simulation

BATCH = 500
SMALL, LARGE = 10_000, int(os.environ.get("RELEVO_BENCH_LEADS", "1000000"))
DOCUMENTS = read_folder(Path(__file__).parents[2] / "deploy" / "playbook")
NOW = datetime.now(UTC)
_KINDS = ("page_viewed",) * 6 + ("email_opened", "email_clicked", "form_submitted", "content_downloaded")
_PATHS = ("/", "/precios", "/producto", "/blog/1", "/blog/2", "/casos/x")
_TITLES = ("Director de operaciones", "Jefa de producción", "Responsable de sistemas", "Comercial", "Gerente")


def touchpoint(who: int, dice: random.Random) -> TouchpointRecorded:
    """Something an ordinary lead does; one in ten of them a form."""
    email, kind, identity = f"p{who}@c{who // 4}.example", dice.choice(_KINDS), uuid4()
    at = NOW - timedelta(seconds=dice.randint(0, 3_000_000))
    form = {"puesto": dice.choice(_TITLES), "empleados": str(dice.randint(1, 900)), "pais": "ES"}
    return TouchpointRecorded.model_validate(
        {
            "id": identity, "at": NOW, "by": "system", "touchpoint_id": identity, "source": "web", "type": kind,
            "subjects": [{"subject_id": subject_id(b"bench", "email", email), "kind": "email", "value": email}],
            "what": {"url": f"https://us.example{dice.choice(_PATHS)}", "title": "A page", "form": "newsletter"},
            "fields": form if kind == "form_submitted" else {}, "company": {"domain": f"c{who // 4}.example"},
            "occurred_at": at, "received_at": NOW,
        }
    )  # fmt: skip


@asynccontextmanager
async def scoring_database(durable: bool = True) -> AsyncIterator[tuple[Database, str]]:
    """Scoring's tables, empty, with the example playbook published."""
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        async with (
            postgres.running(Path(folder) / "postgres", durable=durable) as server,
            fresh_database(server.dsn) as dsn,
        ):
            await migrate_database(dsn, "scoring.migrations")
            database = connect(dsn, uses_playbook=True)
            connection = await asyncpg.connect(dsn)
            await connection.execute(
                "insert into playbook (revision, version, documents, at) values (1, $1, $2, now())",
                load(DOCUMENTS).version,
                orjson.dumps(DOCUMENTS).decode(),
            )
            await connection.close()
            try:
                yield database, dsn
            finally:
                await database.close()


async def take_in(database: Database, batches: Sequence[Sequence[TouchpointRecorded]]) -> float:
    """Seconds to score these batches, each in its transaction with its outbox."""
    began = time.perf_counter()
    for batch in batches:
        async with database.transaction() as tx:
            tx.emit(*await score_touchpoints(tx, batch))
    return time.perf_counter() - began


@figure("scoring.stream", unit="touchpoints/s", better="higher", goal=0.15)
async def stream() -> AsyncIterator[Rounds]:
    """Known leads, batches of 500, durable, with the outbox; beside a bare asyncpg transaction that does the same to
    twins of the tables, their columns and indexes: it locks and reads as many leads, inserts as many touchpoints,
    upserts the leads and copies as many events, every row ready made. It looks for nobody's lead or colleagues."""
    dice = random.Random(1)
    async with scoring_database() as (database, dsn):
        await fill(dsn, SMALL, load(DOCUMENTS))
        connection = await asyncpg.connect(dsn)
        for statement in _BARE_TABLES:
            await connection.execute(statement)
        rows = [list(row) for row in await connection.fetch(f"select {', '.join(_LEAD)} from lead")]
        emitted = 0

        async def ours() -> float:
            nonlocal emitted
            batches = _batches(dice, SMALL, 10)
            await connection.execute("truncate outbox")
            took = await take_in(database, batches)
            emitted = await connection.fetchval("select count(*) from outbox")
            return BATCH * len(batches) / took

        async def bare() -> float:
            events = [
                tuple(row) for row in await connection.fetch(f"select {_OUTBOX} from outbox limit $1", emitted // 10)
            ]
            batches = []
            for batch in _batches(dice, SMALL, 10):
                whose = [dice.choice(rows) for _ in batch]
                of_each = {row[0]: row for row in whose}
                touches = touchpoint_columns(zip(batch, (row[0] for row in whose), strict=True))
                batches.append((touches, list(map(list, zip(*of_each.values(), strict=True)))))
            began = time.perf_counter()
            for touchpoints, leads in batches:
                async with connection.transaction():
                    await connection.fetch(_BARE_LOCK, leads[0])
                    await connection.execute(_BARE_INSERT, *touchpoints)
                    await connection.execute(_BARE_UPSERT, *leads)
                    await connection.copy_records_to_table("bare_out", records=events, columns=_OUTBOX.split(", "))
            return BATCH * len(batches) / (time.perf_counter() - began)

        yield Rounds(ours, bare)
        await connection.close()


_OUTBOX = "topic, key, event_id, type, time, trace, value"
_LEAD = {
    "lead_id": "uuid", "known_by": "text", "cycle": "int", "cycle_from": "timestamptz", "cool_until": "timestamptz",
    "qualified_at": "timestamptz", "due_at": "timestamptz", "playbook_version": "text", "grade": "text",
    "level": "smallint", "said": "json", "outcome": "json", "sums": "json", "company": "text",
    "active_at": "timestamptz",
}  # fmt: skip
_TOUCHPOINT = {
    "touchpoint_id": "uuid", "lead_id": "uuid", "subject_id": "text", "type": "text", "machine": "bool",
    "occurred_at": "timestamptz", "received_at": "timestamptz", "event": "json",
}  # fmt: skip
_BARE_TABLES = (
    "create table bare_touch (like touchpoint including all)",
    "create table bare_lead (like lead including all) with (fillfactor = 75)",
    "create table bare_out (like outbox including all)",
    "insert into bare_lead select * from lead",
    "analyze bare_lead",
)


def _rows(columns: dict[str, str]) -> str:
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(columns.values(), 1))
    return f"({', '.join(columns)}) select * from unnest({arrays})"


_BARE_LOCK = "select * from bare_lead where lead_id = any($1::uuid[]) order by lead_id for update"
_BARE_INSERT = f"insert into bare_touch {_rows(_TOUCHPOINT)}"
_BARE_UPSERT = f"insert into bare_lead {_rows(_LEAD)} on conflict (lead_id) do update set " + ", ".join(
    f"{name} = excluded.{name}" for name in _LEAD if name != "lead_id"
)


def _batches(dice: random.Random, leads: int, count: int) -> list[list[TouchpointRecorded]]:
    return [[touchpoint(dice.randrange(leads), dice) for _ in range(BATCH)] for _ in range(count)]


async def fill(dsn: str, leads: int, playbook: Playbook, *, first: int = 0, each: int = 1) -> None:
    """Leads with `each` touchpoints, as rows of the service's own making, by COPY. Rows of a few thousand leads are
    made; all others are these under ids, addresses and companies of their own."""
    connection = await asyncpg.connect(dsn)
    dice, made = random.Random(2), 2_000
    patterns = []
    for number in range(made):
        touches = [touchpoint(number, dice) for _ in range(each)]
        lead, _, _ = score(Lead(UUID(int=0), "email", playbook.version), touches, playbook, NOW)
        patterns.append((lead, touches))
    columns = {
        "lead": list(_LEAD),
        "touchpoint": list(_TOUCHPOINT),
        "identity": ["subject_id", "kind", "lead_id"],
    }
    lead_rows = list(zip(*to_columns([lead for lead, _ in patterns], NOW), strict=True))
    touch_rows = [
        list(zip(*touchpoint_columns([(t, UUID(int=0)) for t in touches]), strict=True)) for _, touches in patterns
    ]
    for start in range(first, first + leads, 20_000):
        rows: dict[str, list[Any]] = {name: [] for name in columns}
        for who in range(start, min(start + 20_000, first + leads)):
            lead_id, pattern = uuid7(), who % made
            _, company, subject = _person(who)
            row = list(lead_rows[pattern])
            row[0], row[12], row[13] = lead_id, _anew(row[12], pattern, who), company
            rows["lead"].append(row)
            rows["identity"].append((subject, "email", lead_id))
            for touch in touch_rows[pattern]:
                touch_id = uuid4()
                event = _anew(touch[7], pattern, who).replace(str(touch[0]), str(touch_id))
                rows["touchpoint"].append((touch_id, lead_id, subject, *touch[3:7], event))
        for name, records in rows.items():
            await connection.copy_records_to_table(name, records=records, columns=columns[name])
    await connection.execute("vacuum analyze")
    await connection.close()


def _person(who: int) -> tuple[str, str, str]:
    """E-mail, company, subject id."""
    email = f"p{who}@c{who // 4}.example"
    return email, f"c{who // 4}.example", subject_id(b"bench", "email", email)


def _anew(text: str, pattern: int, who: int) -> str:
    """JSON that speaks of `who` where it spoke of the pattern."""
    for was, now in zip(_person(pattern), _person(who), strict=True):
        text = text.replace(f'"{was}"', f'"{now}"')
    return text


@figure("scoring.scale", unit="s per 10,000 touchpoints", better="lower", goal=1.3)
async def scale() -> AsyncIterator[Rounds]:
    """The same batches to a million leads, beside ten thousand."""
    playbook, dice = load(DOCUMENTS), random.Random(3)
    async with scoring_database(durable=False) as (few, few_dsn), scoring_database(durable=False) as (many, many_dsn):
        await fill(few_dsn, SMALL, playbook)
        await fill(many_dsn, LARGE, playbook)

        async def ours() -> float:
            return await take_in(many, _batches(dice, LARGE, 6)) / (6 * BATCH) * 10_000

        async def ten_thousand() -> float:
            return await take_in(few, _batches(dice, SMALL, 6)) / (6 * BATCH) * 10_000

        yield Rounds(ours, ten_thousand)


@figure("scoring.simulate", unit="touchpoints/s", better="higher", goal=3.0)
async def simulation() -> AsyncIterator[Rounds]:
    """The example playbook beside itself over 100,000 touchpoints, on all cores; the baseline is scoring.stream."""
    dice = random.Random(4)
    async with scoring_database() as (database, dsn):
        await fill(dsn, SMALL, load(DOCUMENTS), each=10)
        job = Job(dsn, DOCUMENTS, DOCUMENTS, NOW - timedelta(days=90), NOW + timedelta(minutes=5))

        async def ours() -> float:
            began = time.perf_counter()
            async for step in simulate(job):
                if isinstance(step, Simulation):
                    return step.touchpoints / (time.perf_counter() - began)
            raise AssertionError("a simulation ends with its result")

        async def through_the_stream() -> float:
            batches = _batches(dice, SMALL, 10)
            return BATCH * len(batches) / await take_in(database, batches)

        yield Rounds(ours, through_the_stream)
