"""Business time: when a budget is used up, how much has elapsed, what was counted.

All of it walks open intervals week by week, with each week's prefix sums; no cost grows with seconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from relevo.calendar.opening import DAY, EPOCH, MICROSECOND, WEEK, Calendar, OpenWeek, open_week, without

HORIZON = 530  # weeks, ten years and a little: what has not opened by then never will
_END = (datetime(2200, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND

Pauses = Iterable[tuple[datetime, datetime]]


class Interval(NamedTuple):
    """A half-open stretch of time, in UTC."""

    start: datetime
    end: datetime


class NeverOpens(ValueError):
    """The calendar does not open, or not for long enough, within ten years."""


def deadline(cal: Calendar, start: datetime, budget: timedelta, pauses: Pauses = ()) -> datetime:
    """The earliest instant by which `budget` of open time has elapsed since `start`; `start` itself for zero.

    Raises ValueError for a negative budget, NeverOpens when it is not used up within ten years.
    """
    need = budget // MICROSECOND
    if need < 0:
        raise ValueError("a budget is not negative; a deadline lies after its start")
    at = _instant(start)
    if need:
        at = _reach(cal, at, need)
        for since, until in _merged(pauses, _instant(start)) if pauses else ():
            if since >= at:
                break  # a pause that begins on the deadline comes too late to move it
            # All of this pause lies before the deadline it yields, so what it would have counted is still needed.
            if lost := _measure(cal, since, until):
                at = _reach(cal, at, lost)
    return _moment(at)


def elapsed(cal: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> timedelta:
    """How much open time lies in [start, end), without pauses; zero if `end` is not after `start`."""
    since, until = _instant(start), _instant(end)
    if until <= since:
        return timedelta(0)
    counted = _measure(cal, since, until)
    for first, last in _merged(pauses, since) if pauses else ():
        counted -= _measure(cal, first, min(last, until))
    return timedelta(microseconds=counted)


def is_open(cal: Calendar, at: datetime) -> bool:
    """Whether this instant is open: the opening one is, the closing one is not."""
    instant = _instant(at)
    week = open_week(cal, instant // WEEK)
    number = bisect_right(week.ends, instant)
    return number < len(week.starts) and week.starts[number] <= instant


def next_opening(cal: Calendar, at: datetime) -> datetime:
    """The first open instant from `at` on: `at` itself when it is open. Raises NeverOpens after ten years of none."""
    instant = _instant(at)
    first = instant // WEEK
    for number in range(first, first + HORIZON):
        week = open_week(cal, number)
        interval = bisect_right(week.ends, instant)
        if interval < len(week.starts):
            return _moment(max(week.starts[interval], instant))
    raise NeverOpens(f"{_named(cal)} does not open within ten years after {at.date()}; {_MEND}")


def count(cal: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> tuple[Interval, ...]:
    """The open intervals in [start, end) without pauses, in order, as long as can be: what `elapsed` adds up."""
    since, until = _instant(start), _instant(end)
    counted: list[tuple[int, int]] = []
    for first, last in _open(cal, since, until):
        if counted and counted[-1][1] == first:  # open over the end of a week
            first = counted.pop()[0]
        counted.append((first, last))
    for pause in _merged(pauses, since):
        counted = list(without(counted, pause))
    return tuple(Interval(_moment(first), _moment(last)) for first, last in counted)


_MEND = "mend its opening hours or its closures"


def _named(cal: Calendar) -> str:
    return f"this calendar (zone {cal.zone})"


def _reach(cal: Calendar, at: int, need: int) -> int:
    """The earliest instant with `need` open microseconds since `at`; `need` is more than zero."""
    number = at // WEEK
    week = open_week(cal, number)
    target = _upto(week, at) + need
    last = number + HORIZON
    while target > week.upto[-1]:
        target -= week.upto[-1]
        number += 1
        if number > last:
            hours = timedelta(microseconds=need)
            raise NeverOpens(
                f"{_named(cal)} is not open for {hours} within ten years after {_moment(at).date()}; {_MEND}"
            )
        week = open_week(cal, number)
    interval = bisect_left(week.upto, target) - 1  # the first in which the target is reached
    return week.starts[interval] + target - week.upto[interval]


def _measure(cal: Calendar, since: int, until: int) -> int:
    """Open microseconds in [since, until)."""
    if until <= since:
        return 0
    first, last = since // WEEK, until // WEEK
    measured = _upto(open_week(cal, last), until) - _upto(open_week(cal, first), since)
    for number in range(first, last):
        measured += open_week(cal, number).upto[-1]
    return measured


def _upto(week: OpenWeek, at: int) -> int:
    """Open microseconds from the beginning of this week until `at`, which lies in it."""
    interval = bisect_right(week.ends, at)
    if interval < len(week.starts) and week.starts[interval] < at:
        return week.upto[interval] + at - week.starts[interval]
    return week.upto[interval]


def _open(cal: Calendar, since: int, until: int) -> Iterator[tuple[int, int]]:
    for number in range(since // WEEK, -(-until // WEEK)):
        week = open_week(cal, number)
        for start, end in zip(week.starts, week.ends, strict=True):
            first, last = max(start, since), min(end, until)
            if first < last:
                yield first, last


def _merged(pauses: Pauses, since: int) -> list[tuple[int, int]]:
    """Pauses from `since` on, in order, apart from each other."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((_instant(start), _instant(end)) for start, end in pauses):
        if end < start:
            raise ValueError("a pause ends before it starts; give (start, end)")
        begin = max(start, since)
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif begin < end:
            merged.append((begin, end))
    return merged


def _instant(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a time without a zone names no instant; give it one, such as UTC")
    since = at - EPOCH
    instant = since.days * DAY + since.seconds * 1_000_000 + since.microseconds
    if not 0 <= instant < _END:
        raise ValueError("calendars know the years 1970 to 2199")
    return instant


def _moment(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)
