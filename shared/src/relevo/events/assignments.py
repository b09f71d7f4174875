"""What handoff says: who got the lead, what the rep answered, what was delivered."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from relevo.events.base import Data, Decided, Event, LeadEvent
from relevo.events.leads import Score, Snapshot
from relevo.events.topics import ASSIGNMENTS
from relevo.events.vocabulary import Consequence, RejectReason


class Rep(Data):
    """The rep with all that sla-monitor needs to count the rep's hours."""

    id: str
    name: str
    calendar: str
    zone: str


class FailedTest(Data):
    """Why one rep could not take the lead, in short."""

    rep: str
    test: Literal["language", "territory", "skill", "hours", "away", "capacity", "window", "earlier_owner", "excluded"]
    because: str


class LeadWaiting(Decided):
    """Nobody is eligible; the lead waits its turn (by priority, then age)."""

    type = "lead.waiting.v1"
    topic = ASSIGNMENTS

    team: str
    rule: str
    priority: int
    position: int = Field(ge=1)
    failed: tuple[FailedTest, ...]
    mql_at: AwareDatetime
    score: Score
    trigger: str
    snapshot: Snapshot


AssignedBecause = Literal[
    "qualified", "relationship", "drained", "reassign", "rejected", "fallback", "hand_over", "merge"
]


class LeadAssigned(Decided):
    """**The SQL candidate**: one rep owns the lead now. Each change of owner is the assignment's next `version`."""

    type = "lead.assigned.v1"
    topic = ASSIGNMENTS

    assignment_id: UUID
    version: int = Field(ge=1)
    team: str
    rep: Rep
    rule: str
    decision_id: UUID
    priority: int
    mql_at: AwareDatetime
    because: AssignedBecause
    previous_rep: str | None = None
    manager: bool = Field(default=False, description="Assigned to the team's manager: warns, never reassigns.")
    score: Score
    trigger: str
    snapshot: Snapshot


class OfAssignment(Decided):
    """An event of one version of one assignment."""

    assignment_id: UUID
    version: int = Field(ge=1)
    rep: str


Channel = Literal["api", "link", "slack", "hubspot", "crm", "console", "step", "implied"]


class LeadAccepted(OfAssignment):
    """SQL: reviewed and accepted by sales."""

    type = "lead.accepted.v1"
    topic = ASSIGNMENTS
    channel: Channel


class LeadRejected(OfAssignment):
    type = "lead.rejected.v1"
    topic = ASSIGNMENTS
    channel: Channel
    reason: RejectReason
    note: str | None = None
    consequence: Consequence
    until: AwareDatetime | None = None


class LeadContacted(OfAssignment):
    type = "lead.contacted.v1"
    topic = ASSIGNMENTS
    channel: Channel


class LeadPaused(OfAssignment):
    """The promise stands still: from `at` until `lead.resumed`."""

    type = "lead.paused.v1"
    topic = ASSIGNMENTS
    reason: str


class LeadResumed(OfAssignment):
    type = "lead.resumed.v1"
    topic = ASSIGNMENTS
    reason: str


class LeadRecycled(Decided):
    """Back to nurture; opens the next cycle. Not qualified again before `until`, unless by a hand-raise."""

    type = "lead.recycled.v1"
    topic = ASSIGNMENTS
    from_stage: str = Field(description="The stage it left.")
    assignment_id: UUID | None = None
    reason: str
    until: AwareDatetime | None = None


class LeadDisqualified(Decided):
    """Out of the funnel; with `until` None, until the fields named by the reason change."""

    type = "lead.disqualified.v1"
    topic = ASSIGNMENTS
    from_stage: str
    assignment_id: UUID | None = None
    reason: str
    until: AwareDatetime | None = None


class Opportunity(OfAssignment):
    opportunity_id: str
    amount: Decimal | None = Field(default=None, description="A decimal string in JSON.")
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    reason: str | None = None


class OpportunityOpened(Opportunity):
    type = "opportunity.opened.v1"
    topic = ASSIGNMENTS


class OpportunityWon(Opportunity):
    type = "opportunity.won.v1"
    topic = ASSIGNMENTS


class OpportunityLost(Opportunity):
    type = "opportunity.lost.v1"
    topic = ASSIGNMENTS


class Delivery(LeadEvent):
    delivery_id: UUID
    webhook_id: str
    endpoint: str
    tries: int = Field(ge=0)
    first_try_at: AwareDatetime | None = None
    assignment_id: UUID | None = None


class DeliveryMade(Delivery):
    """The target answered 2xx."""

    type = "delivery.made.v1"
    topic = ASSIGNMENTS
    status: int


class DeliveryFailed(Delivery):
    """Given up after the last try, or the target is gone."""

    type = "delivery.failed.v1"
    topic = ASSIGNMENTS
    status: int | None = None
    reason: str


class RepAvailability(Event):
    """A rep's day changed: away, there again, or there with another `capacity` until then."""

    type = "rep.availability.v1"
    topic = ASSIGNMENTS
    rep: str
    state: Literal["available", "away"]
    from_: AwareDatetime = Field(alias="from")
    until: AwareDatetime | None = None
    source: Literal["api", "cli", "console", "calendar"]
    capacity: int | None = Field(default=None, ge=0, description="Open leads at most, instead of the playbook's.")

    def key(self) -> str:
        return self.rep
