"""What handoff's tests share: a playbook small enough to reckon with by hand, MQLs, a real database, a target."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import pytest_asyncio
import yaml

from handoff.channels import CHANNELS, Tools
from handoff.deliver import pack, record
from handoff.main import service
from handoff.settings import Settings
from handoff.vault import Vault, vault
from relevo.events import LeadAssigned, LeadQualified, PlaybookStamp
from relevo.events.leads import Company, Contact, Contribution, Score, Snapshot, TouchSummary, Trigger
from relevo.playbook import Playbook, load
from relevo.service.web import Guard
from relevo.testing.kept import Kept, migrated_database

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning, ten o'clock in Madrid: moments in tests are minutes or days after it."""

STAMP = PlaybookStamp(revision=1, version="0" * 16)

DOCUMENTS = {
    "company.yaml": """
name: Test
zone: Europe/Madrid
currency: EUR
domains: [us.example]
fields:
  lead.country: {from: [pais]}
  lead.language: {from: [idioma]}
  company.employees: {from: [empleados]}
""",
    "personas.yaml": """
personas:
  - id: operations
    name: Runs the workshop
    criteria: [{id: size, name: 50 employees, when: "company.employees >= 50", points: 60}]
    thresholds: {A: 50, B: 20}
""",
    "scoring.yaml": """
signals: [{id: form, name: Form, on: form_submitted, points: 60, half_life: 10d, cap: 60}]
levels: {1: 40, 2: 10}
qualification: {cells: [A1], hand_raises: [{id: demo, name: Asks for a demo, on: form_submitted}]}
exclusions: []
""",
    "routing.yaml": """
teams:
  - id: north
    name: North
    manager: {id: boss, name: Boss, email: boss@us.example}
    calendar: office
    reps:
      - {id: ana, name: Ana, email: ana@us.example, capacity: 100, languages: [es, en]}
      - {id: bea, name: Bea, email: bea@us.example, capacity: 100, languages: [es]}
      - {id: carl, name: Carl, email: carl@us.example, capacity: 100, languages: [es, fr]}
  - id: south
    name: South
    manager: {id: boss, name: Boss, email: boss@us.example}
    calendar: always-open
    reps: [{id: dora, name: Dora, email: dora@us.example, capacity: 2}]
rules:
  - {id: big, name: Large accounts, when: "company.employees >= 500", rep: ana, priority: 50}
  - {id: portugal, name: Portugal, when: "lead.country == 'PT'", team: south}
  - {id: language, name: Own language, when: "lead.language != ''", team: north, needs: {language: lead.language}}
  - {id: all, name: Everybody, when: "true", team: north, priority: 10}
""",
    "sla.yaml": """
calendars:
  - id: office
    zone: Europe/Madrid
    hours: {mon: ["09:00-17:00"], tue: ["09:00-17:00"], wed: ["09:00-17:00"], thu: ["09:00-17:00"],
            fri: ["09:00-17:00"]}
  - id: always-open
    zone: Europe/Madrid
    hours: {mon: ["00:00-24:00"], tue: ["00:00-24:00"], wed: ["00:00-24:00"], thu: ["00:00-24:00"],
            fri: ["00:00-24:00"], sat: ["00:00-24:00"], sun: ["00:00-24:00"]}
policies:
  - {id: answer, clock: answer, when: "true", target: 4h, calendar: team, ladder: [{at: 100%, do: reassign}]}
max_reassign: 2
reasons: {timing: {cool_down: 90d}, lost: {cool_down: 60d}}
""",
    "goals.yaml": "goals: []\n",
}


def qualified(
    *,
    lead_id: UUID | None = None,
    cycle: int = 1,
    at: datetime = T0,
    domain: str | None = None,
    country: str | None = None,
    language: str | None = None,
    employees: int | None = None,
    touchpoints: Sequence[TouchSummary] = (),
    trace: str | None = None,
    **attributes: Any,
) -> LeadQualified:
    """An MQL: somebody who asked for a demo."""
    return LeadQualified(
        at=at,
        by="system",
        trace=trace,
        lead_id=lead_id or uuid4(),
        cycle=cycle,
        playbook=STAMP,
        score=Score(persona="operations", grade="A", level=1, fit=60.0, engagement=60.0),
        trigger=Trigger(kind="hand_raise", id="demo", name="Asks for a demo"),
        contributions=(
            Contribution(kind="criterion", id="size", name="50 employees", points=20.0, persona="operations"),
            Contribution(kind="signal", id="form", name="Form", points=60.0, touchpoints=1, last_at=at),
        ),
        snapshot=Snapshot(
            contact=Contact(email="olga@acme.example", full_name="Olga Ibarra", country=country, language=language),
            company=Company(domain=domain, name="Acme", employees=employees),
            attributes=attributes,
            touchpoints=tuple(touchpoints),
        ),
    )


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
INSTALLATION = "an installation's secret, as long as one"


