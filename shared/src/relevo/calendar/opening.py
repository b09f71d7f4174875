"""When we are open: the data of a calendar, and the open intervals of one week as UTC instants."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

# Instants are whole microseconds since 1970 in UTC: integers compare and add five times faster than datetimes.
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
WEEK = 7 * DAY
MOST_WEEKS = 260  # kept per calendar: five years, at most half a megabyte

Minutes = tuple[int, int]  # opening and closing, minutes since local midnight; 1440 is the day's end


@dataclass(frozen=True)
class Holidays:
    """Public holidays as the library `holidays` knows them: ISO 3166 country and, where it matters, its region."""

    country: str
    subdivision: str | None = None


@dataclass(frozen=True)
class Closure:
    """Local days on which we are closed, `start` to `end`, both included; `end` None is one day.

    `hours` are the parts closed on each of them, written like opening hours ("14:00-24:00"); empty is the whole day.
    """

    start: date
    end: date | None = None
    hours: tuple[str, ...] = ()


class OpenWeek(NamedTuple):
    """The open intervals of one UTC week, in order and apart; `upto[i]` is how much is open before the i-th."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    upto: tuple[int, ...]


class ClosedDays(NamedTuple):
    """A closure, read: first and last day, and the parts of the day that are closed."""

    start: date
    end: date
    parts: tuple[Minutes, ...]


@dataclass(frozen=True)
class Calendar:
    """Opening hours in one time zone. Equal when the data are equal; build it with `relevo.calendar.calendar`."""

    zone: str
    hours: tuple[tuple[Minutes, ...], ...]  # Monday to Sunday, each in order and without overlaps
    holidays: Holidays | None = None
    closures: tuple[ClosedDays, ...] = ()
    # Worked out when first asked for. Weeks of UTC, not days of the zone: they never overlap, whatever a clock change
    # does around midnight, so an instant belongs to exactly one of them.
    weeks: dict[int, OpenWeek] = field(default_factory=dict, init=False, repr=False, compare=False)


def open_week(cal: Calendar, number: int) -> OpenWeek:
    """The week that begins at instant `number * WEEK`; about 60 µs the first time, then a look-up."""
    known = cal.weeks.get(number)
    if known is None:
        if len(cal.weeks) >= MOST_WEEKS:
            cal.weeks.clear()  # one atomic step, so also right with threads; what is in use is back at once
        known = cal.weeks[number] = _work_out(cal, number)
    return known


def _work_out(cal: Calendar, number: int) -> OpenWeek:
    starts: list[int] = []
    ends: list[int] = []
    for since, until, offset in _constant_offsets(ZoneInfo(cal.zone), number * WEEK, (number + 1) * WEEK):
        # Where the offset is constant, local time is UTC plus the offset, and each local day is one straight piece.
        for day in range((since + offset) // DAY, (until + offset - 1) // DAY + 1):
            midnight = day * DAY - offset
            for opening, closing in open_hours(cal, EPOCH.date() + timedelta(days=day)):
                start = max(midnight + opening * MINUTE, since)
                end = min(midnight + closing * MINUTE, until)
                if start >= end:
                    continue
                if ends and ends[-1] == start:
                    ends[-1] = end
                else:
                    starts.append(start)
                    ends.append(end)
    upto = [0]
    for start, end in zip(starts, ends, strict=True):
        upto.append(upto[-1] + end - start)
    return OpenWeek(tuple(starts), tuple(ends), tuple(upto))


def open_hours(cal: Calendar, day: date) -> tuple[Minutes, ...]:
    """What is open on a local day, in minutes of its wall clock."""
    hours = cal.hours[day.weekday()]
    if not hours or (cal.holidays is not None and day in public_holidays(cal.holidays, day.year)):
        return ()
    for closure in cal.closures:
        if closure.start <= day <= closure.end:
            for part in closure.parts:
                hours = tuple(without(hours, part))
    return hours


def without(intervals: Iterable[tuple[int, int]], gap: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """What is left of half-open intervals when a gap is taken out."""
    for first, last in intervals:
        for start, end in ((first, min(last, gap[0])), (max(first, gap[1]), last)):
            if start < end:
                yield start, end


@lru_cache(maxsize=1024)
def public_holidays(region: Holidays, year: int) -> frozenset[date]:
    """A year's public holidays; each year is a new object, since the library's own growing one isn't thread-safe."""
    import holidays  # a third of a second to import, so only for those who ask for holidays

    found = holidays.country_holidays(region.country, subdiv=region.subdivision, years=year, expand=False)
    return frozenset(found)


def _constant_offsets(zone: ZoneInfo, since: int, until: int) -> Iterator[tuple[int, int, int]]:
    """The stretches (since, until, UTC offset) between two instants in which the zone's offset does not change.

    Looks once a day, then narrows a change down to its second: since 1970 no zone has changed twice within 167 hours.
    """
    begin, before = since, _offset(zone, since)
    for day in range(since, until, DAY):
        after = _offset(zone, day + DAY)
        if after != before:
            seconds = range(day // SECOND, (day + DAY) // SECOND)
            change = day + SECOND * bisect_left(seconds, True, key=lambda at: _offset(zone, at * SECOND) == after)
            yield begin, change, before
            begin, before = change, after
    if begin < until:
        yield begin, until, before


def _offset(zone: ZoneInfo, at: int) -> int:
    offset = (EPOCH + timedelta(microseconds=at)).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset // MICROSECOND
