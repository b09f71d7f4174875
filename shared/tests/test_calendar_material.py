"""Shows where the calendar agrees with biz, business_time and businesstimedelta, call by call, and why it differs.

The recorded calls are other people's work (`SOURCE.md` beside them); set RELEVO_MATERIAL, or have `shared/material`
beside the checkout.
"""

import json
import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relevo.calendar import Calendar, Closure, calendar, count, deadline, elapsed, is_open, next_opening

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "material"
MATERIAL = Path(os.environ.get("RELEVO_MATERIAL", BESIDE)) / "business_hours"
pytestmark = pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"no outside material: {MATERIAL} is not there")

Finding = str  # "agrees", or why not

AGREES = "agrees"
AGREES_BACKWARDS = "agrees: from their result to their start exactly their amount elapses (we only count forwards)"
ZERO = "differs: zero is due at its start here; there it slips to the next opening"
CLOSING = "differs: a deadline on closing time stays there here; there it slips to the next opening"
SHIFTS = "no counterpart: extra hours on single dates"
IN_DAYS = "no counterpart: adds or lists business days, keeping the time of day"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TINY = timedelta(microseconds=1)


def test_all_405_recorded_calls_agree_or_are_accounted_for():
    biz = [try_biz(call) for call in read("biz_traced.json")]
    business_time = [try_business_time(call) for call in read("business_time_traced.json")]
    assert Counter(biz) == {AGREES: 34, AGREES_BACKWARDS: 12, ZERO: 6, CLOSING: 1, SHIFTS: 4, IN_DAYS: 20}
    assert Counter(business_time) == {AGREES: 178, AGREES_BACKWARDS: 45, ZERO: 1, IN_DAYS: 104}
    assert len(biz) + len(business_time) == 405


def test_the_boundary_matrix_shows_the_two_rules_that_set_us_apart():
    office = calendar("UTC", dict.fromkeys(DAYS[:5], ("09:00-17:00",)))
    differ: dict[str, list[str]] = {"biz": [], "business_time": [], "businesstimedelta": []}
    for row in read("boundary_matrix.json"):
        ours = deadline(office, when(row["start"]), timedelta(minutes=row["minutes"]))
        for library, cases in differ.items():
            if ours != when(row[library]):
                cases.append(row["case"])
    zero = ["zero minutes at night", "zero minutes at closing"]  # due at the start, not at the next opening
    closing = ["exactly to closing time", "exactly to closing, from mid-day"]  # stays there, as in the other two
    assert differ == {"biz": closing + zero, "business_time": zero, "businesstimedelta": zero}


def read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MATERIAL / name).read_text("utf-8"))
    return found


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def forwards(cal: Calendar, start: datetime, amount: timedelta, theirs: datetime) -> Finding:
    ours = deadline(cal, start, amount)
    if ours == theirs:
        return AGREES
    assert theirs == next_opening(cal, ours)
    assert elapsed(cal, start, theirs) == amount
    return CLOSING if amount else ZERO


def backwards(cal: Calendar, start: datetime, amount: timedelta, theirs: datetime) -> Finding:
    assert elapsed(cal, theirs, start) == amount, (start, amount, theirs)
    return AGREES_BACKWARDS


# --- biz (Zendesk) ---


def try_biz(call: dict[str, Any]) -> Finding:
    schedule, given, expected = call["schedule"], call["input"], call["expected"]
    zone = ZoneInfo(schedule["time_zone"])
    if call["op"] == "in_hours?":
        at = when(given["time"])
        if at.astimezone(zone).date().isoformat() in schedule["shifts"]:
            return SHIFTS
        assert is_open(biz_calendar(schedule), at) is expected
        return AGREES
    assert not schedule["shifts"]
    if call["op"] == "within":
        assert elapsed(biz_calendar(schedule), when(given["start"]), when(given["end"])) == timedelta(seconds=expected)
        return AGREES
    unit = given["unit"].rstrip("s") + "s"
    if unit == "days":
        return IN_DAYS
    ask = forwards if call["op"] == "time.after" else backwards
    return ask(biz_calendar(schedule), when(given["time"]), timedelta(**{unit: given["scalar"]}), when(expected))


def biz_calendar(schedule: dict[str, Any]) -> Calendar:
    hours = {day: [f"{start}-{end}" for start, end in parts.items()] for day, parts in schedule["hours"].items()}
    closures = [Closure(date.fromisoformat(day)) for day in schedule["holidays"]]
    for day, parts in dict(schedule["breaks"]).items():
        for start, end in parts.items():
            closures.append(Closure(date.fromisoformat(day), hours=(f"{start}-{end}",)))
    return calendar(schedule["time_zone"], hours, closures=closures)


