"""From a playbook's calendar to a checked `Calendar`: every mistake is found at once and says how to mend it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from relevo.calendar.opening import Calendar, ClosedDays, Closure, Holidays, Minutes

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_INTERVAL = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_WHOLE_DAY: Minutes = (0, 24 * 60)


@dataclass(frozen=True)
class Problem:
    """One mistake: `where` is the way to it, such as ("hours", "mon", 1) for Monday's second interval."""

    where: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return ".".join(map(str, self.where)) + ": " + self.message


class CalendarError(ValueError):
    """The data make no calendar. `problems` holds every mistake found, so that a reader can name file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def calendar(
    zone: str,
    hours: Mapping[str, Sequence[str]],
    holidays: Holidays | None = None,
    closures: Iterable[Closure] = (),
) -> Calendar:
    """A calendar from what the playbook says.

    `zone` is an IANA name; `hours` has a list per day, `{"mon": ["09:00-14:00", "16:00-19:00"]}`, `24:00` being the
    day's end; a day left out is closed. Raises CalendarError with every mistake.
    """
    problems: list[Problem] = [*_wrong_zone(zone), *_wrong_days(hours), *_wrong_region(holidays)]
    week = tuple(_read_intervals(hours.get(day, ()), ("hours", day), problems) for day in DAYS)
    if not any(week) and not any(problem.where[0] == "hours" for problem in problems):
        message = "there are no opening hours; give at least one day an interval, such as mon: [09:00-17:00]"
        problems.append(Problem(("hours",), message))
    closed = tuple(_read_closure(number, closure, problems) for number, closure in enumerate(closures))
    if problems:
        raise CalendarError(problems)
    return Calendar(zone, week, holidays, closed)


def _read_intervals(
    written: Sequence[str], where: tuple[str | int, ...], problems: list[Problem]
) -> tuple[Minutes, ...]:
    if isinstance(written, str):
        problems.append(Problem(where, f"write a list of intervals: [{written}]"))
        return ()
    read: list[Minutes] = []
    for number, text in enumerate(written):
        message = ""
        if (match := _INTERVAL.fullmatch(str(text))) is None:
            message = f"{text!r} is no interval; write two times of 24 hours, such as 09:00-14:00 (24:00 ends the day)"
        else:
            start = int(match[1]) * 60 + int(match[2])
            end = int(match[3]) * 60 + int(match[4]) if match[3] else 24 * 60
            if start >= end:
                message = (
                    f"{text} ends before it begins; hours past midnight are two intervals, "
                    f"{text[:5]}-24:00 here and 00:00-{text[6:]} on the next day"
                )
            elif read and start < read[-1][1]:
                how = "overlaps" if end > read[-1][0] else "comes before"
                message = f"{text} {how} the interval in front of it; put them in order, without overlaps"
            else:
                read.append((start, end))
        if message:
            problems.append(Problem((*where, number), message))
    return tuple(read)


def _read_closure(number: int, closure: Closure, problems: list[Problem]) -> ClosedDays:
    end = closure.start if closure.end is None else closure.end
    if end < closure.start:
        message = f"the closure ends on {end}, before it starts on {closure.start}; swap the two dates"
        problems.append(Problem(("closures", number), message))
    parts = _read_intervals(closure.hours, ("closures", number, "hours"), problems)
    return ClosedDays(closure.start, end, parts if closure.hours else (_WHOLE_DAY,))


def _wrong_zone(zone: str) -> Iterator[Problem]:
    if zone not in _zones():
        hint = _did_you_mean(zone, _zones()) or "write an IANA name, such as Europe/Madrid"
        yield Problem(("zone",), f"there is no time zone {zone!r}; {hint}")


@cache
def _zones() -> frozenset[str]:
    """Asked by name, not by opening the file: that would also take a path, or a zone counting leap seconds."""
    return frozenset(available_timezones() - {"localtime"})  # which is another zone on each machine


def _wrong_days(hours: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    for day in hours:
        if day not in DAYS:
            hint = _did_you_mean(str(day)[:3], DAYS) or f"write one of {', '.join(DAYS)}"
            yield Problem(("hours", day), f"there is no day {day!r}; {hint}")


def _wrong_region(region: Holidays | None) -> Iterator[Problem]:
    if region is None:
        return
    from holidays import list_supported_countries  # a third of a second to import, so only if it is used

    supported = list_supported_countries()
    if region.country not in supported:
        upper = region.country.upper()
        hint = f"did you mean {upper}?" if upper in supported else "write the ISO code of a country, such as ES"
        message = f"no public holidays are known for the country {region.country!r}; {hint}"
        yield Problem(("holidays", "country"), message)
    elif region.subdivision is not None and region.subdivision not in supported[region.country]:
        known = ", ".join(supported[region.country]) or "none"
        message = f"{region.country} has no region {region.subdivision!r}; known are: {known}"
        yield Problem(("holidays", "subdivision"), message)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    folded = {name.casefold(): name for name in sorted(known)}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.75)
    return f"did you mean {folded[near[0]]}?" if near else ""


always = calendar("UTC", {day: ["00:00-24:00"] for day in DAYS})
"""24 hours a day, every day: business time that is plain time."""
