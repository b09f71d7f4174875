"""What scoring says: who a lead is, how good, and when it is qualified."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from relevo.events.base import Data, Decided
from relevo.events.topics import LEADS
from relevo.events.touchpoints import Campaign, Consent
from relevo.events.vocabulary import Grade, Level, TouchpointType

AttributeValue = bool | int | float | str | tuple[str, ...]


class Contact(Data):
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    job_title: str | None = None
    language: str | None = None
    country: str | None = None
    region: str | None = None


class Company(Data):
    domain: str | None = None
    name: str | None = None
    employees: int | None = None
    industry: str | None = None
    country: str | None = None


class TouchSummary(Data):
    """One touchpoint in a snapshot: enough to tell a rep what the lead read, opened and asked."""

    touchpoint_id: UUID
    touch: TouchpointType = Field(alias="type")
    source: str
    title: str | None = None
    url: str | None = None
    text: str | None = None
    machine: bool = False
    occurred_at: AwareDatetime


class Snapshot(Data):
    """All a reader needs to know of the lead at that moment; the newest touchpoint first, at most 20."""

    contact: Contact = Contact()
    company: Company = Company()
    attributes: dict[str, AttributeValue] = Field(
        default_factory=dict, description="The playbook's own fields: `lead.NAME`, `company.NAME`."
    )
    consent: Consent | None = None
    first_source: str | None = None
    campaign: Campaign = Campaign()
    touchpoints: tuple[TouchSummary, ...] = Field(default=(), max_length=20)


class Contribution(Data):
    """One reason of a score: a persona's criterion (fit) or a signal (engagement, decayed to the moment)."""

    kind: Literal["criterion", "signal"]
    id: str
    name: str
    points: float
    persona: str | None = None
    touchpoints: int = Field(default=0, description="Of a signal: how many touchpoints count into it.")
    last_at: AwareDatetime | None = None


class Score(Data):
    """Where a lead stands: `cell` is grade and level together, such as A2."""

    persona: str | None = None
    grade: Grade
    level: Level
    fit: float
    engagement: float

    @property
    def cell(self) -> str:
        return f"{self.grade}{self.level}"


class Trigger(Data):
    """What tipped the lead over: a hand-raise by its id, or the cell it entered; and the touchpoint that did it."""

    kind: Literal["hand_raise", "cell", "playbook", "merge", "cool_down"]
    id: str
    name: str
    touchpoint_id: UUID | None = None


class PastOwner(Data):
    rep: str
    team: str
    cycle: int = Field(ge=1)


class LeadIdentified(Decided):
    """A subject now belongs to this lead. One event per subject that was tied or moved."""

    type = "lead.identified.v1"
    topic = LEADS

    subject_id: str
    subject_kind: Literal["email", "user", "anonymous"]
    from_lead_id: UUID | None = None
    touchpoint_ids: tuple[UUID, ...] = Field(
        default=(), description="Touchpoints that moved with it, or that name several leads and count here."
    )


class LeadScored(Decided):
    """Fit or level changed at a touchpoint or a new playbook. Decay alone emits nothing: see `level_until`."""

    type = "lead.scored.v1"
    topic = LEADS

    old: Score | None = None
    new: Score
    reasons: tuple[Contribution, ...] = Field(description="The weightiest, at most five.")
    level_until: AwareDatetime | None = Field(default=None, description="When the level falls if nothing happens.")


class LeadQualified(Decided):
    """**The MQL event**: the agreed criteria are met, once per cycle, with every reason."""

    type = "lead.qualified.v1"
    topic = LEADS

    score: Score
    level_until: AwareDatetime | None = None
    trigger: Trigger
    contributions: tuple[Contribution, ...]
    snapshot: Snapshot
    earlier_owners: tuple[PastOwner, ...] = ()


class Merge(Decided):
    """Common to both directions; one event under each of the two keys, each with its own id."""

    merge_id: UUID
    survivor: UUID
    loser: UUID
    snapshot: Snapshot = Field(description="The survivor's.")


class LeadMerged(Merge):
    type = "lead.merged.v1"
    topic = LEADS


class LeadUnmerged(Merge):
    type = "lead.unmerged.v1"
    topic = LEADS
