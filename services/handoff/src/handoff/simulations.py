"""What `POST /v1/simulations` answers: MQLs under a candidate playbook beside the active one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handoff.days import Days, Given, Mql
from handoff.eligible import TeamState
from handoff.evenness import jain
from handoff.route import turn_of
from handoff.simulation import Shared, replay
from relevo.playbook import Playbook, Rule, Team, load

BODY_LIMIT: Final = 32 * 1024 * 1024
EXAMPLES: Final = 10


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class RepRow(Part):
    rep: str
    weight: float
    assigned: int
    target: float = Field(description="What a fair share of the leads that this rep could take comes to.")


class Waits(Part):
    """`waited`: leads that nobody could take at once; the hours until somebody did."""

    waited: int
    wait_median_hours: float | None
    wait_p90_hours: float | None
    wait_max_hours: float | None


class TeamRow(Waits):
    """Deviations in leads, the worst of all moments; `turns`: plain round robin on the same leads."""

    team: str
    assigned: int
    waiting: int = Field(description="At the end.")
    worst_deviation: float
    jain: float
    turns_worst_deviation: float
    turns_jain: float
    reps: tuple[RepRow, ...]


class TurnRow(Part):
    team: str
    assigned: int
    target: float = Field(
        description="Its share of the rule's leads that it could take: as much as every other team's."
    )


class RuleRow(Part):
    """A rule whose teams take turns."""

    rule: str
    teams: tuple[TurnRow, ...]


class Placed(Part):
    """As sla-monitor's simulation takes it. `rep` None: it waits to the end."""

    lead_id: UUID
    cycle: int
    at: datetime
    mql_at: datetime
    team: str
    rep: str | None
    rule: str
    priority: int


class Side(Waits):
    """What one playbook would have made of it."""

    version: str
    mqls: int
    assigned: int
    waiting: int = Field(description="At the end.")
    no_team: int = Field(description="MQLs that no rule gives to a team.")
    worst_deviation: float = Field(description="Of any team.")
    jain: float = Field(description="Of the least even team.")
    turns_worst_deviation: float
    turns_jain: float
    failed_rules: tuple[str, ...]
    teams: tuple[TeamRow, ...]
    turns: tuple[RuleRow, ...] = Field(description="Of rules that name several teams.")
    assignments: tuple[Placed, ...] = Field(description="By the moment of assignment; those that wait last.")


class Change(Part):
    lead_id: UUID
    mql_at: datetime
    current: str | None
    candidate: str | None
    rule: str = Field(description="The candidate's.")


class Moved(Part):
    """MQLs of both sides that another rep would have got."""

    leads: int
    examples: tuple[Change, ...]


class Simulation(Part):
    since: datetime
    until: datetime
    held_median_hours: float | None = Field(
        description="How long sales has a lead, of those that ended: so long one keeps its rep's place that sales"
        " never had. None: no lead has ended yet, and such leads take no place of anybody's capacity."
    )
    current: Side
    candidate: Side
    moved: Moved


class Job(NamedTuple):
    current: tuple[Mapping[str, str], Sequence[Mql]]
    candidate: tuple[Mapping[str, str], Sequence[Mql]]
    days: Days


def simulated(job: Job) -> Simulation:
    """PURE, and some seconds of work where thousands are asked for."""
    current, candidate = (_side(load(documents), mqls, job.days) for documents, mqls in (job.current, job.candidate))
    _, median = job.days.held()
    return Simulation(
        since=job.days.since,
        until=job.days.until,
        held_median_hours=None if median is None else _hours(median),
        current=current,
        candidate=candidate,
        moved=_moved(current, candidate),
    )


def _side(playbook: Playbook, mqls: Sequence[Mql], days: Days) -> Side:
    done = replay(playbook, mqls, days)
    rows = [_team(team, done.teams[team.id], done.given) for team in playbook.routing.teams]

    def worst(of: Callable[[TeamRow], float], which: Callable[..., float] = max) -> float:
        return which((of(row) for row in rows if row.assigned), default=0.0 if which is max else 1.0)

    return Side(
        version=playbook.version,
        mqls=len(mqls),
        assigned=sum(row.assigned for row in rows),
        waiting=sum(row.waiting for row in rows),
        no_team=done.no_team,
        worst_deviation=worst(lambda row: row.worst_deviation),
        jain=worst(lambda row: row.jain, min),
        turns_worst_deviation=worst(lambda row: row.turns_worst_deviation),
        turns_jain=worst(lambda row: row.turns_jain, min),
        failed_rules=tuple(sorted(done.failed_rules)),
        teams=tuple(rows),
        turns=tuple(_turn(rule, done.in_turn[turn_of(rule.id)]) for rule in playbook.routing.rules if rule.teams),
        assignments=tuple(Placed(**each._asdict()) for each in done.given),
        **_waits(done.given),
    )


def _team(team: Team, shared: Shared, given: Iterable[Given]) -> TeamRow:
    ours = [each for each in given if each.team == team.id]
    return TeamRow(
        team=team.id,
        assigned=sum(each.rep is not None for each in ours),
        waiting=sum(each.rep is None for each in ours),
        worst_deviation=round(shared.worst, 3),
        jain=round(jain(shared.state), 5),
        turns_worst_deviation=round(shared.turns_worst, 3),
        turns_jain=round(jain(shared.turns.instead(shared.state)), 5),
        reps=tuple(
            RepRow(rep=rep.id, weight=rep.weight, assigned=state.assigned, target=round(state.target, 3))
            for rep in team.reps
            for state in (shared.state[rep.id],)
        ),
        **_waits(ours),
    )


def _turn(rule: Rule, state: TeamState) -> RuleRow:
    got = ((team, state[team]) for team in rule.teams)
    rows = (TurnRow(team=team, assigned=each.assigned, target=round(each.target, 3)) for team, each in got)
    return RuleRow(rule=rule.id, teams=tuple(rows))


def _waits(given: Iterable[Given]) -> dict[str, float | None]:
    hours = sorted(_hours(each.at - each.mql_at) for each in given if each.rep and each.at > each.mql_at)
    tenths = quantiles(hours, n=10, method="inclusive") if len(hours) > 1 else hours * 9
    middle, ninth = (round(tenths[tenth], 3) if tenths else None for tenth in (4, 8))
    return {
        "waited": len(hours),
        "wait_median_hours": middle,
        "wait_p90_hours": ninth,
        "wait_max_hours": hours[-1] if hours else None,
    }


def _hours(took: timedelta) -> float:
    return round(took.total_seconds() / 3600, 3)


def _moved(current: Side, candidate: Side) -> Moved:
    before = {(each.lead_id, each.cycle): each for each in current.assignments}
    both = ((before.get((each.lead_id, each.cycle)), each) for each in candidate.assignments)
    other = [
        Change(lead_id=then.lead_id, mql_at=then.mql_at, current=now.rep, candidate=then.rep, rule=then.rule)
        for now, then in both
        if now is not None and now.rep != then.rep
    ]
    return Moved(leads=len(other), examples=tuple(other[:EXAMPLES]))
