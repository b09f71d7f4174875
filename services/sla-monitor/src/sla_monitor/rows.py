"""Rows and what they hold: clocks, trips, breaches to columns (arrays for `unnest`) and back."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from relevo.events import SlaBreached
from sla_monitor.agreement import Owner
from sla_monitor.clock import Clock, Standing
from sla_monitor.trip import Trip
from sla_monitor.watched import Watched, state_of, verdict

CLOCK = {
    "clock_id": "uuid", "lead_id": "uuid", "cycle": "int", "kind": "text", "policy": "text", "state": "text",
    "version": "int", "rep": "text", "team": "text", "assignment_id": "uuid", "calendar": "text", "playbook": "text",
    "started_at": "timestamptz", "due_at": "timestamptz", "next_due": "timestamptz", "closed_at": "timestamptz",
    "late": "bool", "trace": "text", "problem": "text", "changed_at": "timestamptz", "body": "json",
    "counted_at": "timestamptz", "kept": "bool",
}  # fmt: skip
STANDING = {
    "lead_id": "uuid", "cycle": "int", "mql_at": "timestamptz", "team": "text", "rep": "text", "rep_calendar": "text",
    "assignment_id": "uuid", "version": "int", "tries": "int", "manager": "bool", "contacted": "bool", "about": "json",
    "reviewed_at": "timestamptz", "accepted": "bool",
}  # fmt: skip
BREACH = {
    "event_id": "uuid", "clock_id": "uuid", "lead_id": "uuid", "cycle": "int", "kind": "text", "policy": "text",
    "assignment_id": "uuid", "version": "int", "rep": "text", "team": "text", "step": "int", "act": "text",
    "target": "bool", "due_at": "timestamptz", "fired_at": "timestamptz", "lateness_seconds": "float",
    "late_because": "text", "elapsed_seconds": "float",
}  # fmt: skip

WATCHED = (  # what a clock is read from, in the order of `Watched`; the rest of its columns is for those who search
    "body", "lead_id", "cycle", "team", "assignment_id", "calendar", "playbook", "due_at", "next_due", "late", "trace",
    "problem", "changed_at",
)  # fmt: skip

FIRED = ("clock_id", "state", "due_at", "next_due", "problem", "body", "counted_at", "kept")  # of `fired_row`

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Clock).decode


def columns(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    """Rows to one array per column."""
    return tuple(map(list, zip(*rows, strict=True)))


def fired_row(watched: Watched) -> tuple[Any, ...]:
    """What firing may change of a clock."""
    clock = watched.clock
    counted_at, kept = verdict(watched) or (None, None)
    return (
        clock.id, state_of(clock), watched.due_at, watched.next_due, watched.problem, _encode(clock).decode(),
        counted_at, kept,
    )  # fmt: skip


def clock_row(watched: Watched) -> tuple[Any, ...]:
    clock = watched.clock
    counted_at, kept = verdict(watched) or (None, None)
    return (
        clock.id, watched.lead_id, watched.cycle, clock.kind, clock.promise.policy, state_of(clock),
        clock.standing.version, clock.standing.rep, watched.team, watched.assignment_id, watched.calendar,
        watched.playbook, clock.started_at, watched.due_at, watched.next_due, clock.closed_at, watched.late,
        watched.trace, watched.problem, watched.changed_at, _encode(clock).decode(),
        counted_at, kept,
    )  # fmt: skip


def to_clock(row: Sequence[Any]) -> Watched:
    """A clock out of a row whose first columns are those of `WATCHED`."""
    body, *others = row[: len(WATCHED)]
    return Watched(_decode(body), *others)


def trip_row(trip: Trip) -> tuple[Any, ...]:
    owner, standing = trip.owner, trip.standing
    return (
        trip.lead_id, trip.cycle, trip.mql_at, owner.team, owner.rep, owner.calendar, trip.assignment_id,
        standing.version, standing.tries, standing.manager, standing.contacted, orjson.dumps(trip.about).decode(),
        trip.reviewed_at, trip.accepted,
    )  # fmt: skip


def to_trip(row: Sequence[Any], clocks: tuple[Watched, ...]) -> Trip:
    """A trip out of a row with the columns of `STANDING`."""
    (
        lead_id, cycle, mql_at, team, rep, rep_calendar, assignment_id, version, tries, manager, contacted, about,
        reviewed_at, accepted,
    ) = row  # fmt: skip
    owner, standing = Owner(team, rep, rep_calendar), Standing(version, rep, tries, manager, contacted)
    return Trip(
        lead_id, cycle, mql_at, owner, orjson.loads(about), assignment_id, standing, reviewed_at, accepted, clocks
    )


def of_breaches(breaches: Sequence[tuple[SlaBreached, bool]]) -> tuple[list[Any], ...]:
    """Each with whether its target passed there."""
    return columns(
        (
            each.id, each.clock_id, each.lead_id, each.cycle, each.kind, each.policy, each.assignment_id, each.version,
            each.rep, each.team, each.step, each.do, target, each.due_at, each.fired_at, each.lateness_seconds,
            each.late_because, each.elapsed_seconds,
        )
        for each, target in breaches
    )  # fmt: skip
