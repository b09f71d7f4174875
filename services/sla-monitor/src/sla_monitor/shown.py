"""PURE: clocks, breaches and commitments as the API shows them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from relevo.events.vocabulary import ClockKind, StepAct
from sla_monitor.agreement import Agreement
from sla_monitor.clock import spent, target
from sla_monitor.commitments import Reckoned
from sla_monitor.commitments import State as CommitmentState
from sla_monitor.watched import State, Watched, next_step, state_of


class StepShown(BaseModel):
    do: StepAct | None = Field(description="None: it only counts, as the breach where no step stands on the target.")
    breach: bool
    due_at: datetime | None


class ClockShown(BaseModel):
    """One promise. Times are UTC, `elapsed_seconds` in the hours that count."""

    clock_id: UUID
    kind: ClockKind
    policy: str
    calendar: str
    lead_id: UUID
    cycle: int
    assignment_id: UUID | None
    version: int | None = Field(description="Of the assignment; none while nobody has had the lead.")
    rep: str | None
    team: str
    state: State = Field(description="A breached clock goes on running, until it is met or ends.")
    started_at: datetime
    due_at: datetime | None = Field(description="Of the target; none while it is paused.")
    next_step: StepShown | None
    target_seconds: float
    elapsed_seconds: float | None
    closed_at: datetime | None
    late: bool | None = Field(description="Met, but after the target.")
    problem: str | None = Field(description="Why its times can't be reckoned.")


class ClockList(BaseModel):
    items: list[ClockShown]
    next: int | None = Field(description="`cursor` of the next page.")


class BreachShown(BaseModel):
    """One sla.breached. `corrected_at`: it was taken back, since an act from before it came to be known."""

    event_id: UUID
    clock_id: UUID
    kind: ClockKind
    policy: str
    lead_id: UUID
    cycle: int
    assignment_id: UUID | None
    version: int | None
    rep: str | None = Field(description="The owner of that time.")
    team: str | None
    step: int
    do: StepAct | None = Field(validation_alias="act")
    target: bool = Field(description="Whether the target passed here; else it is a step after that.")
    due_at: datetime
    fired_at: datetime
    lateness_seconds: float
    late_because: str | None
    elapsed_seconds: float
    corrected_at: datetime | None
    acted_at: datetime | None


class BreachList(BaseModel):
    items: list[BreachShown]
    next: int | None = Field(description="`cursor` of the next page.")


class CommitmentShown(BaseModel):
    """One side's promise over a period. `target`, `actual`, `pace` and `projection` are in one unit: a number of MQLs,
    or a rate."""

    commitment: str
    name: str
    side: Literal["marketing", "sales"]
    team: str | None = Field(description="Only this team's leads; all where none is named.")
    measure: str
    period: Literal["week", "month", "quarter"]
    period_from: datetime
    period_to: datetime
    gone: float = Field(description="The share of the period's opening hours that has passed, 0…1.")
    counted: int = Field(description="What was decided in the period: MQLs, reviews, or promises kept or broken.")
    kept: int = Field(description="Of those: complete, accepted, in time.")
    target: float
    actual: float
    pace: float = Field(description="Where it should be by now.")
    projection: float = Field(description="Where it ends if things go on like this.")
    state: CommitmentState
    since: datetime | None = Field(description="Since when it was said to be in this state.")


class CommitmentList(BaseModel):
    items: list[CommitmentShown]


def commitment_shown(each: Reckoned, since: datetime | None) -> CommitmentShown:
    commitment, progress = each.commitment, each.progress
    return CommitmentShown(
        commitment=commitment.id, name=commitment.name, side=commitment.side, team=commitment.team,
        measure=commitment.measure, period=commitment.period, period_from=each.period.start,
        period_to=each.period.end, gone=each.gone, counted=each.counted.total, kept=each.counted.kept,
        target=commitment.target, actual=progress.actual, pace=progress.pace, projection=progress.projection,
        state=progress.state, since=since,
    )  # fmt: skip


def clock_shown(watched: Watched, agreement: Agreement, now: datetime) -> ClockShown:
    clock = watched.clock
    cal = agreement.calendar(watched.playbook, watched.calendar)
    coming = next_step(watched, cal)
    until = clock.closed_at or now
    state = state_of(clock)
    return ClockShown(
        clock_id=clock.id,
        kind=clock.kind,
        policy=clock.promise.policy,
        calendar=watched.calendar,
        lead_id=watched.lead_id,
        cycle=watched.cycle,
        assignment_id=watched.assignment_id,
        version=clock.standing.version or None,
        rep=clock.standing.rep,
        team=watched.team,
        state=state,
        started_at=clock.started_at,
        due_at=None if state == "paused" else watched.due_at,
        next_step=StepShown(do=coming.do, breach=coming.breach, due_at=coming.due_at) if coming else None,
        target_seconds=target(clock).total_seconds(),
        elapsed_seconds=spent(clock, cal, until).total_seconds() if cal is not None else None,
        closed_at=clock.closed_at,
        late=watched.late,
        problem=watched.problem,
    )
