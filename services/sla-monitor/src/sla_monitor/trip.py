"""PURE: what an event, or a new agreement, does to the promises made to a lead in one of its trips through sales."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from relevo.calendar import NeverOpens, always
from relevo.events import (
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
)
from relevo.events.vocabulary import ClockKind
from relevo.playbook import Activation, mql_values
from sla_monitor import tell
from sla_monitor.agreement import Agreement, Owner
from sla_monitor.clock import Standing, begin, change, clock_id, is_paused
from sla_monitor.ruling import Fact, FactKind, after, rule
from sla_monitor.tell import Now, SlaEvent
from sla_monitor.watched import Watched, timed

Arrival = LeadWaiting | LeadAssigned
OfLead = (
    Arrival | LeadAccepted | LeadRejected | LeadContacted | LeadPaused | LeadResumed | LeadRecycled | LeadDisqualified
    | OpportunityOpened | OpportunityWon | OpportunityLost
)  # fmt: skip

_KINDS: dict[type[OfLead], FactKind] = {
    LeadAccepted: "accepted", LeadContacted: "contacted", LeadPaused: "paused", LeadResumed: "resumed",
    OpportunityOpened: "opportunity", OpportunityWon: "won", OpportunityLost: "lost",
}  # fmt: skip
_NEW = Standing()


class Trip(Struct, frozen=True):
    """A lead in one cycle: who has it, what the policies' conditions may ask about it, its clocks."""

    lead_id: UUID
    cycle: int
    mql_at: datetime
    owner: Owner
    about: Mapping[str, object]
    assignment_id: UUID | None = None
    standing: Standing = _NEW
    reviewed_at: datetime | None = None  # when sales first took it, or sent it back for good
    accepted: bool | None = None  # which of the two
    clocks: tuple[Watched, ...] = ()

    def __repr__(self) -> str:
        return f"Trip({self.lead_id}, {self.cycle})"  # `about` is a person's data: it stays out of logs


def fact_of(event: OfLead) -> Fact:
    """What happened, in the words of `ruling.py`."""
    match event:
        case LeadWaiting():
            return Fact("waiting", event.at, by_step=event.by == "step")
        case LeadAssigned():
            by_step = event.by == "step"
            return Fact("assigned", event.at, event.version, event.rep.id, by_step, event.manager)
        case LeadRejected(by="system"):  # its lead was merged away: nobody's answer
            return Fact("merged", event.at, event.version)
        case LeadRejected():
            return Fact("rejected", event.at, event.version, onward=event.consequence == "next_team")
        case LeadRecycled():
            return Fact("recycled", event.at)
        case LeadDisqualified():
            return Fact("disqualified", event.at)
        case _:
            return Fact(_KINDS[type(event)], event.at, event.version)


def hear(trip: Trip | None, event: OfLead, agreement: Agreement, now: datetime) -> tuple[Trip | None, list[SlaEvent]]:
    """The trip after `event`, and what is to be said. None: nothing is known of it, so nothing was promised.

    The events of a trip come in the order they were decided; its clocks run under `agreement` (see `adopt`).
    """
    fact, moment = fact_of(event), Now(now, agreement.stamp, event.trace)
    arrival = event if isinstance(event, Arrival) and _is_new(trip, fact) else None
    if arrival is not None:
        trip = _arrived(trip, arrival, agreement)
    if trip is None:
        return None, []
    said: list[SlaEvent] = []
    clocks: list[Watched] = []
    about = agreement.about(trip.about) if arrival is not None else None
    for before in trip.clocks:
        watched = before
        if arrival is not None and watched.assignment_id is None:  # it waited until now
            watched = replace(watched, assignment_id=trip.assignment_id)
        if arrival is not None and is_paused(watched.clock):  # nobody pauses for the next owner
            watched = ruled(watched, replace(fact, kind="resumed", version=None), agreement, moment, said)
        watched = ruled(watched, fact, agreement, moment, said)
        if about is not None:
            watched = _under(watched, trip, about, agreement, fact.at)
        clocks.append(settled(before, watched, agreement, moment, said))
    trip = replace(_reviewed(trip, fact), standing=after(trip.standing, fact), clocks=tuple(clocks))
    if about is not None:
        new = _begun(trip, fact, about, agreement, event.trace)
        clocks += (settled(None, each, agreement, moment, said) for each in new)
        trip = replace(trip, clocks=tuple(clocks))
    return trip, said


def adopt(trip: Trip, agreement: Agreement, now: datetime) -> tuple[Trip, list[SlaEvent]]:
    """The trip's open clocks under a new agreement; what has elapsed is kept."""
    said: list[SlaEvent] = []
    about = agreement.about(trip.about)
    clocks = []
    for before in trip.clocks:
        watched = before
        if is_stale(before, agreement.stamp.version):
            watched = _under(before, trip, about, agreement, now)
        clocks.append(settled(before, watched, agreement, Now(now, agreement.stamp), said))
    return replace(trip, clocks=tuple(clocks)), said


