"""What `POST /v1/simulations` takes and answers: a candidate playbook over assignments, beside what really happened."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from relevo.events import PlaybookStamp
from relevo.events.vocabulary import ClockKind
from relevo.playbook import Playbook
from relevo.service import Problem, Text
from relevo.service.candidates import sound
from sla_monitor.agreement import Agreement, Owner
from sla_monitor.simulation import Assumed, Outcome, Result, Tally, recorded, simulate, tally
from sla_monitor.trip import Trip

MOST = 5_000  # assignments in one call
BODY_LIMIT = 8 * 1024 * 1024

Key = tuple[UUID, int]


class Assignment(BaseModel):
    """A would-be assignment, as handoff's simulation gives it."""

    model_config = ConfigDict(extra="forbid")

    lead_id: UUID
    cycle: int = Field(default=1, ge=1, lt=2**31)
    at: AwareDatetime = Field(description="When it was assigned, or began to wait.")
    mql_at: AwareDatetime | None = Field(default=None, description="When it qualified; left out: `at`.")
    team: Text = Field(max_length=64)
    rep: Text | None = Field(default=None, max_length=64, description="None: nobody was eligible, it waits.")
    mql: dict[Text, JsonValue] | None = Field(
        default=None,
        max_length=200,
        description="What conditions may ask of it, by variable (`mql.cell`). Left out: what was known of this lead.",
    )


class Simulation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: dict[Text, Text] | None = Field(
        default=None, min_length=1, max_length=20, description="File name → YAML text; left out: the active playbook."
    )
    assignments: list[Assignment] = Field(max_length=MOST)
    details: bool = Field(default=False, description="Also each promise.")


class TallyShown(BaseModel):
    """Promises of one policy to one rep's (or queue's) leads. Open: not due yet. Unknown: somebody else had the lead,
    or no clock of that kind ran. Never due: its calendar does not open."""

    clock: ClockKind
    policy: str
    team: str
    rep: str | None
    promises: int
    kept: int
    broken: int
    open: int
    unknown: int
    never_due: int
    warnings: int = Field(description="Steps before the target that came.")


class PromiseShown(BaseModel):
    lead_id: UUID
    cycle: int
    clock: ClockKind
    policy: str
    team: str
    rep: str | None
    due_at: datetime | None
    outcome: Outcome


class Simulated(BaseModel):
    version: str = Field(description="Of the candidate.")
    candidate: list[TallyShown]
    recorded: list[TallyShown] = Field(description="What really came of the promises made to these leads.")
    failed_rules: list[str] = Field(description="Conditions that could not be answered, each once: file:line: why.")
    promises: list[PromiseShown] | None


def simulated(asked: Simulation, active: Playbook, known: Mapping[Key, Trip], now: datetime) -> Simulated:
    """PURE, and some seconds of work where thousands are asked for. Raises Problem 422."""
    book = active if asked.documents is None else sound(asked.documents)
    agreement = Agreement(PlaybookStamp(revision=1, version=book.version), book)
    real = {key: trip.clocks for key, trip in known.items()}
    assumed = [_assumed(each, known.get((each.lead_id, each.cycle))) for each in asked.assignments]
    try:
        results = list(simulate(agreement, assumed, real, now))
    except ValueError as error:  # a year the calendars do not know
        raise Problem(422, "No deadline", detail=str(error), field="assignments") from None
    happened = recorded(watched for clocks in real.values() for watched in clocks)
    return Simulated(
        version=book.version,
        candidate=[_tally_shown(each) for each in tally(results)],
        recorded=[_tally_shown(each) for each in tally(happened)],
        failed_rules=sorted({str(failure) for failure in agreement.failed}),
        promises=[_promise_shown(each) for each in results] if asked.details else None,
    )


def _assumed(each: Assignment, trip: Trip | None) -> Assumed:
    about: Mapping[str, object] = each.mql if each.mql is not None else trip.about if trip is not None else {}
    return Assumed(each.lead_id, each.cycle, each.at, each.mql_at or each.at, Owner(each.team, each.rep), about)


def _tally_shown(each: Tally) -> TallyShown:
    names: tuple[Outcome, ...] = ("kept", "broken", "open", "unknown", "never_due")
    return TallyShown(
        clock=each.kind, policy=each.policy, team=each.team, rep=each.rep, promises=each.outcomes.total(),
        **{name: each.outcomes[name] for name in names}, warnings=each.warnings,
    )  # fmt: skip


def _promise_shown(each: Result) -> PromiseShown:
    owner = each.assumed.owner
    return PromiseShown(
        lead_id=each.assumed.lead_id, cycle=each.assumed.cycle, clock=each.kind, policy=each.policy, team=owner.team,
        rep=owner.rep, due_at=each.due_at, outcome=each.outcome,
    )  # fmt: skip
