"""PURE: one SLA clock, folded from what sla-monitor says of it; and what a running one shows."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from console.trips import Trip, earliest, is_waiting
from relevo.events import SlaBreached, SlaCorrected, SlaMet, SlaStarted, SlaWarned
from relevo.events.vocabulary import ClockKind

SlaEvent = SlaStarted | SlaWarned | SlaBreached | SlaMet | SlaCorrected
State = Literal["running", "paused", "due_soon", "breached", "met", "ended"]

_SOON = 0.75  # of its time gone: then a clock asks for attention


@dataclass(frozen=True)
class Clock:
    clock_id: UUID
    lead_id: UUID
    cycle: int
    kind: ClockKind
    policy: str
    version: int | None = None
    rep: str | None = None
    team: str | None = None
    started_at: datetime | None = None
    due_at: datetime | None = None
    target_seconds: float | None = None
    warned_at: datetime | None = None
    breaches: dict[str, str] = field(default_factory=dict)
    breached_at: datetime | None = None
    met_at: datetime | None = None
    late: bool | None = None
    over: bool = False


def opened(event: SlaEvent) -> Clock:
    """The clock an event speaks of, before anything is folded into it."""
    return Clock(event.clock_id, event.lead_id, event.cycle, event.kind, event.policy)


def fold(clock: Clock, event: SlaEvent) -> Clock:
    clock = replace(
        clock,
        version=event.version if event.version is not None else clock.version,
        rep=event.rep or clock.rep,
        team=event.team or clock.team,
    )
    match event:
        case SlaStarted():  # said again with another due_at when a pause, a policy or a calendar moved the deadline
            return replace(clock, started_at=event.started_at, due_at=event.due_at, target_seconds=event.target_seconds)
        case SlaWarned():
            return replace(clock, warned_at=earliest(clock.warned_at, event.fired_at))
        case SlaBreached():
            return _breached(clock, {**clock.breaches, str(event.id): event.fired_at.isoformat()})
        case SlaCorrected():
            return _breached(clock, {key: at for key, at in clock.breaches.items() if key != str(event.retracts)})
        case SlaMet():
            return replace(clock, met_at=event.met_at, late=event.late)


def _breached(clock: Clock, breaches: dict[str, str]) -> Clock:
    first = earliest(*(datetime.fromisoformat(at) for at in breaches.values()))
    return replace(clock, breaches=breaches, breached_at=first)


def settle(clock: Clock, trip: Trip | None) -> Clock:
    """`clock`, over if it was met or if sla-monitor has ended it without a word: see `_void`."""
    return replace(clock, over=clock.met_at is not None or (trip is not None and _void(clock, trip)))


def _void(clock: Clock, trip: Trip) -> bool:
    """Whether the promise has become void: the cycle ended, or what it was about belongs to the past."""
    if trip.recycled_at or trip.disqualified_at or trip.won_at or trip.lost_at:
        return True
    if clock.kind == "answer":
        return is_waiting(trip) or (clock.version is not None and clock.version < trip.version)
    if clock.kind == "wait":
        return not is_waiting(trip) or trip.returned_at is not None
    return clock.kind == "first_contact" and trip.returned_at is not None


def state(clock: Clock, trip: Trip | None, now: datetime) -> State:
    """What the page shows of it at `now`."""
    if clock.met_at is not None:
        return "met"
    if clock.over:
        return "ended"
    if clock.breached_at is not None or (clock.due_at is not None and clock.due_at <= now):
        return "breached"
    if trip is not None and trip.paused_at and (trip.resumed_at is None or trip.resumed_at < trip.paused_at):
        return "paused"
    return "due_soon" if share(clock, now) >= _SOON else "running"


def share(clock: Clock, now: datetime) -> float:
    """How much of the way from start to deadline is gone, 0…1, by the wall clock."""
    if clock.started_at is None or clock.due_at is None or clock.due_at <= clock.started_at:
        return 0.0
    return min(1.0, max(0.0, (now - clock.started_at) / (clock.due_at - clock.started_at)))
