"""The same history through sla-monitor, its pure core or its handlers over PostgreSQL, in the reference's words."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace
from tests.sla.reference import Lead
from tests.sla.world import BASE, CALENDARS, MINUTES, REPS, TEAMS, Fact, Terms

from relevo.events import (
    Event,
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadDisqualified,
    LeadPaused,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    LeadWaiting,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    PlaybookStamp,
    SlaBreached,
    SlaCorrected,
    SlaMet,
    SlaStarted,
    SlaWarned,
)
from relevo.events.assignments import Rep
from relevo.events.leads import Score, Snapshot
from relevo.playbook import Playbook, load
from sla_monitor import tell
from sla_monitor.agreement import Agreement
from sla_monitor.clock import fire
from sla_monitor.tell import Now
from sla_monitor.trip import OfLead, Trip, adopt, hear
from sla_monitor.watched import timed

Said = list[tuple[Any, ...]]
_LEADS = UUID(int=6)
_STAMP = PlaybookStamp(revision=1, version="0" * 16)


def moment(minute: int) -> datetime:
    return BASE + timedelta(minutes=minute)


def minute_of(at: datetime) -> float:
    found = (at - BASE) / timedelta(minutes=1)
    return int(found) if found == int(found) else found


def lead_id(number: int) -> UUID:
    return uuid5(_LEADS, str(number))


# --- the agreement and the facts, as sla-monitor reads them ---


def documents(terms: Terms) -> dict[str, str]:
    lines = ["calendars:"]
    for name, (zone, hours, closed) in CALENDARS.items():
        parts = ", ".join(f"{day}: {spans!r}" for day, spans in hours.items())
        closures = ", ".join(f"{{from: {day}, hours: ['{a}-{b}']}}" for day, a, b in closed)
        lines.append(f"  - {{id: {name}, zone: {zone}, hours: {{{parts}}}, closures: [{closures}]}}")
    lines.append(f"max_reassign: {terms.most}\npolicies:")
    for policy in terms.policies:
        ladder = ", ".join(f"{{at: {after}m, do: {do}}}" for after, do in policy.ladder)
        lines.append(
            f"  - {{id: {policy.id}, clock: {policy.kind}, when: 'company.employees >= {policy.least}',"
            f" target: {policy.target}m, again: {policy.again}m, calendar: {policy.hours}, ladder: [{ladder}]}}"
        )
    return {**_REST, "sla.yaml": "\n".join(lines) + "\n"}


def _team(name: str, calendar: str) -> str:
    reps = ", ".join(
        f"{{id: {rep}, name: {rep}, email: {rep}@us.example, calendar: {hours}}}"
        for rep, hours in REPS.items()
        if rep != "boss" and (rep in ("dora", "emil")) == (name == "south")
    )
    boss = "{id: boss, name: boss, email: boss@us.example}"
    return f"  - {{id: {name}, name: {name}, manager: {boss}, calendar: {calendar}, reps: [{reps}]}}\n"


_REST = {
    "company.yaml": "name: Test\nzone: UTC\ncurrency: EUR\n",
    "personas.yaml": "personas: [{id: p, name: P, criteria: [{id: c, name: C, when: 'true', points: 60}],"
    " thresholds: {A: 50, B: 20}}]\n",
    "scoring.yaml": "signals: [{id: form, name: Form, on: form_submitted, points: 60, half_life: 10d, cap: 60}]\n"
    "levels: {1: 40, 2: 10}\nqualification: {cells: [A1], hand_raises: []}\nexclusions: []\n",
    "routing.yaml": "teams:\n" + "".join(_team(*each) for each in TEAMS.items())
    + "rules: [{id: all, name: All, when: 'true', team: north}]\n",
    "goals.yaml": "goals: []\n",
}  # fmt: skip


def event_of(number: int, mql: int, fact: Fact) -> OfLead:
    """Handoff's word for a fact."""
    lead = lead_id(number)
    by = "step" if fact.by_step else "system"
    common: dict[str, Any] = {
        "at": moment(fact.at), "by": by, "lead_id": lead, "cycle": 1, "playbook": _STAMP,
    }  # fmt: skip
    about: dict[str, Any] = {
        "score": Score(persona="p", grade="A", level=1, fit=60, engagement=60), "trigger": "A1", "team": fact.team,
        "snapshot": Snapshot(attributes={"company.employees": fact.employees}), "rule": "all", "priority": 0,
        "mql_at": moment(mql),
    }  # fmt: skip
    of = {"assignment_id": lead, "version": fact.version or 1, "rep": fact.rep or "ana"}
    match fact.kind:
        case "waiting":
            return LeadWaiting(**common, **about, position=1, failed=())
        case "assigned":
            rep = Rep(id=fact.rep or "", name="", calendar=REPS[fact.rep or "ana"], zone="UTC")
            return LeadAssigned(
                **common, **about, assignment_id=lead, version=fact.version, rep=rep, decision_id=lead,
                because="qualified", manager=fact.manager,
            )  # fmt: skip
        case "accepted":
            return LeadAccepted(**common, **of, channel="api")
        case "rejected":
            onward = "next_team" if fact.onward else "recycle"
            return LeadRejected(**common | {"by": "rep:ana"}, **of, channel="api", reason="other", consequence=onward)
        case "contacted":
            return LeadContacted(**common, **of, channel="api")
        case "paused":
            return LeadPaused(**common, **of, reason="x")
        case "resumed":
            return LeadResumed(**common, **of, reason="x")
        case "recycled":
            return LeadRecycled(**common, from_stage="sql", reason="other")
        case "disqualified":
            return LeadDisqualified(**common, from_stage="sql", reason="other")
        case "opportunity":
            return OpportunityOpened(**common, **of, opportunity_id="o")
        case "won":
            return OpportunityWon(**common, **of, opportunity_id="o")
    return OpportunityLost(**common, **of, opportunity_id="o")


