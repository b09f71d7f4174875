"""PURE: one running promise. When each step of its ladder is due, what fires now, what a new playbook changes.

A clock's time is the open time of its calendar, without pauses. `counted` has elapsed up to `counted_from` and is
settled; from there on the calendar counts. So a change of policy or calendar keeps what has elapsed, exactly, and the
calendar that was replaced is never asked again.

What the world does to a clock (answers, pauses, late knowledge) is decided in `ruling.py`. Both raise
`relevo.calendar.NeverOpens` where the calendar stays shut for ten years.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from relevo.calendar import Calendar, deadline, elapsed
from relevo.events.vocabulary import ClockKind, StepAct

NONE = timedelta(0)
_CLOCKS = UUID("5f0c7a52-6d0e-4b6e-9a53-0f6b2f6a4c11")  # namespace of clock ids


class Rung(Struct, frozen=True):
    """A step of a policy's ladder: so long after the start, in the clock's time, do this."""

    at: timedelta
    do: StepAct


class Promise(Struct, frozen=True):
    """A policy, resolved to plain times. `again` is the target of an `answer` clock after a reassignment."""

    policy: str
    target: timedelta
    ladder: tuple[Rung, ...] = ()
    again: timedelta | None = None  # None: half the target
    max_reassign: int = 2


class Standing(Struct, frozen=True):
    """How the lead stands in this cycle: who has it, how often a step moved it on, whether anyone spoke to it."""

    version: int = 0  # of the assignment; 0: nobody has had it yet
    rep: str | None = None  # None: it waits
    tries: int = 0  # how often a step took it from a rep
    manager: bool = False  # with the team's manager, who keeps it
    contacted: bool = False


class Pause(Struct, frozen=True):
    """Half-open; `end` None: still paused."""

    start: datetime
    end: datetime | None = None


class Fired(Struct, frozen=True):
    """A step that was fired. `event_id` is the id of the event that said so, and what a correction retracts."""

    event_id: UUID
    key: str
    step: int
    do: StepAct | None
    breach: bool
    due_at: datetime
    fired_at: datetime
    elapsed: timedelta
    version: int
    rep: str | None


class Clock(Struct, frozen=True):
    """One running promise; `begin` makes it. Everything a row needs to keep."""

    id: UUID
    kind: ClockKind
    promise: Promise
    started_at: datetime
    version: int  # the assignment it began under; an `answer` clock speaks of that one alone
    standing: Standing
    counted: timedelta
    counted_from: datetime
    pauses: tuple[Pause, ...] = ()  # in the order heard of; only the last may be open
    fired: tuple[Fired, ...] = ()
    state: Literal["running", "met", "ended"] = "running"
    closed_at: datetime | None = None


class Step(Struct, frozen=True):
    """A step and when it is due. `key` names it across changes of policy: the n-th warning of a kind comes once."""

    index: int  # in the policy's ladder; the target comes after the ladder where no rung stands on it
    key: str
    after: timedelta  # since the start, in the clock's time
    do: StepAct | None  # None: it only counts
    breach: bool  # at the target or later
    due_at: datetime | None = None  # None: paused before it was due


def clock_id(lead_id: UUID, cycle: int, kind: ClockKind, version: int) -> UUID:
    """The same promise has the same id, however often it is heard of. Per-cycle clocks outlive their version."""
    spell = version if kind in ("wait", "answer") else 0
    return uuid5(_CLOCKS, f"{lead_id}/{cycle}/{kind}/{spell}")


def begin(
    lead_id: UUID,
    cycle: int,
    kind: ClockKind,
    promise: Promise,
    started_at: datetime,
    standing: Standing | None = None,
    pauses: tuple[Pause, ...] = (),
) -> Clock:
    """`started_at`: of `lead.waiting` or `lead.assigned`; for first_contact and outcome the lead's `mql_at`."""
    standing = standing or Standing()
    identity = clock_id(lead_id, cycle, kind, standing.version)
    return Clock(identity, kind, promise, started_at, standing.version, standing, NONE, started_at, pauses)


def is_paused(clock: Clock) -> bool:
    return bool(clock.pauses) and clock.pauses[-1].end is None


def target(clock: Clock) -> timedelta:
    """What this clock promises: a reassigned lead is to be answered faster."""
    promise = clock.promise
    if clock.kind != "answer" or clock.version <= 1:
        return promise.target
    return promise.target / 2 if promise.again is None else promise.again


Steps = tuple[Step, ...]


def steps(clock: Clock, cal: Calendar) -> Steps:
    """Every step in order, the target among them, fired or not."""
    planned = _planned(clock.promise, target(clock))
    return tuple(replace(step, do=_act(clock, step.do), due_at=due(clock, cal, step.after)) for step in planned)


