"""What sla-monitor's tests share: a playbook small enough to reckon with by hand, a lead's story, a real database."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from relevo.events import (
    Event,
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadDisqualified,
    LeadErased,
    LeadMerged,
    LeadPaused,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    LeadWaiting,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    PlaybookStamp,
)
from relevo.events.assignments import Rep
from relevo.events.leads import Company, Contact, Score, Snapshot, Trigger
from relevo.testing.kept import Kept, migrated_database
from sla_monitor.firing import fire_due

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
STAMP = PlaybookStamp(revision=1, version="0" * 16)

# ana keeps the office's hours, bea comes in the mornings, dora's team never closes. Hours are UTC's.
DOCUMENTS = {
    "company.yaml": "name: Test\nzone: UTC\ncurrency: EUR\n",
    "personas.yaml": """
personas:
  - id: operations
    name: Operations
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
      - {id: ana, name: Ana, email: ana@us.example}
      - {id: bea, name: Bea, email: bea@us.example, calendar: mornings}
  - id: south
    name: South
    manager: {id: boss, name: Boss, email: boss@us.example}
    calendar: open
    reps: [{id: dora, name: Dora, email: dora@us.example}, {id: emil, name: Emil, email: emil@us.example}]
rules:
  - {id: all, name: Everybody, when: "true", team: north}
""",
    "sla.yaml": """
calendars:
  - id: office
    zone: UTC
    hours: {mon: ["09:00-17:00"], tue: ["09:00-17:00"], wed: ["09:00-17:00"], thu: ["09:00-17:00"],
            fri: ["09:00-17:00"]}
  - id: mornings
    zone: UTC
    hours: {mon: ["09:00-11:00"], tue: ["09:00-11:00"], wed: ["09:00-11:00"], thu: ["09:00-11:00"],
            fri: ["09:00-11:00"]}
  - id: open
    zone: UTC
    hours: {mon: ["00:00-24:00"], tue: ["00:00-24:00"], wed: ["00:00-24:00"], thu: ["00:00-24:00"],
            fri: ["00:00-24:00"], sat: ["00:00-24:00"], sun: ["00:00-24:00"]}
policies:
  - id: waiting
    clock: wait
    when: "true"
    target: 2h
    calendar: team
    ladder: [{at: 50%, do: warn_manager}, {at: 100%, do: fallback}]
  - id: demo
    clock: answer
    when: "mql.hand_raise"
    target: 1h
    calendar: always
    ladder: [{at: 100%, do: reassign}]
  - id: answer
    clock: answer
    when: "true"
    target: 4h
    calendar: rep
    ladder: [{at: 50%, do: warn_rep}, {at: 75%, do: warn_manager}, {at: 100%, do: reassign}]
  - id: contact
    clock: first_contact
    when: "true"
    target: 8h
    calendar: rep
    ladder: [{at: 75%, do: warn_rep}, {at: 100%, do: warn_manager}]
