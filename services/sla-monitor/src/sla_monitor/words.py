"""PURE: what a preview counted, in words: each open interval, each pause, each step, in the order of the clock."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from relevo.calendar import Calendar, Interval, elapsed
from sla_monitor.clock import Step


def in_words(
    cal: Calendar,
    start: datetime,
    intervals: Sequence[Interval],
    pauses: Iterable[tuple[datetime, datetime]],
    steps: Iterable[Step],
) -> list[str]:
    """One line each, by the wall clock of the calendar's zone."""
    zone = ZoneInfo(cal.zone)
    until = max((interval.end for interval in intervals), default=start)
    lines = [
        *_of_intervals(intervals, zone),
        *((begin, 0, _of_pause(cal, max(begin, start), end, zone)) for begin, end in pauses if begin < until),
        *((step.due_at, 2, _of_step(step, zone)) for step in steps if step.due_at is not None),
    ]
    return [line for _, _, line in sorted(lines, key=lambda each: each[:2])]


def _of_intervals(intervals: Iterable[Interval], zone: ZoneInfo) -> Iterator[tuple[datetime, int, str]]:
    counted = timedelta(0)
    for start, end in intervals:
        counted += end - start
        yield start, 1, f"{_stretch(start, end, zone)}: {_span(end - start)}, {_span(counted)} in all"


def _of_pause(cal: Calendar, start: datetime, end: datetime, zone: ZoneInfo) -> str:
    lost = elapsed(cal, start, end)
    return f"{_stretch(start, end, zone)}: paused, " + (f"{_span(lost)} do not count" if lost else "closed anyway")


def _of_step(step: Step, zone: ZoneInfo) -> str:
    assert step.due_at is not None
    what = "the target" if step.key == "target" else "after the target" if step.breach else "on the way"
    return f"{_moment(step.due_at, zone)}: {_span(step.after)} have passed, {what}: {step.do or 'counted as a breach'}"


def _stretch(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    first, last = start.astimezone(zone), end.astimezone(zone)
    same = (first.date(), first.utcoffset()) == (last.date(), last.utcoffset())
    return f"{_moment(start, zone)} to {_clock(last) if same else _moment(end, zone)}"


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y} {_clock(local)} {local:%Z}"


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _span(span: timedelta) -> str:
    """Whole seconds, largest unit hours: opening hours make no days."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
