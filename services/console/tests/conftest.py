"""The console's tests run it on a real PostgreSQL: each test on a fresh copy of one migrated database."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
import yaml
from playwright.async_api import Browser
from sqlalchemy import event

from console import handlers
from console.main import service
from console.settings import Settings
from relevo import events as e
from relevo.events.assignments import Rep
from relevo.events.leads import Company, Contact, Contribution, Score, Snapshot, Trigger
from relevo.events.touchpoints import CompanyName, Names, Subject, What
from relevo.service import Service
from relevo.service.web import Guard
from relevo.testing.browser import chromium
from relevo.testing.databases import fresh_database
from relevo.testing.services import migrate_database, ready, running
from relevo_local.ports import Ports

TOKENS = {
    "admin": {"scopes": ["read", "playbook", "erase", "operate"], "role": "admin"},
    "reader": {"scopes": ["read"]},
    "sales": {"scopes": ["read", "playbook"], "role": "manager"},
    "marketing": {"scopes": ["read", "playbook"], "role": "marketing"},
    "plain": {"scopes": ["read", "playbook"]},
}
STAMP = e.PlaybookStamp(revision=1, version="0123456789abcdef")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Console:
    """An opened console with clients that carry a token each."""

    service: Service
    tokens: dict[str, str]
    path: Path
    url: str = ""
    dsn: str = ""

    def client(self, token: str | None = None, address: str = "127.0.0.1") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.tokens[token]}"} if token else {}
        transport = httpx.ASGITransport(Guard(self.service.app()), client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", headers=headers)

    async def hear(self, *batch: e.Event) -> None:
        """The events reach the console, as the consumer brings them."""
        async with self.service.transaction() as tx:
            await handlers.keep(tx, batch)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """A migrated database to copy."""
    async with fresh_database(postgres) as dsn:
        await migrate_database(dsn, "console.migrations")
        yield dsn


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """tokens.yaml, and the tokens by name."""
    given = {name: secrets.token_urlsafe(24) for name in TOKENS}
    entries = [
        {"name": name, "sha256": sha256(given[name].encode()).hexdigest(), **entry} for name, entry in TOKENS.items()
    ]
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump({"tokens": entries}))
    return path, given


Open = Callable[..., Awaitable[Console]]


@pytest_asyncio.fixture
async def opened(postgres: str, migrated: str, tokens: tuple[Path, dict[str, str]]) -> AsyncIterator[Open]:
    """`await opened(local=True, …)`: a console with these settings on a fresh database, nothing running."""
    async with AsyncExitStack() as stack:

        async def open_(**settings: Any) -> Console:
            dsn = await stack.enter_async_context(fresh_database(postgres, migrated))
            path, given = tokens
            made = Settings(database=dsn, kafka="127.0.0.1:9", tokens=path, topics="local", **settings)
            own = replace(service)  # several may be open at a time
            await stack.enter_async_context(own.opened(made))
            return Console(own, given, path)

        yield open_


Serve = Callable[..., Awaitable[Console]]


@pytest_asyncio.fixture
async def served(
    postgres: str, migrated: str, tokens: tuple[Path, dict[str, str]], ports: Ports
) -> AsyncIterator[Serve]:
    """`await served(local=True, …)`: a console that listens, at `console.url`; with `kafka=…` it consumes too."""
    async with AsyncExitStack() as stack:

        async def serve(kafka: str | None = None, **settings: Any) -> Console:
            dsn = await stack.enter_async_context(fresh_database(postgres, migrated))
            path, given = tokens
            common = {"database": dsn, "tokens": path, "topics": "local", "time_travel": True}
            made = Settings(kafka=kafka or "127.0.0.1:9", http_port=ports.take(), **common, **settings)
            own = replace(service)
            run = await stack.enter_async_context(running(own, made, None if kafka else "api"))
            if kafka:
                await ready(run)
            return Console(own, given, path, run.url, dsn)

        yield serve


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture
async def console(opened: Open) -> Console:
    """A console as in production: pages need a session."""
    return await opened()


@dataclass
class Story:
    """What the other services say of one lead; each call is one event, a minute after the one before."""

    name: str = "Ana García"
    company: str = "Acme Ibérica"
    email: str = "ana@acme.es"
    at: datetime = START
    cycle: int = 1
    version: int = 0
    lead_id: UUID = field(default_factory=uuid4)
    assignment_id: UUID = field(default_factory=uuid4)
    subject: str = field(default_factory=lambda: secrets.token_hex(16))
    visitor: str = field(default_factory=lambda: secrets.token_hex(16))
    rep: str = "lucia"
    rep_name: str = "Lucía Prado"
    step: timedelta = timedelta(minutes=1)

    def _next(self, **more: Any) -> dict[str, Any]:
        self.at += self.step
        return {"at": self.at, "by": "system", "lead_id": self.lead_id, "cycle": self.cycle, "playbook": STAMP, **more}

    def _assignment(self, **more: Any) -> dict[str, Any]:
        return self._next(assignment_id=self.assignment_id, version=self.version, rep=self.rep, **more)

    def snapshot(self) -> Snapshot:
        contact = Contact(email=self.email, full_name=self.name, job_title="Directora de sistemas", country="ES")
        return Snapshot(contact=contact, company=Company(name=self.company, domain="acme.es", employees=120))

    def score(self, grade: str = "A", level: int = 2) -> Score:
        return Score.model_validate({"persona": "it_head", "grade": grade, "level": level, "fit": 70, "engagement": 41})

    def touch(self, touch: str = "page_viewed", known: bool = False, **more: Any) -> e.TouchpointRecorded:
        self.at += self.step
        identity = uuid4()
        kind, subject = ("email", self.subject) if known else ("anonymous", self.visitor)
        names = {"names": Names(full=self.name), "company": CompanyName(name=self.company)} if known else {}
        given = {
            "subjects": (Subject(subject_id=subject, kind=kind, value=self.email if known else "v-1"),),
            "what": What(url="https://acme.es/precios", title="Precios"),
            "source": "web",
            "occurred_at": self.at,
            "received_at": self.at,
            **names,
            **more,
        }
        return e.TouchpointRecorded(id=identity, touchpoint_id=identity, at=self.at, by="system", touch=touch, **given)

    def identified(self, subject: str | None = None, kind: str = "email", **more: Any) -> e.LeadIdentified:
        return e.LeadIdentified(**self._next(subject_id=subject or self.subject, subject_kind=kind, **more))

    def scored(self, grade: str = "B", level: int = 3) -> e.LeadScored:
        reason = Contribution(kind="signal", id="pricing", name="Vio los precios", points=20, touchpoints=2)
        return e.LeadScored(**self._next(new=self.score(grade, level), reasons=(reason,)))

    def qualified(self, **more: Any) -> e.LeadQualified:
        reasons = (
            Contribution(kind="criterion", id="size", name="Más de 50 empleados", points=40, persona="it_head"),
            Contribution(kind="signal", id="pricing", name="Vio los precios", points=20.5, touchpoints=2),
        )
        given = {
            "score": self.score(),
            "trigger": Trigger(kind="hand_raise", id="demo", name="Pide una demo"),
            "contributions": reasons,
            "snapshot": self.snapshot(),
        }
        return e.LeadQualified(**self._next(**(given | more)))

    def waiting(self) -> e.LeadWaiting:
        failed = ({"rep": "jon", "test": "capacity", "because": "20 of 20 open"},)
        given = {"team": "iberia", "rule": "todos", "priority": 0, "position": 1, "failed": failed}
        return e.LeadWaiting(
            **self._next(**given, mql_at=self.at, score=self.score(), trigger="demo", snapshot=self.snapshot())
        )

    def assigned(self, because: str = "qualified", rep: str = "lucia", rep_name: str = "Lucía Prado") -> e.LeadAssigned:
        self.version, self.rep, self.rep_name = self.version + 1, rep, rep_name
        mql_at = self.at
        return e.LeadAssigned(
            **self._next(
                assignment_id=self.assignment_id,
                version=self.version,
                team="iberia",
                rep=Rep(id=rep, name=rep_name, calendar="madrid", zone="Europe/Madrid"),
                rule="todos",
                decision_id=uuid4(),
                priority=0,
                mql_at=mql_at,
                because=because,
                score=self.score(),
                trigger="demo",
                snapshot=self.snapshot(),
            )
        )

    def accepted(self) -> e.LeadAccepted:
        return e.LeadAccepted(**self._assignment(channel="link"))

    def rejected(self, reason: str = "wrong_size", consequence: str = "exclude") -> e.LeadRejected:
        return e.LeadRejected(**self._assignment(channel="link", reason=reason, consequence=consequence))

    def contacted(self) -> e.LeadContacted:
        return e.LeadContacted(**self._assignment(channel="crm"))

    def recycled(self) -> e.LeadRecycled:
        return e.LeadRecycled(**self._next(from_stage="sql", reason="no_need_now", until=self.at + timedelta(days=90)))

    def opened(self) -> e.OpportunityOpened:
        return e.OpportunityOpened(**self._assignment(opportunity_id="o-1", amount="12000.00", currency="EUR"))

    def won(self) -> e.OpportunityWon:
        return e.OpportunityWon(**self._assignment(opportunity_id="o-1", amount="11500.50", currency="EUR"))

    def delivered(self) -> e.DeliveryMade:
        given = self._next(delivery_id=uuid4(), webhook_id="msg_1", endpoint="crm", tries=1, status=200)
        return e.DeliveryMade(**given, assignment_id=self.assignment_id)

    def _clock(self, kind: str, due: timedelta, **more: Any) -> dict[str, Any]:
        given = {"clock_id": uuid5_of(self, kind), "kind": kind, "policy": kind, "due_at": self.at + due}
        owner = {"assignment_id": self.assignment_id, "version": self.version, "rep": self.rep, "team": "iberia"}
        return self._next(**given, **(owner if self.version else {}), **more)

    def sla_started(self, kind: str = "answer", due: timedelta = timedelta(hours=4)) -> e.SlaStarted:
        return e.SlaStarted(**self._clock(kind, due, started_at=self.at, target_seconds=due.total_seconds()))

    def sla_breached(self, kind: str = "answer", do: str | None = "reassign") -> e.SlaBreached:
        fired = {"fired_at": self.at, "lateness_seconds": 0.2, "elapsed_seconds": 14400}
        return e.SlaBreached(**self._clock(kind, timedelta(0), step=1, do=do, **fired))

    def sla_met(self, kind: str = "answer", late: bool = False) -> e.SlaMet:
        return e.SlaMet(**self._clock(kind, timedelta(hours=1), met_at=self.at, elapsed_seconds=900, late=late))

    def sla_corrected(self, breach: e.SlaBreached) -> e.SlaCorrected:
        return e.SlaCorrected(**self._clock(breach.kind, timedelta(0), retracts=breach.id, acted_at=self.at))

    def merged(self, survivor: "Story", key: UUID) -> e.LeadMerged:
        given = self._next(merge_id=uuid4(), survivor=survivor.lead_id, loser=self.lead_id)
        return e.LeadMerged(**(given | {"lead_id": key}), snapshot=survivor.snapshot())

    def erased(self) -> e.LeadErased:
        self.at += self.step
        return e.LeadErased(
            at=self.at,
            by="user:admin",
            lead_id=self.lead_id,
            subject_ids=(self.subject, self.visitor),
            received_before=self.at,
        )

    def to_rep(self) -> list[e.Event]:
        """The usual way from a page view to a rep with a running clock."""
        return [
            self.touch(),
            self.touch("form_submitted", known=True),
            self.identified(),
            self.identified(self.visitor, "anonymous"),
            self.scored(),
            self.qualified(),
            self.assigned(),
            self.sla_started(),
            self.sla_started("first_contact", timedelta(hours=8)),
        ]


def uuid5_of(story: Story, kind: str) -> UUID:
    """One clock per kind; an answer clock per version."""
    spell = story.version if kind == "answer" else 0
    return UUID(int=(story.lead_id.int ^ hash((kind, story.cycle, spell))) % 2**128)


@pytest.fixture
def story() -> type[Story]:
    return Story


@pytest.fixture
def statements(console: Console) -> Callable[[], Any]:
    """`with statements() as sent:` the SQL that goes to PostgreSQL meanwhile."""
    engine = console.service.database.engine.sync_engine

    @contextmanager
    def watching() -> Iterator[list[str]]:
        sent: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            sent.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return watching