# --- what was said, in the reference's words ---


def said_as(events: Iterable[Event], known: dict[UUID, tuple[Any, ...]]) -> Said:
    """`known`: the steps said so far, by event id, so that a correction can name its own."""
    found: Said = []
    for event in events:
        match event:
            case SlaStarted():
                found.append(("started", *_whose(event), minute_of(event.due_at), minute_of(event.started_at),
                              event.target_seconds / 60))  # fmt: skip
            case SlaWarned() | SlaBreached():
                name = "breached" if isinstance(event, SlaBreached) else "warned"
                step = (name, *_whose(event), event.step, event.do, minute_of(event.due_at), minute_of(event.fired_at))
                known[event.id] = step
                found.append((*step, event.elapsed_seconds / 60))
            case SlaMet():
                found.append(("met", *_whose(event), minute_of(event.due_at), minute_of(event.met_at),
                              event.elapsed_seconds / 60, event.late))  # fmt: skip
            case SlaCorrected():
                found.append(("corrected", known[event.retracts], minute_of(event.acted_at)))
    return found


def _whose(event: Any) -> tuple[Any, ...]:
    return event.kind, event.version or 0, event.rep


# --- the three ways ---


def by_reference(mql: int, facts: Sequence[Fact], agreed: Sequence[tuple[int, Terms]], every: int) -> dict[int, Said]:
    """What is said at each minute; a look at all deadlines after what was heard, every so many minutes."""
    lead = Lead(agreed[0][1], mql)
    said: dict[int, Said] = {}
    heard, changes = by_minute(facts), dict(agreed[1:])
    for minute in range(0, MINUTES, every):
        lead.said = []
        if minute in changes:
            lead.agree(changes[minute], minute)
        for fact in heard.get(minute, ()):
            lead.hear(fact)
        lead.look(minute)
        if lead.said:
            said[minute] = in_order(lead.said)
    return said


def by_core(
    number: int, mql: int, facts: Sequence[Fact], agreed: Sequence[tuple[int, Terms]], books: dict[Terms, Playbook],
    every: int,
) -> dict[int, Said]:  # fmt: skip
    """sla-monitor's own decisions, without a database."""
    earlier = {book.version: book for book in books.values()}

    def agreement(terms: Terms) -> Agreement:
        book = books[terms]
        return Agreement(PlaybookStamp(revision=1, version=book.version), book, earlier)

    now_agreed = agreement(agreed[0][1])
    trip: Trip | None = None
    said: dict[int, Said] = {}
    known: dict[UUID, tuple[Any, ...]] = {}
    heard, changes = by_minute(facts), dict(agreed[1:])
    for minute in range(0, MINUTES, every):
        now, events = moment(minute), list[Event]()
        if minute in changes:
            now_agreed = agreement(changes[minute])
            if trip is not None:
                trip, told = adopt(trip, now_agreed, now)
                events += told
        for fact in heard.get(minute, ()):
            trip, told = hear(trip, event_of(number, mql, fact), now_agreed, now)
            events += told
        if trip is not None:
            trip, fired = _looked(trip, now_agreed, now)
            events += fired
        if events:
            said[minute] = in_order(said_as(events, known))
    return said


def _looked(trip: Trip, agreement: Agreement, now: datetime) -> tuple[Trip, list[Event]]:
    """As `firing.py` does it for a batch."""
    clocks, events = [], list[Event]()
    for watched in trip.clocks:
        cal = agreement.calendar(watched.playbook, watched.calendar)
        if watched.next_due is not None and watched.next_due <= now and cal is not None:
            clock, fired = fire(watched.clock, cal, now)
            watched = timed(replace(watched, clock=clock), cal)
            events += (tell.fired(watched, step, Now(now, _STAMP), None) for step in fired)
        clocks.append(watched)
    return replace(trip, clocks=tuple(clocks)), events


def by_minute(facts: Iterable[Fact]) -> dict[int, list[Fact]]:
    found: dict[int, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.heard].append(fact)
    return found


def in_order(said: Said) -> Said:
    """What is said at one moment is told apart by what it says."""
    return sorted(said, key=repr)


def book_of(terms: Terms) -> Playbook:
    return load(documents(terms))