# --- business_time ---

ZONES = {"Eastern Time (US & Canada)": "America/New_York", "UTC": "UTC", None: "UTC"}  # None: a time with offset +00:00


def try_business_time(call: dict[str, Any]) -> Finding:
    """Calls of objects (`Time#…`) carry the object as receiver, calls of classes (`Time.…`) as first argument."""
    op, receiver, expected = call["op"].removeprefix("BusinessTime::"), call["receiver"], call["expected"]
    arguments = [argument for argument in call["args"] if not (isinstance(argument, dict) and is_options(argument))]
    options = [argument for argument in call["args"] if isinstance(argument, dict) and is_options(argument)]
    subject = receiver if isinstance(receiver, dict) else arguments[0]
    zone = ZONES[subject.get("zone")]
    cal = business_time_calendar(call["config"], zone, options)

    if op in ("BusinessHours#after", "BusinessHours#before"):
        start, theirs = when(subject["t"]), when(expected["t"])
        amount = timedelta(hours=receiver if op.endswith("after") else -receiver)
        back = amount < timedelta(0) or (not amount and op.endswith("before"))
        return backwards(cal, start, -amount, theirs) if back else forwards(cal, start, amount, theirs)
    if op in ("Date#workday?", "Time#workday?"):
        assert bool(opened(cal, day_of(subject))) is expected
        return AGREES
    if op == "Date#business_days_until":
        first, last = day_of(subject), day_of(arguments[0]) + timedelta(days=arguments[1:] == [True])
        days = [first + timedelta(days=number) for number in range((last - first).days)]
        assert sum(bool(opened(cal, day)) for day in days) == expected
        return AGREES
    if op == "Time#during_business_hours?":
        assert is_open(cal, when(subject["t"])) is expected
        return AGREES
    if op == "Time#business_time_until":
        start, end = when(subject["t"]), when(arguments[0]["t"])
        seconds = expected["duration_s"] if isinstance(expected, dict) else expected
        assert elapsed(cal, start, end) - elapsed(cal, end, start) == timedelta(seconds=seconds)  # one of them is zero
        return AGREES
    if op == "Time.roll_forward":
        assert next_opening(cal, when(subject["t"])) == when(expected["t"])
        return AGREES
    if op == "Time.roll_backward":
        start, theirs = when(subject["t"]), when(expected["t"])
        assert theirs == start if is_open(cal, start) else is_open(cal, theirs - TINY) and not is_open(cal, theirs)
        return backwards(cal, start, timedelta(0), theirs)
    if op == "Time.beginning_of_workday":
        assert opened(cal, day_of(subject))[0].start == when(expected["t"])
        return AGREES
    if op == "Time.end_of_workday":
        assert opened(cal, day_of(subject))[-1].end == when(expected["t"])
        return AGREES
    assert op in (
        "BusinessDays#after",
        "BusinessDays#before",
        "Date#consecutive_workdays",
        "Time.previous_business_day",
        "Time.first_business_day",
    )
    return IN_DAYS


def is_options(argument: dict[str, Any]) -> bool:
    return not argument or "holidays" in argument


def day_of(subject: dict[str, Any]) -> date:
    return date.fromisoformat(subject["d"]) if "d" in subject else when(subject["t"]).date()


def opened(cal: Calendar, day: date) -> tuple[Any, ...]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(cal.zone))
    return count(cal, midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC))


def business_time_calendar(config: dict[str, Any], zone: str, options: list[dict[str, Any]]) -> Calendar:
    usual = [config["beginning_of_workday"], config["end_of_workday"]]
    hours = config["work_hours"] or dict.fromkeys(config["work_week"], usual)
    closed = [date.fromisoformat(day) for day in config["holidays"]]
    for option in options:
        named = option.get("holidays", [])
        closed += [date.fromisoformat(holiday["d"]) for holiday in (named if isinstance(named, list) else [named])]
    return calendar(
        zone, {day: [interval(*parts)] for day, parts in hours.items()}, closures=[Closure(day) for day in closed]
    )


def interval(start: str, end: str) -> str:
    """`9:0:0`, `17:0:0` as we write it; their whole day is `0:0:0`, `0:0:0`."""
    (first, last) = ("{:02}:{:02}".format(*map(int, time.split(":")[:2])) for time in (start, end))
    return f"{first}-{'24:00' if last == '00:00' else last}"