class Handoff(Kept):
    """Handoff's database."""

    async def endpoint(
        self,
        url: str | None,
        *,
        rep: str | None = None,
        types: Sequence[str] = ("lead.assigned",),
        kind: str = "webhook",
        secret: str = SECRET,
        **options: str,
    ) -> UUID:
        """An endpoint with a secret that everybody knows."""
        endpoint_id = uuid4()
        await self.sql(
            "insert into endpoint (endpoint_id, name, target, target_id, url, secrets, types, created_at, created_by,"
            " kind, options) values ($1, 'test', $2, $3, $4, $5, $6, now(), 'user:test', $7, $8)",
            endpoint_id, "rep" if rep else "all", rep, url, [self.vault.seal(secret)], list(types), kind,
            orjson.dumps(options).decode(),
        )  # fmt: skip
        return endpoint_id

    @property
    def vault(self) -> Vault:
        return vault(self.settings())

    def settings(self, **more: Any) -> Settings:
        """Of a service on this database, in local mode. A try has as long as may be set, so that none fails because the
        machine is busy; a test of one that ends by its deadline says a shorter one."""
        return Settings(
            **{
                "database": self.dsn, "kafka": "127.0.0.1:1", "local": True, "secret": INSTALLATION,
                "webhook_connect_seconds": 25, "webhook_total_seconds": 25, **more,
            }
        )  # fmt: skip

    async def try_once(self, **settings: Any) -> list[Any]:
        """One round of what the deliverer does, step by step; the events."""
        tools = Tools.of(self.settings(**settings))
        try:
            parcels = await self.run(lambda tx: pack(tx, tools, 100))
            tried = [await CHANNELS[each.claimed.kind](each, tools) for each in parcels]
            return await self.run(lambda tx: record(tx, tried)) if tried else []
        finally:
            await tools.close()


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    return load(DOCUMENTS)


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    return dict(DOCUMENTS)


@pytest.fixture(scope="session")
def mql() -> Callable[..., LeadQualified]:
    return qualified


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """A migrated database to copy."""
    async with migrated_database(postgres, "handoff.migrations") as dsn:
        yield dsn


@pytest_asyncio.fixture
async def kept(postgres: str, migrated: str) -> AsyncIterator[Handoff]:
    """Handoff's tables, empty, with the test playbook published, on Monday at ten."""
    async with Handoff.copied(postgres, migrated, DOCUMENTS) as opened:
        await opened.stop_the_clock(T0)
        yield opened


@dataclass
class Target:
    """A small server that behaves as it is told, request by request: status and headers, or a way to misbehave."""

    behaviour: list[Any] = field(default_factory=list)  # per request; the last one stays
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    at_once: int = 0
    most_at_once: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((headers, body))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    if not await self._answer(reader, writer):
                        return
                finally:
                    self.at_once -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        what = self.behaviour[min(len(self.requests), len(self.behaviour)) - 1] if self.behaviour else 204
        if callable(what):
            what = await what()
        if what == "hang":
            await reader.read()
            return False
        if what == "reset":
            writer.transport.abort()
            return False
        if what == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 8192)
                await writer.drain()
        if what == "trickle":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        status, more = what if isinstance(what, tuple) else (what, {})
        lines = [
            f"HTTP/1.1 {status} Whatever",
            "content-length: 0",
            *(f"{name}: {value}" for name, value in more.items()),
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        await writer.drain()
        return True


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Callable[..., Awaitable[Target]]]:
    """`await target(500, 204)`: a server that answers 500 first, then 204."""
    servers: list[asyncio.Server] = []

    async def start(*behaviour: Any) -> Target:
        made = Target(list(behaviour))
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        servers.append(server)
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        return made

    yield start
    for server in servers:
        server.close()


TOKENS: dict[str, dict[str, Any]] = {
    "boss": {"scopes": ["read", "answer", "manage", "operate"]},
    "reader": {"scopes": ["read"]},
    "ana": {"scopes": ["read", "answer"], "rep": "ana"},
    "bea": {"scopes": ["read", "answer"], "rep": "bea"},
    "console": {"scopes": ["read", "answer", "manage", "act-for"]},
}


@dataclass
class Api:
    """The service's routes on a real database, asked by whoever holds a token."""

    client: httpx.AsyncClient
    kept: Any

    async def get(self, path: str, who: str = "boss", **params: Any) -> httpx.Response:
        return await self.client.get(path, headers={"authorization": f"Bearer {who}"}, params=params)

    async def post(self, path: str, body: Any = None, who: str = "boss", **headers: str) -> httpx.Response:
        sent = {"authorization": f"Bearer {who}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.client.post(path, headers=sent, content=orjson.dumps({} if body is None else body))

    async def answer(
        self, of: LeadAssigned, act: str, who: str = "boss", version: int = 1, **more: Any
    ) -> httpx.Response:
        return await self.post(f"/v1/assignments/{of.assignment_id}/{act}", {"version": version, **more}, who)

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """What the outbox holds, in order."""
        rows = await self.kept.sql("select type, value from outbox order by id")
        return [(row["type"], orjson.loads(row["value"])) for row in rows]


@pytest_asyncio.fixture
async def api(kept: Any, tmp_path: Path) -> AsyncIterator[Api]:
    tokens = [{"name": name, "sha256": sha256(name.encode()).hexdigest(), **rest} for name, rest in TOKENS.items()]
    file = tmp_path / "tokens.yaml"
    file.write_text(yaml.safe_dump({"tokens": tokens}))
    settings = kept.settings(tokens=file)
    async with service.opened(settings) as opened:
        transport = httpx.ASGITransport(Guard(opened.app(), larger=service.larger_bodies))
        async with httpx.AsyncClient(transport=transport, base_url="http://handoff") as client:
            yield Api(client, kept)
