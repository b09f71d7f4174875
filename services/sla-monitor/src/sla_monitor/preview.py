"""What a policy comes to from a given moment on: each step's deadline, and every interval that was counted."""

from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from relevo.calendar import Calendar, count
from relevo.events.vocabulary import ClockKind
from relevo.playbook import Playbook, Policy
from relevo.service import Problem, Text
from sla_monitor.agreement import Agreement, Owner, Terms, promise_of
from sla_monitor.clock import Pause, Standing, begin, steps, target
from sla_monitor.shown import StepShown
from sla_monitor.words import in_words

_NOBODY = UUID(int=0)


class Asked(BaseModel):
    """A policy of the active playbook, and the moment its clock starts."""

    model_config = ConfigDict(extra="forbid")

    policy: Text = Field(max_length=64)
    start: AwareDatetime
    team: Text | None = Field(default=None, max_length=64, description="Whose hours, where the policy says `team`.")
    rep: Text | None = Field(default=None, max_length=64, description="Whose hours, where the policy says `rep`.")
    version: int = Field(default=1, ge=1, le=1000, description="Of the assignment: a reassigned lead has less time.")
    pauses: list[tuple[AwareDatetime, AwareDatetime]] = Field(
        default=[], max_length=100, description="Pairs of from and to, half-open."
    )

    @field_validator("pauses")
    @classmethod
    def _in_order(cls, pauses: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
        if any(end < start for start, end in pauses):
            raise ValueError("a pause ends before it starts; give from and to")
        return sorted(pauses)


class Counted(BaseModel):
    """An open interval, half-open, and the clock's time at its end."""

    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    seconds: float
    elapsed_seconds: float


class PreviewStep(StepShown):
    after_seconds: float = Field(description="Since the start, in the hours that count.")


class Preview(BaseModel):
    policy: str
    kind: ClockKind
    calendar: str
    zone: str
    start: datetime
    target_seconds: float
    due_at: datetime
    steps: list[PreviewStep]
    intervals: list[Counted] = Field(description="What was counted, from the start to the last step.")
    words: list[str] = Field(description="The same for a reader: each interval, pause and step, in their order.")


def preview(agreement: Agreement, asked: Asked) -> Preview:
    """Raises Problem 422 that names the field, and what to send instead."""
    policy = _policy(agreement.playbook, asked)
    hours = agreement.hours(policy, _owner(agreement.playbook, policy, asked))
    cal = agreement.calendar(agreement.stamp.version, hours)
    assert cal is not None  # a loaded playbook's names were checked, and team and rep were just now
    terms = Terms(promise_of(policy, agreement.playbook.sla.max_reassign), hours)
    try:
        return _reckoned(policy, terms, cal, asked)
    except ValueError as error:  # NeverOpens; a year the calendars do not know
        raise Problem(422, "No deadline", detail=str(error), field="start") from None


def _reckoned(policy: Policy, terms: Terms, cal: Calendar, asked: Asked) -> Preview:
    pauses = tuple(Pause(start, end) for start, end in asked.pauses)
    standing = Standing(asked.version, asked.rep)
    clock = begin(_NOBODY, 1, policy.clock, terms.promise, asked.start, standing, pauses)
    found = [(step, step.due_at) for step in steps(clock, cal) if step.due_at is not None]
    counted = count(cal, asked.start, found[-1][1], asked.pauses)
    elapsed = accumulate((each.end - each.start for each in counted), initial=timedelta(0))
    next(elapsed)
    return Preview(
        policy=policy.id,
        kind=policy.clock,
        calendar=terms.calendar,
        zone=cal.zone,
        start=asked.start,
        target_seconds=target(clock).total_seconds(),
        due_at=next(due_at for step, due_at in found if step.key == "target"),
        steps=[
            PreviewStep(do=step.do, breach=step.breach, due_at=due_at, after_seconds=step.after.total_seconds())
            for step, due_at in found
        ],
        intervals=[
            Counted(
                start=each.start, end=each.end, seconds=(each.end - each.start).total_seconds(),
                elapsed_seconds=upto.total_seconds(),
            )
            for each, upto in zip(counted, elapsed, strict=True)
        ],
        words=in_words(cal, asked.start, counted, asked.pauses, (step for step, _ in found)),
    )  # fmt: skip


def _policy(book: Playbook, asked: Asked) -> Policy:
    found = next((policy for policy in book.sla.policies if policy.id == asked.policy), None)
    if found is None:
        known = ", ".join(policy.id for policy in book.sla.policies)
        raise Problem(422, "No such policy", detail=f"The active playbook has {known}.", field="policy")
    return found


def _owner(book: Playbook, policy: Policy, asked: Asked) -> Owner:
    """Whose hours; only asked for where the policy asks for them."""
    if policy.calendar not in ("team", "rep"):
        return Owner("")
    routing = book.routing
    if policy.calendar == "rep" and asked.rep is not None:
        team = routing.team(asked.team) if asked.team is not None else routing.team_of(asked.rep)
        if routing.rep(asked.rep) is None or team is None:
            raise Problem(422, "No such rep", detail="Send a rep of routing.yaml, by id.", field="rep")
        return Owner(team.id, asked.rep)
    team = routing.team(asked.team) if asked.team is not None else None
    if team is None:
        known = ", ".join(each.id for each in routing.teams)
        raise Problem(
            422, "Whose hours?", detail=f"Send `team`, one of {known}, or for a rep's hours `rep`.", field="team"
        )
    return Owner(team.id)
