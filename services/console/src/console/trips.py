"""PURE: one trip of a lead through the funnel, folded from events that may come in any order across topics."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from relevo.events import (
    Event,
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadDisqualified,
    LeadPaused,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    LeadWaiting,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
)
from relevo.events.base import LeadEvent
from relevo.events.vocabulary import Stage

# The stages of the funnel, in order, and the column of `trip` that says when one was reached.
FUNNEL: Final[dict[Stage, str]] = {
    "lead": "started_at",
    "mql": "mql_at",
    "sql_candidate": "assigned_at",
    "sql": "accepted_at",
    "opportunity": "opportunity_at",
    "customer": "won_at",
}


@dataclass(frozen=True)
class Trip:
    """When this cycle reached what, and who owns it. First times are the earliest heard of, states the latest."""

    lead_id: UUID
    cycle: int
    started_at: datetime
    stage: Stage = "lead"
    mql_at: datetime | None = None
    assigned_at: datetime | None = None
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None
    opportunity_at: datetime | None = None
    won_at: datetime | None = None
    lost_at: datetime | None = None
    rejected_at: datetime | None = None
    rejected_version: int | None = None
    returned_at: datetime | None = None
    recycled_at: datetime | None = None
    disqualified_at: datetime | None = None
    waiting_at: datetime | None = None
    owner_at: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    assignment_id: UUID | None = None
    version: int = 0
    team: str | None = None
    rep: str | None = None
    rep_name: str | None = None
    persona: str | None = None
    cell: str | None = None
    trigger: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    reason: str | None = None
    reason_at: datetime | None = None


def earliest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def fold(trip: Trip, event: LeadEvent) -> Trip:
    """`trip` after `event` of the same lead and cycle. The order of events between topics does not matter."""
    folded = _fold(replace(trip, started_at=min(trip.started_at, event.at)), event)
    return replace(folded, stage=stage_of(folded))


def _fold(trip: Trip, event: Event) -> Trip:
    match event:
        case LeadQualified():
            return replace(
                trip,
                mql_at=earliest(trip.mql_at, event.at),
                persona=event.score.persona,
                cell=event.score.cell,
                trigger=event.trigger.name,
            )
        case LeadWaiting():
            trip = replace(trip, mql_at=earliest(trip.mql_at, event.mql_at), team=trip.team or event.team)
            return replace(trip, waiting_at=latest(trip.waiting_at, event.at))
        case LeadAssigned():
            return _assigned(trip, event)
        case LeadAccepted():
            return replace(trip, accepted_at=earliest(trip.accepted_at, event.at))
        case LeadContacted():
            return replace(trip, contacted_at=earliest(trip.contacted_at, event.at))
        case LeadPaused():
            return replace(trip, paused_at=latest(trip.paused_at, event.at))
        case LeadResumed():
            return replace(trip, resumed_at=latest(trip.resumed_at, event.at))
        case LeadRejected():
            version = max(trip.rejected_version or 0, event.version)
            trip = replace(trip, rejected_at=latest(trip.rejected_at, event.at), rejected_version=version)
            if event.consequence != "next_team":
                trip = replace(trip, returned_at=latest(trip.returned_at, event.at))
            return _because(trip, event.reason, event.at)
        case LeadRecycled():
            return _because(replace(trip, recycled_at=earliest(trip.recycled_at, event.at)), event.reason, event.at)
        case LeadDisqualified():
            trip = replace(trip, disqualified_at=earliest(trip.disqualified_at, event.at))
            return _because(trip, event.reason, event.at)
        case OpportunityOpened():
            trip = replace(trip, opportunity_at=earliest(trip.opportunity_at, event.at))
            return trip if trip.won_at else _worth(trip, event)
        case OpportunityWon():
            return _worth(replace(trip, won_at=earliest(trip.won_at, event.at)), event)
        case OpportunityLost():
            return _because(replace(trip, lost_at=earliest(trip.lost_at, event.at)), event.reason, event.at)
    return trip


def _assigned(trip: Trip, event: LeadAssigned) -> Trip:
    trip = replace(trip, mql_at=earliest(trip.mql_at, event.mql_at), assigned_at=earliest(trip.assigned_at, event.at))
    if trip.owner_at is not None and (trip.owner_at, trip.version) > (event.at, event.version):
        return trip
    return replace(
        trip,
        owner_at=event.at,
        assignment_id=event.assignment_id,
        version=event.version,
        team=event.team,
        rep=event.rep.id,
        rep_name=event.rep.name,
    )


def _because(trip: Trip, reason: str | None, at: datetime) -> Trip:
    if reason is None or (trip.reason_at is not None and trip.reason_at > at):
        return trip
    return replace(trip, reason=reason, reason_at=at)


def _worth(trip: Trip, event: OpportunityOpened | OpportunityWon) -> Trip:
    if event.amount is None:
        return trip
    return replace(trip, amount=event.amount, currency=event.currency)


def stage_of(trip: Trip) -> Stage:
    """Where the trip is, or how it ended. A candidate that lost its rep is an MQL again."""
    if trip.won_at:
        return "customer"
    if trip.disqualified_at:
        return "disqualified"
    if trip.recycled_at or trip.lost_at:
        return "recycled"
    if trip.opportunity_at:
        return "opportunity"
    if trip.accepted_at:
        return "sql"
    if trip.owner_at and not is_waiting(trip) and trip.rejected_version != trip.version:
        return "sql_candidate"
    return "mql" if trip.mql_at else "lead"


def is_waiting(trip: Trip) -> bool:
    """In the waiting queue: nobody was eligible since."""
    return trip.waiting_at is not None and (trip.owner_at is None or trip.waiting_at > trip.owner_at)


def standing(trips: Iterable[Trip]) -> Trip | None:
    """The trip that says where the lead stands: the newest, or the one before while nothing came of the newest yet."""
    newest = sorted(trips, key=lambda trip: trip.cycle, reverse=True)
    return next((trip for trip in newest if trip.stage != "lead"), newest[0] if newest else None)
