"""PURE: a clock with what belongs to it: whose lead, which hours, when it is looked at next, what can't be reckoned."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from relevo.calendar import Calendar, NeverOpens
from sla_monitor.clock import Clock, Step, Steps, is_paused, pending, steps

State = Literal["running", "paused", "breached", "met", "ended"]


class Watched(Struct, frozen=True):
    """One row of the table `clock`."""

    clock: Clock
    lead_id: UUID
    cycle: int
    team: str
    assignment_id: UUID | None
    calendar: str  # its id, in the playbook of this version
    playbook: str
    due_at: datetime | None = None  # of the target, as told last
    next_due: datetime | None = None  # None: nothing is to come by itself
    late: bool | None = None  # met after the target
    trace: str | None = None  # of what began it
    problem: str | None = None  # why its times can't be reckoned
    changed_at: datetime | None = None  # when something was last heard of it


def state_of(clock: Clock) -> State:
    """As people see it: measuring goes on after a breach, so a breached clock still runs."""
    if clock.state != "running":
        return clock.state
    if any(fired.key == "target" for fired in clock.fired):
        return "breached"
    return "paused" if is_paused(clock) else "running"


def verdict(watched: Watched) -> tuple[datetime, bool] | None:
    """When the promise was kept (True) or broken (False), as the commitments count it; None: neither, so far."""
    clock = watched.clock
    broken = next((fired.due_at for fired in clock.fired if fired.key == "target"), None)
    if broken is None and watched.late:
        broken = watched.due_at
    if broken is not None:
        return broken, False
    return (clock.closed_at, True) if clock.state == "met" and clock.closed_at is not None else None


def timed(watched: Watched, cal: Calendar | None, at: datetime | None = None, known: Steps | None = None) -> Watched:
    """`watched` with its deadlines worked out anew, unless its steps are `known`. Where they can't be, it says why, and
    fires nothing. `at`: when something was heard of it."""
    changed_at = at or watched.changed_at
    if watched.clock.state != "running":
        return replace(watched, next_due=None, problem=None, changed_at=changed_at)
    if cal is None:
        unknown = f"the playbook knows no calendar {watched.calendar!r}: add it, or mend the policy"
        return replace(watched, next_due=None, problem=unknown, changed_at=changed_at)
    try:
        found = known or steps(watched.clock, cal)
    except NeverOpens as error:
        problem = f"calendar {watched.calendar!r}: {error}"
        return replace(watched, next_due=None, problem=problem, changed_at=changed_at)
    done = {fired.key for fired in watched.clock.fired}
    coming = [step.due_at for step in found if step.key not in done and step.due_at is not None]
    due_at = next(step.due_at for step in found if step.key == "target") or watched.due_at
    next_due = min(coming, default=None)
    return replace(watched, due_at=due_at, next_due=next_due, problem=None, changed_at=changed_at)


def next_step(watched: Watched, cal: Calendar | None) -> Step | None:
    """What comes next if nothing happens; None while it is paused, or where nothing is to come."""
    if cal is None or watched.next_due is None:
        return None
    return next((step for step in pending(watched.clock, cal) if step.due_at == watched.next_due), None)