""",
    "goals.yaml": "goals: []\n",
}


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


@dataclass
class Lead:
    """A lead, in handoff's words. Each event says when; the owner is whoever was assigned last."""

    mql_at: datetime = field(default_factory=lambda: at(10))
    cycle: int = 1
    trigger: str = "A1"
    employees: int = 80
    lead_id: UUID = field(default_factory=uuid4)
    assignment_id: UUID = field(default_factory=uuid4)
    version: int = 0
    rep: str = ""

    def qualified(self, when: datetime, **contact: Any) -> Event:
        return LeadQualified(
            **self._decided(when), trigger=Trigger(kind="cell", id=self.trigger, name=self.trigger), contributions=(),
            **{name: value for name, value in self._about(**contact).items() if name != "trigger"},
        )  # fmt: skip

    def assigned(self, when: datetime, rep: str = "ana", team: str = "north", by: str = "system", **more: Any) -> Event:
        self.version, self.rep = self.version + 1, rep
        return LeadAssigned(
            **self._decided(when, by), assignment_id=self.assignment_id, version=self.version, team=team,
            rep=Rep(id=rep, name=rep.title(), calendar=more.pop("calendar", "office"), zone="UTC"), rule="all",
            decision_id=uuid4(), priority=0, mql_at=self.mql_at, because="qualified", **self._about(), **more,
        )  # fmt: skip

    def waiting(self, when: datetime, team: str = "north", by: str = "system") -> Event:
        return LeadWaiting(
            **self._decided(when, by), team=team, rule="all", priority=0, position=1, failed=(), mql_at=self.mql_at,
            **self._about(),
        )  # fmt: skip

    def accepted(self, when: datetime, **more: Any) -> Event:
        return LeadAccepted(**self._owned(when, **more), channel="api")

    def rejected(self, when: datetime, consequence: str = "recycle", **more: Any) -> Event:
        return LeadRejected(**self._owned(when, **more), channel="api", reason="other", consequence=consequence)

    def contacted(self, when: datetime, **more: Any) -> Event:
        return LeadContacted(**self._owned(when, **more), channel="api")

    def paused(self, when: datetime) -> Event:
        return LeadPaused(**self._owned(when), reason="on holiday")

    def resumed(self, when: datetime) -> Event:
        return LeadResumed(**self._owned(when), reason="back")

    def opportunity(self, when: datetime) -> Event:
        return OpportunityOpened(**self._owned(when), opportunity_id="o")

    def won(self, when: datetime) -> Event:
        return OpportunityWon(**self._owned(when), opportunity_id="o")

    def lost(self, when: datetime) -> Event:
        return OpportunityLost(**self._owned(when), opportunity_id="o")

    def recycled(self, when: datetime) -> Event:
        return LeadRecycled(**self._decided(when), from_stage="sql", reason="other")

    def disqualified(self, when: datetime) -> Event:
        return LeadDisqualified(**self._decided(when), from_stage="sql", reason="wrong_size")

    def merged_into(self, survivor: "Lead", when: datetime) -> dict[str, Event]:
        """Both halves: each under its own lead's key."""
        about = {"merge_id": uuid4(), "survivor": survivor.lead_id, "loser": self.lead_id, "snapshot": Snapshot()}
        return {
            "survivor": LeadMerged(**survivor._decided(when, "user:boss"), **about),
            "loser": LeadMerged(**self._decided(when, "user:boss"), **about),
        }

    def erased(self, when: datetime) -> Event:
        return LeadErased(at=when, by="user:admin", lead_id=self.lead_id, subject_ids=(), received_before=when)

    def _decided(self, when: datetime, by: str = "system") -> dict[str, Any]:
        trace = f"00-{self.lead_id.hex}-00f067aa0ba902b7-01"
        return {
            "at": when, "by": by, "lead_id": self.lead_id, "cycle": self.cycle, "playbook": STAMP, "trace": trace,
        }  # fmt: skip

    def _owned(
        self, when: datetime, *, version: int | None = None, rep: str | None = None, by: str | None = None
    ) -> dict[str, Any]:
        who = {"version": version or self.version, "rep": rep or self.rep}
        return self._decided(when, by or f"rep:{who['rep']}") | {"assignment_id": self.assignment_id} | who

    def _about(self, **contact: Any) -> dict[str, Any]:
        return {
            "score": Score(persona="operations", grade="A", level=1, fit=60, engagement=60),
            "trigger": self.trigger,
            "snapshot": Snapshot(
                contact=Contact(email="olga@acme.example", **contact),
                company=Company(name="Acme"),
                attributes={"company.employees": self.employees},
            ),
        }


class Monitored(Kept):
    """sla-monitor's database."""

    async def fire(self, *leads: Lead, until: datetime | None = None) -> list[Any]:
        """What is due by now of these leads, fired; returns what was said."""
        ids = [lead.lead_id for lead in leads]
        return await self.said(lambda tx: fire_due(tx, ids, until or tx.now, lambda of, step: None))

    async def clocks(self, lead: Lead) -> dict[str, tuple[str, datetime | None]]:
        """Of each clock: how it stands and when its target is due; of several of one kind, the newest."""
        rows = await self.sql("select kind, state, due_at from clock where lead_id = $1 order by seq", lead.lead_id)
        return {row["kind"]: (row["state"], row["due_at"]) for row in rows}


@pytest.fixture(scope="session")
def make() -> Callable[..., Lead]:
    return Lead


@pytest.fixture
def lead() -> Lead:
    return Lead()


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    return dict(DOCUMENTS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """A migrated database to copy."""
    async with migrated_database(postgres, "sla_monitor.migrations") as dsn:
        yield dsn


@pytest_asyncio.fixture
async def kept(postgres: str, migrated: str) -> AsyncIterator[Monitored]:
    """sla-monitor's tables, empty, with the test playbook published, on Monday at ten."""
    async with Monitored.copied(postgres, migrated, DOCUMENTS) as opened:
        await opened.stop_the_clock(at(10))
        yield opened
