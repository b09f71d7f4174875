"""PURE: what a fact does to a clock. Met, ended, paused, moved on; and late knowledge, which retracts a breach."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relevo.calendar import Calendar
from relevo.events.vocabulary import ClockKind
from sla_monitor.clock import NONE, Clock, Fired, Pause, Standing, due, is_paused, spent, target

FactKind = Literal[
    "waiting", "assigned", "accepted", "rejected", "contacted", "opportunity", "won", "lost",
    "paused", "resumed", "recycled", "disqualified", "erased", "merged",
]  # fmt: skip
Verdict = Literal["unchanged", "changed", "paused", "resumed", "met", "ended"]

# The whole agreement in two tables: which acts keep a promise, and which facts make it void. Anything else leaves the
# clock running. A later stage implies the earlier ones, so whoever wins a deal has also answered and contacted.
KEPT_BY: dict[ClockKind, frozenset[FactKind]] = {
    "wait": frozenset({"assigned"}),
    "answer": frozenset({"accepted", "rejected", "contacted", "opportunity", "won", "lost"}),
    "first_contact": frozenset({"contacted", "opportunity", "won", "lost"}),
    "outcome": frozenset({"opportunity", "won", "lost", "rejected"}),
}
_OVER: frozenset[FactKind] = frozenset({"recycled", "disqualified", "erased", "merged"})
ENDED_BY: dict[ClockKind, frozenset[FactKind]] = {
    "wait": _OVER | {"rejected"},
    "answer": _OVER | {"assigned", "waiting"},
    "first_contact": _OVER | {"rejected"},
    "outcome": _OVER,
}


class Fact(Struct, frozen=True):
    """Something that happened to a lead in this cycle, as told by `assignments`, `leads` or `privacy`.

    `at` is when it happened, which may be long before it is heard of. `merged`: this lead lost a merge.
    """

    kind: FactKind
    at: datetime
    version: int | None = None  # of the assignment; None: of the lead as a whole
    rep: str | None = None  # assigned: to whom
    by_step: bool = False  # assigned, waiting: because a step took it from its rep (the event's `by`)
    manager: bool = False  # assigned: to the team's manager
    onward: bool = False  # rejected: the lead stays with sales and goes to the next team


class Ruling(Struct, frozen=True):
    """The clock after a fact, and what is to be said of it."""

    clock: Clock
    verdict: Verdict = "unchanged"
    retracted: tuple[Fired, ...] = ()  # breaches that late knowledge proves wrong
    elapsed: timedelta = NONE  # the clock's time at the fact
    due_at: datetime | None = None  # of the target after it; None while paused
    late: bool = False  # met, but after the target


def after(standing: Standing, fact: Fact) -> Standing:
    """How the lead stands after a fact."""
    moved_on = standing.tries + (fact.by_step and standing.rep is not None)
    if fact.kind == "assigned" and fact.version is not None and fact.version > standing.version:
        return replace(standing, version=fact.version, rep=fact.rep, tries=moved_on, manager=fact.manager)
    if fact.kind == "waiting":
        return replace(standing, rep=None, tries=moved_on, manager=False)
    if fact.kind in KEPT_BY["first_contact"]:
        return replace(standing, contacted=True)
    return standing


def rule(clock: Clock, cal: Calendar, fact: Fact) -> Ruling:
    """What `fact` does to `clock`, whose time `cal` counts.

    An act before the deadline wins, whenever it is heard of: it also re-opens the books of a closed clock. An act at
    the deadline's very instant is in time.
    """
    concerned = _concerned(clock, fact)
    if concerned and fact.kind in KEPT_BY[clock.kind]:
        return _met(clock, cal, fact)
    if clock.state != "running":
        return Ruling(clock)
    if concerned and fact.kind in ENDED_BY[clock.kind]:
        ended = replace(clock, state="ended", closed_at=fact.at)
        return Ruling(ended, "ended", (), spent(clock, cal, fact.at), _target_due(clock, cal, fact.at))
    if concerned and fact.kind == "paused":
        return _paused(clock, cal, fact)
    if concerned and fact.kind == "resumed":
        return _resumed(clock, cal, fact)
    standing = after(clock.standing, fact)
    return Ruling(clock) if standing == clock.standing else Ruling(replace(clock, standing=standing), "changed")


def _concerned(clock: Clock, fact: Fact) -> bool:
    """Whether a clock minds: an answer is owed by one version alone, until a newer one ends the question."""
    if fact.kind == "rejected" and fact.onward and clock.kind in ("first_contact", "outcome"):
        return False  # sales still has the lead, and the person still waits
    if clock.kind != "answer" or fact.version is None:
        return True
    return fact.version > clock.version if fact.kind == "assigned" else fact.version == clock.version


def _met(clock: Clock, cal: Calendar, fact: Fact) -> Ruling:
    if clock.closed_at is not None and fact.at >= clock.closed_at:
        return Ruling(clock)
    breach = next((fired for fired in clock.fired if fired.key == "target"), None)
    due_at = breach.due_at if breach else _target_due(clock, cal, fact.at)
    retracted = tuple(fired for fired in clock.fired if fired.breach and fact.at <= fired.due_at)
    met = replace(
        clock,
        state="met",
        closed_at=fact.at,
        standing=after(clock.standing, fact),
        fired=tuple(fired for fired in clock.fired if fired not in retracted),
    )
    return Ruling(met, "met", retracted, spent(clock, cal, fact.at), due_at, fact.at > due_at)


def _target_due(clock: Clock, cal: Calendar, at: datetime) -> datetime:
    """When the target is due, taking a pause that still runs for over at `at`."""
    if is_paused(clock):
        last = clock.pauses[-1]
        clock = replace(clock, pauses=(*clock.pauses[:-1], replace(last, end=max(at, last.start))))
    found = due(clock, cal, target(clock))
    assert found is not None  # nothing is paused any more
    return found


def _paused(clock: Clock, cal: Calendar, fact: Fact) -> Ruling:
    """Pauses begin at the latest change at the earliest: what was settled then stays."""
    if is_paused(clock):
        return Ruling(clock)
    begin = max(fact.at, clock.counted_from)
    paused = replace(clock, pauses=(*clock.pauses, Pause(begin)))
    # Heard of late: what fired since the pause began was not due yet, so it is taken back and may fire again.
    early = {fired for fired in clock.fired if fired.due_at > begin}
    paused = replace(paused, fired=tuple(fired for fired in clock.fired if fired not in early))
    retracted = tuple(fired for fired in clock.fired if fired in early and fired.breach)
    return Ruling(paused, "paused", retracted, spent(clock, cal, begin), due(paused, cal, target(paused)))


def _resumed(clock: Clock, cal: Calendar, fact: Fact) -> Ruling:
    if not is_paused(clock):
        return Ruling(clock)
    last = clock.pauses[-1]
    ended = replace(last, end=max(fact.at, last.start))
    resumed = replace(clock, pauses=(*clock.pauses[:-1], ended))
    return Ruling(resumed, "resumed", (), spent(resumed, cal, fact.at), due(resumed, cal, target(resumed)))
