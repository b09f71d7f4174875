"""PURE: what a playbook's promises would have come to, had these been the assignments.

A rep's act is taken for what it was where lead and rep agree with what really happened: then the promise is kept,
broken, or still open. Where somebody else had the lead, or no clock of that kind ran, nobody can know: unknown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from relevo.calendar import NeverOpens
from relevo.events.vocabulary import ClockKind
from sla_monitor.agreement import Agreement, Owner
from sla_monitor.clock import Clock, Pause, Standing, begin, steps
from sla_monitor.watched import Watched, verdict

Outcome = Literal["kept", "broken", "open", "unknown", "never_due"]


@dataclass(frozen=True)
class Assumed:
    """A lead given to a rep, or, without one, waiting in the team's queue; `about`: what conditions may ask of it."""

    lead_id: UUID
    cycle: int
    at: datetime
    mql_at: datetime
    owner: Owner
    about: Mapping[str, object]


class Result(NamedTuple):
    """One promise under the candidate. `warnings`: steps before the target that would have come."""

    assumed: Assumed
    kind: ClockKind
    policy: str
    due_at: datetime | None  # None: never, its calendar does not open
    outcome: Outcome
    warnings: int


class Act(NamedTuple):
    """What is known of the act that keeps a promise: when it came, or until when it had not. Both None: nothing."""

    at: datetime | None = None
    not_before: datetime | None = None
    pauses: tuple[Pause, ...] = ()


def simulate(
    agreement: Agreement, assumed: Iterable[Assumed], real: Mapping[tuple[UUID, int], Sequence[Watched]], now: datetime
) -> Iterator[Result]:
    """`real`: the clocks that ran, by lead and cycle."""
    for each in assumed:
        about = agreement.about(each.about)
        first: ClockKind = "wait" if each.owner.rep is None else "answer"
        for kind in (first, *_OF_A_CYCLE):
            terms = agreement.terms(kind, about, each.owner)
            if terms is None:
                continue
            act = _act(kind, each, real.get((each.lead_id, each.cycle), ()), now)
            since = each.at if kind == first else each.mql_at
            clock = begin(each.lead_id, each.cycle, kind, terms.promise, since, Standing(1, each.owner.rep), act.pauses)
            yield _result(each, clock, agreement, terms.calendar, act, now)


_OF_A_CYCLE: tuple[ClockKind, ...] = ("first_contact", "outcome")


def _result(each: Assumed, clock: Clock, agreement: Agreement, calendar: str, act: Act, now: datetime) -> Result:
    cal = agreement.calendar(agreement.stamp.version, calendar)
    try:
        ladder = steps(clock, cal) if cal is not None else ()
    except NeverOpens:
        ladder = ()
    due_at = next((step.due_at for step in ladder if step.key == "target"), None)
    if due_at is None:
        return Result(each, clock.kind, clock.promise.policy, None, "never_due", 0)
    outcome = _outcome(due_at, act, now)
    until = act.at or act.not_before or clock.started_at  # unknown: nothing is known to have been warned of
    warned = sum(not step.breach and step.due_at is not None and step.due_at < until for step in ladder)
    return Result(each, clock.kind, clock.promise.policy, due_at, outcome, warned)


def _outcome(due_at: datetime, act: Act, now: datetime) -> Outcome:
    if act.at is not None:
        return "kept" if act.at <= due_at else "broken"
    if act.not_before is None:
        return "unknown"
    if due_at < act.not_before:
        return "broken"
    return "open" if act.not_before >= now else "unknown"


def recorded(clocks: Iterable[Watched]) -> Iterator[Result]:
    """What really came of these promises, in the same words."""
    for watched in clocks:
        clock, seen = watched.clock, verdict(watched)
        owner = Owner(watched.team, clock.standing.rep)
        assumed = Assumed(watched.lead_id, watched.cycle, clock.started_at, clock.started_at, owner, {})
        outcome: Outcome = "open" if clock.state == "running" else "unknown"
        if seen is not None:
            outcome = "kept" if seen[1] else "broken"
        warned = sum(not fired.breach for fired in clock.fired)
        yield Result(assumed, clock.kind, clock.promise.policy, watched.due_at, outcome, warned)


def _act(kind: ClockKind, each: Assumed, clocks: Sequence[Watched], now: datetime) -> Act:
    """What the one really did to whom the candidate gives the lead."""
    for watched in clocks:
        clock = watched.clock
        agrees = watched.team == each.owner.team if kind == "wait" else clock.standing.rep == each.owner.rep
        if clock.kind != kind or not agrees:
            continue
        pauses = tuple(replace(pause, end=pause.end or max(now, pause.start)) for pause in clock.pauses)
        if clock.state == "met":
            return Act(clock.closed_at, None, pauses)
        return Act(None, clock.closed_at or now, pauses)
    return Act()


class Tally(NamedTuple):
    """Promises of one kind, by how they would have ended."""

    kind: ClockKind
    policy: str
    team: str
    rep: str | None
    outcomes: Counter[Outcome]
    warnings: int


def tally(results: Iterable[Result]) -> list[Tally]:
    """By policy, team and rep, in the order in which they first come."""
    outcomes: dict[tuple[ClockKind, str, str, str | None], Counter[Outcome]] = {}
    warnings: Counter[tuple[ClockKind, str, str, str | None]] = Counter()
    for result in results:
        owner = result.assumed.owner
        key = (result.kind, result.policy, owner.team, owner.rep)
        outcomes.setdefault(key, Counter())[result.outcome] += 1
        warnings[key] += result.warnings
    return [Tally(*key, counted, warnings[key]) for key, counted in outcomes.items()]