@lru_cache(maxsize=1_000)  # as many promises as a few playbooks make; each is kept to thousands of leads
def _planned(promise: Promise, goal: timedelta) -> Steps:
    """Every step as far as the promise alone says: not when it is due, nor what this clock makes of its act."""
    found: list[Step] = []
    seen: dict[str, int] = {}
    for index, rung in enumerate(promise.ladder):
        # With the target the whole ladder shrinks, times and shares alike: its order is what the playbook checked.
        after = rung.at if goal == promise.target else _scaled(rung.at, goal, promise.target)
        seen[rung.do] = seen.get(rung.do, 0) + 1
        key = "target" if after == goal else f"{rung.do}.{seen[rung.do]}"
        found.append(Step(index, key, after, rung.do, after >= goal))
    if all(step.key != "target" for step in found):
        found.append(Step(len(found), "target", goal, None, True))
    return tuple(sorted(found, key=lambda step: step.after))


def _scaled(time: timedelta, goal: timedelta, full: timedelta) -> timedelta:
    tiny = timedelta(microseconds=1)
    return timedelta(microseconds=(time // tiny) * (goal // tiny) // (full // tiny))


def _act(clock: Clock, do: StepAct | None) -> StepAct | None:
    """What a step really asks for: no endless loop, no reassigning after contact, and a manager keeps the lead."""
    if do not in ("reassign", "fallback"):
        return do
    if clock.standing.contacted or clock.standing.manager:
        return "warn_manager"
    return "fallback" if clock.standing.tries >= clock.promise.max_reassign else do


def due(clock: Clock, cal: Calendar, after: timedelta) -> datetime | None:
    """When `after` will have elapsed; None if the clock is paused before that."""
    if not clock.pauses:
        counted = after <= clock.counted  # a change of policy made it due: at the change, never before
        return clock.counted_from if counted else deadline(cal, clock.counted_from, after - clock.counted)
    closed = [(pause.start, pause.end) for pause in clock.pauses if pause.end is not None]
    still_since = clock.pauses[-1].start if is_paused(clock) else None
    if after > clock.counted:
        at = deadline(cal, clock.counted_from, after - clock.counted, closed)
        return None if still_since is not None and still_since < at else at
    at = clock.counted_from
    for start, end in closed:
        at = end if start <= at < end else at
    return None if still_since is not None and still_since <= at else at


def spent(clock: Clock, cal: Calendar, at: datetime) -> timedelta:
    """The clock's time from its start until `at`. Before the latest change: at most what had been counted by then."""
    gaps = [(pause.start, pause.end or max(at, pause.start)) for pause in clock.pauses]
    if at >= clock.counted_from:
        return clock.counted + elapsed(cal, clock.counted_from, at, gaps)
    return min(clock.counted, elapsed(cal, clock.started_at, at, gaps))


def pending(clock: Clock, cal: Calendar, known: Steps | None = None) -> Steps:
    """Steps still to come; `known` are its steps, where they were worked out before: firing moves none."""
    if clock.state != "running":
        return ()
    done = {fired.key for fired in clock.fired}
    return tuple(step for step in (known or steps(clock, cal)) if step.key not in done)


def next_due(clock: Clock, cal: Calendar) -> datetime | None:
    """When to look at this clock again; None: only when something happens to it."""
    return min((step.due_at for step in pending(clock, cal) if step.due_at is not None), default=None)


def fire(
    clock: Clock, cal: Calendar, now: datetime, until: datetime | None = None, known: Steps | None = None
) -> tuple[Clock, tuple[Fired, ...]]:
    """Fire what is due at `now`, in order: never early, each step once. The caller has heard all that came before.

    `until`, which is not after `now`: only what is due by then, so that a batch of clocks fires in due order. `known`:
    as `pending` has it.
    """
    by = now if until is None else until
    fired = tuple(
        Fired(
            uuid5(clock.id, f"{step.key} due {step.due_at.isoformat()} fired {now.isoformat()}"),
            step.key,
            step.index,
            step.do,
            step.breach,
            step.due_at,
            now,
            spent(clock, cal, now),
            clock.standing.version,
            clock.standing.rep,
        )
        for step in pending(clock, cal, known)
        if step.due_at is not None and step.due_at <= by
    )
    return (replace(clock, fired=clock.fired + fired), fired) if fired else (clock, ())


def change(clock: Clock, before: Calendar, promise: Promise | None, cal: Calendar, at: datetime) -> Clock:
    """The clock under another policy or calendar from `at` on (a revision, another rep's hours); elapsed time is kept.

    Pauses and what was fired stay. A step that the new promise sets in the past is due at the change. With no promise
    left for this lead the clock ends.
    """
    if clock.state != "running" or (promise == clock.promise and before == cal):
        return clock
    if promise is None:
        return replace(clock, state="ended", closed_at=at)
    at = max(at, clock.counted_from)
    return replace(clock, promise=promise, counted=spent(clock, before, at), counted_from=at)


def earlier(clock: Clock, cal: Calendar, start: datetime) -> Clock:
    """The survivor's clock of a merge: it has run since the earlier of both starts."""
    if start >= clock.started_at or clock.state != "running":
        return clock
    if clock.counted_from == clock.started_at and not clock.counted:
        return replace(clock, started_at=start, counted_from=start)
    gaps = [(pause.start, pause.end or clock.started_at) for pause in clock.pauses if pause.start < clock.started_at]
    return replace(clock, started_at=start, counted=clock.counted + elapsed(cal, start, clock.started_at, gaps))