def is_stale(watched: Watched, version: str) -> bool:
    """Whether it still runs under another version of the playbook."""
    return watched.clock.state == "running" and watched.playbook != version


def _reviewed(trip: Trip, fact: Fact) -> Trip:
    """Marketing's MQL was good, or it was not; where the next team gets it, nobody knows yet. The first word counts."""
    final = fact.kind == "accepted" or (fact.kind == "rejected" and not fact.onward)
    if not final or (trip.reviewed_at is not None and trip.reviewed_at <= fact.at):
        return trip
    return replace(trip, reviewed_at=fact.at, accepted=fact.kind == "accepted")


def _is_new(trip: Trip | None, fact: Fact) -> bool:
    """Whether the lead changes hands: not where an assignment is heard of again."""
    return trip is None or fact.version is None or fact.version > trip.standing.version


def _arrived(trip: Trip | None, event: Arrival, agreement: Agreement) -> Trip:
    hand_raises = {each.id for each in agreement.playbook.scoring.qualification.hand_raises}
    about = mql_values(
        event.snapshot,
        event.score,
        trigger=event.trigger,
        hand_raise=event.trigger in hand_raises,  # no cell is called like one
        priority=event.priority,
    )
    if isinstance(event, LeadAssigned):
        owner = Owner(event.team, event.rep.id, event.rep.calendar)
        assignment: UUID | None = event.assignment_id
    else:
        owner, assignment = Owner(event.team), trip.assignment_id if trip else None
    if trip is None:
        return Trip(event.lead_id, event.cycle, event.mql_at, owner, about, assignment)
    return replace(trip, owner=owner, about=about, assignment_id=assignment)


def _begun(trip: Trip, fact: Fact, about: Activation, agreement: Agreement, trace: str | None) -> Iterator[Watched]:
    """The clocks that an arrival starts; `trip.standing` is already that after it."""
    first: ClockKind = "wait" if fact.kind == "waiting" else "answer"
    kinds: tuple[ClockKind, ...] = (first, "first_contact", "outcome")
    there = {watched.clock.id for watched in trip.clocks}
    for kind in kinds:
        terms = agreement.terms(kind, about, trip.owner)
        if terms is None:
            continue
        if there and clock_id(trip.lead_id, trip.cycle, kind, trip.standing.version) in there:
            continue
        since = fact.at if kind == first else trip.mql_at
        clock = begin(trip.lead_id, trip.cycle, kind, terms.promise, since, trip.standing)
        yield Watched(
            clock, trip.lead_id, trip.cycle, trip.owner.team, trip.assignment_id, terms.calendar,
            agreement.stamp.version, trace=trace,
        )  # fmt: skip


def ruled(watched: Watched, fact: Fact, agreement: Agreement, now: Now, said: list[SlaEvent]) -> Watched:
    """What `fact` does to a clock, told."""
    cal = agreement.calendar(watched.playbook, watched.calendar)
    try:
        if cal is None:
            raise NeverOpens
        ruling = rule(watched.clock, cal, fact)
    except NeverOpens:  # its times can't be reckoned: it keeps its state, and nothing is said of times
        ruling = rule(watched.clock, always, fact)
        return replace(watched, clock=ruling.clock)
    if ruling.clock is watched.clock:
        return watched
    met = ruling.verdict == "met"
    late, due_at = (ruling.late, ruling.due_at) if met else (watched.late, watched.due_at)
    after_it = replace(watched, clock=ruling.clock, late=late, due_at=due_at)
    said.extend(tell.corrected(after_it, wrong, fact, now) for wrong in ruling.retracted)
    if met:
        said.append(tell.met(after_it, ruling, fact, now))
    return after_it


def _under(watched: Watched, trip: Trip, about: Activation, agreement: Agreement, at: datetime) -> Watched:
    """The clock under what is now promised to the lead, in the hours of whoever has it now."""
    if watched.clock.state != "running":
        return watched
    version = agreement.stamp.version
    terms = agreement.terms(watched.clock.kind, about, trip.owner)
    before = agreement.calendar(watched.playbook, watched.calendar)
    cal = agreement.calendar(version, terms.calendar) if terms else before
    promise = terms.promise if terms else None
    if cal is None:  # a calendar nobody knows: shown with the clock, and mended by a later agreement
        cal = before or always
    changed = replace(
        watched, clock=change(watched.clock, before or cal, promise, cal, at), team=trip.owner.team, playbook=version,
        calendar=terms.calendar if terms else watched.calendar,
    )  # fmt: skip
    return watched if changed == watched else changed


def settled(before: Watched | None, watched: Watched, agreement: Agreement, now: Now, said: list[SlaEvent]) -> Watched:
    """`watched` with its deadlines, said (again) where the target's has moved."""
    if watched is before:
        return watched
    watched = timed(watched, agreement.calendar(watched.playbook, watched.calendar), now.at)
    breached = any(fired.key == "target" for fired in watched.clock.fired)
    told = before.due_at if before is not None else None
    if watched.clock.state == "running" and watched.due_at is not None and watched.due_at != told and not breached:
        said.append(tell.started(watched, now))
    return watched
