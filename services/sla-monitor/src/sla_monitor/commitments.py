"""PURE: what each team committed to over a period: how far it is, what pace it needed by now, where it is heading."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from relevo.calendar import Calendar, elapsed
from relevo.playbook import Commitment, Playbook

Span = Literal["week", "month", "quarter"]
State = Literal["on_track", "at_risk", "missed", "met"]
Counts = Literal["mql", "review", "answer", "first_contact", "outcome"]

# What a measure counts, and of it the kept ones: complete, accepted, in time.
COUNTS: dict[str, Counts] = {
    "mqls": "mql", "data_completeness": "mql", "acceptance_rate": "review", "answered_in_time": "answer",
    "contacted_in_time": "first_contact", "closed_in_time": "outcome",
}  # fmt: skip
_NONE = timedelta(0)


class Period(NamedTuple):
    """Half-open; local midnights of the company's zone, in UTC."""

    start: datetime
    end: datetime


class Counted(NamedTuple):
    """What was decided in a period, and how much of it was kept."""

    total: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Progress:
    """`actual`, `pace` and `projection` in the target's own unit: a number of MQLs, or a rate.

    `pace`: where it should be by now. `projection`: where it ends if things go on like this.
    """

    actual: float
    pace: float
    projection: float
    state: State


class Reckoned(NamedTuple):
    """A commitment in one of its periods, as it stands."""

    commitment: Commitment
    period: Period
    gone: float  # of the period's opening hours, 0…1
    counted: Counted
    progress: Progress


def period_of(span: Span, zone: str, at: datetime, back: int = 0) -> Period:
    """The week (from Monday), month or quarter that `at` lies in, or the one so many before it."""
    local = ZoneInfo(zone)
    today = at.astimezone(local).date()
    if span == "week":
        first = today - timedelta(days=today.weekday() + 7 * back)
        following = first + timedelta(days=7)
    else:
        months = 1 if span == "month" else 3
        number = (today.year * 12 + today.month - 1) // months - back
        first, following = _first_of(number * months), _first_of((number + 1) * months)
    start, end = (datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC) for day in (first, following))
    return Period(start, end)


def _first_of(month: int) -> date:
    """The first day of a month, counted since the year 0."""
    return date(month // 12, month % 12 + 1, 1)


def hours_of(book: Playbook, commitment: Commitment) -> tuple[Calendar, ...]:
    """Whose opening hours set the pace: the team's, or all teams'."""
    teams = [team for team in book.routing.teams if commitment.team in (None, team.id)]
    return tuple(book.sla.calendar(team.calendar) for team in teams)


def share_gone(hours: Iterable[Calendar], period: Period, now: datetime) -> float:
    """How much of the period's opening hours has passed, 0…1; of calendars that never open in it, of plain time."""
    until = min(max(now, period.start), period.end)
    gone, whole = _NONE, _NONE
    for cal in hours:
        gone += elapsed(cal, period.start, until)
        whole += elapsed(cal, period.start, period.end)
    return gone / whole if whole else (until - period.start) / (period.end - period.start)


def progress(commitment: Commitment, counted: Counted, gone: float, *, over: bool) -> Progress:
    """`gone`: the share of the period's opening hours that has passed; `over`: the period has ended.

    At risk is what projects to a miss and lies at least one whole lead behind its pace, so that the first lead of a
    month decides nothing. A number of MQLs that is reached is met at once; a rate, when the period has ended.
    """
    target = commitment.target
    if commitment.measure == "mqls":
        actual, due, done = float(counted.total), target * gone, counted.total
        pace, projection = due, actual / gone if gone else target
        reached = actual >= target
    else:
        due, done = target * counted.total, counted.kept
        actual = counted.kept / counted.total if counted.total else target  # nothing was asked for, so nothing missed
        pace, projection = target, actual
        reached = actual >= target and over
    if reached:
        return Progress(actual, pace, projection, "met")
    behind = done + 1 <= due + 1e-9  # a share times a count is not exact
    return Progress(actual, pace, projection, "missed" if over else "at_risk" if behind else "on_track")
