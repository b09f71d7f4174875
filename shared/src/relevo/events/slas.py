"""What sla-monitor says: promises that started, were warned of, broken, kept, or wrongly called broken."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from relevo.events.base import Decided, Event, PlaybookStamp
from relevo.events.topics import SLAS
from relevo.events.vocabulary import ClockKind, StepAct


class Clock(Decided):
    """Common to a clock's events. Durations are seconds of business time, unless they say otherwise."""

    clock_id: UUID
    kind: ClockKind
    policy: str
    assignment_id: UUID | None = None
    version: int | None = Field(default=None, ge=1)
    rep: str | None = None
    team: str | None = None
    due_at: AwareDatetime = Field(description="Of the target; of the step, in warned and breached.")


class SlaStarted(Clock):
    type = "sla.started.v1"
    topic = SLAS
    started_at: AwareDatetime
    target_seconds: float


class Step(Clock):
    step: int = Field(ge=0, description="Index in the policy's ladder.")
    do: StepAct | None = Field(default=None, description="What handoff is to do; None: it only counts.")
    fired_at: AwareDatetime
    lateness_seconds: float = Field(ge=0, description="Wall-clock seconds between due and fired.")
    late_because: str | None = None
    elapsed_seconds: float


class SlaWarned(Step):
    """A step before the target is due."""

    type = "sla.warned.v1"
    topic = SLAS


class SlaBreached(Step):
    """The target has passed without the promised act (or a step after it is due)."""

    type = "sla.breached.v1"
    topic = SLAS


class SlaMet(Clock):
    """The promised act came; `late` when after the target, since measuring goes on after a breach."""

    type = "sla.met.v1"
    topic = SLAS
    met_at: AwareDatetime
    elapsed_seconds: float
    late: bool


class SlaCorrected(Clock):
    """Late knowledge: an act from before the deadline came to be known after it. Retracts that event."""

    type = "sla.corrected.v1"
    topic = SLAS
    retracts: UUID
    acted_at: AwareDatetime


class SlaCommitment(Event):
    """One side's promise over a period, against its pace."""

    type = "sla.commitment.v1"
    topic = SLAS

    commitment: str
    side: Literal["marketing", "sales"]
    team: str | None = None
    measure: str
    period_from: AwareDatetime
    period_to: AwareDatetime
    target: float
    actual: float
    pace: float
    projection: float
    state: Literal["on_track", "at_risk", "missed", "met"]
    playbook: PlaybookStamp

    def key(self) -> str:
        return self.commitment
