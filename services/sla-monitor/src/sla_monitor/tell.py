"""PURE: what is said of a clock, as events."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from relevo.events import PlaybookStamp, SlaBreached, SlaCorrected, SlaMet, SlaStarted, SlaWarned
from sla_monitor.clock import Fired, target
from sla_monitor.ruling import Fact, Ruling
from sla_monitor.watched import Watched

SlaEvent = SlaStarted | SlaWarned | SlaBreached | SlaMet | SlaCorrected


class Now(Struct, frozen=True):
    """The moment of deciding, and under which playbook; `trace` of what caused it."""

    at: datetime
    stamp: PlaybookStamp
    trace: str | None = None


def started(of: Watched, now: Now) -> SlaStarted:
    """Said again when the target's deadline moves. Only of a clock whose deadline is known."""
    clock = of.clock
    return SlaStarted(
        **_common(of, now), due_at=of.due_at, started_at=clock.started_at,
        target_seconds=target(clock).total_seconds(),
    )  # fmt: skip


def fired(of: Watched, step: Fired, now: Now, late_because: str | None) -> SlaWarned | SlaBreached:
    """A step, with the owner of its time; its id is the step's, so that a correction can name it."""
    kind = SlaBreached if step.breach else SlaWarned
    return kind(
        **_common(of, now) | {"version": step.version or None, "rep": step.rep}, id=step.event_id,
        due_at=step.due_at, step=step.step, do=step.do, fired_at=step.fired_at,
        lateness_seconds=(step.fired_at - step.due_at).total_seconds(), late_because=late_because,
        elapsed_seconds=step.elapsed.total_seconds(),
    )  # fmt: skip


def met(of: Watched, ruling: Ruling, fact: Fact, now: Now) -> SlaMet:
    return SlaMet(
        **_common(of, now), due_at=ruling.due_at, met_at=fact.at,
        elapsed_seconds=ruling.elapsed.total_seconds(), late=ruling.late,
    )  # fmt: skip


def corrected(of: Watched, wrong: Fired, fact: Fact, now: Now) -> SlaCorrected:
    return SlaCorrected(
        **_common(of, now) | {"version": wrong.version or None, "rep": wrong.rep}, due_at=wrong.due_at,
        retracts=wrong.event_id, acted_at=fact.at,
    )  # fmt: skip


def _common(of: Watched, now: Now) -> dict[str, Any]:
    clock = of.clock
    return {
        "at": now.at, "by": "system", "lead_id": of.lead_id, "cycle": of.cycle, "playbook": now.stamp,
        "trace": now.trace or of.trace, "clock_id": clock.id, "kind": clock.kind, "policy": clock.promise.policy,
        "assignment_id": of.assignment_id, "version": clock.standing.version or None, "rep": clock.standing.rep,
        "team": of.team,
    }  # fmt: skip
