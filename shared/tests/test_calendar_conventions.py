"""Shows the calendar's conventions one by one: boundaries, clock changes, holidays, closures, pauses, limits."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from relevo.calendar import (
    Closure,
    Holidays,
    Interval,
    NeverOpens,
    always,
    calendar,
    count,
    deadline,
    elapsed,
    is_open,
    next_opening,
)
from relevo.calendar.opening import MOST_WEEKS

MADRID = ZoneInfo("Europe/Madrid")
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
OFFICE = calendar(
    "Europe/Madrid",
    dict.fromkeys(WORKDAYS, ("09:00-14:00", "16:00-19:00")),
    Holidays("ES", "MD"),
    [
        Closure(date(2026, 12, 24)),
        Closure(date(2026, 8, 10), date(2026, 8, 14)),
        Closure(date(2026, 12, 31), hours=("14:00-24:00",)),
    ],
)


def madrid(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MADRID)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("start", "budget", "due", "why"),
    [
        ("2026-06-01T10:00", 1, "2026-06-01T11:00", "inside one interval"),
        ("2026-06-01T10:00", 4, "2026-06-01T14:00", "on closing time: stays there"),
        ("2026-06-01T10:00", 4.5, "2026-06-01T16:30", "over lunch"),
        ("2026-06-01T14:00", 1, "2026-06-01T17:00", "begun at closing time: counts from the next opening"),
        ("2026-06-01T15:00", 3, "2026-06-01T19:00", "begun at lunch, ends with the day"),
        ("2026-06-05T18:00", 2, "2026-06-08T10:00", "over a weekend"),
        ("2026-06-03T10:00", 7, "2026-06-03T19:00", "on the last closing time of a UTC week, which ends on Wednesdays"),
        ("2026-06-01T03:00", 0, "2026-06-01T03:00", "nothing promised is due at once, also at night"),
        ("2026-04-30T18:00", 2, "2026-05-04T10:00", "1 May is a holiday, 2 May a Saturday"),
        ("2025-05-01T18:00", 2, "2025-05-05T11:00", "2 May is one in Madrid only"),
        ("2026-12-23T18:00", 2, "2026-12-28T10:00", "own closure on 24 December, then Christmas"),
        ("2026-08-07T18:00", 2, "2026-08-17T10:00", "a week closed, from the first to the last day"),
        ("2026-12-31T13:00", 2, "2027-01-04T10:00", "a closed afternoon, New Year, a weekend"),
    ],
)
def test_deadlines_of_an_office_in_madrid(start, budget, due, why):
    found = deadline(OFFICE, madrid(start), hours(budget))
    assert found == madrid(due), why
    assert elapsed(OFFICE, madrid(start), found) == hours(budget)


@pytest.mark.parametrize(
    ("at", "open_"),
    [("2026-06-01T08:59", False), ("2026-06-01T09:00", True), ("2026-06-01T13:59", True), ("2026-06-01T14:00", False)],
)
def test_an_interval_holds_its_opening_and_not_its_closing_instant(at, open_):
    assert is_open(OFFICE, madrid(at)) is open_


def test_an_interval_may_end_at_midnight_and_go_on_behind_it():
    night = calendar("Europe/Madrid", {"fri": ["22:00-24:00"], "sat": ["00:00-02:00"], "mon": ["09:00-10:00"]})
    start = madrid("2026-06-05T21:00")
    assert is_open(night, madrid("2026-06-06T00:00"))
    assert deadline(night, start, hours(3)) == madrid("2026-06-06T01:00")
    assert count(night, start, madrid("2026-06-07T00:00")) == (
        Interval(madrid("2026-06-05T22:00"), madrid("2026-06-06T02:00")),
    )


@pytest.mark.parametrize(
    ("zone", "opening", "day", "real"),
    [
        ("Europe/Madrid", "01:00-04:00", date(2026, 3, 29), 2),  # 02:00 to 03:00 does not exist
        ("Europe/Madrid", "02:15-02:45", date(2026, 3, 29), 0),
        ("Europe/Madrid", "01:00-04:00", date(2026, 10, 25), 4),  # 02:00 to 03:00 comes twice
        ("Europe/Madrid", "02:15-02:45", date(2026, 10, 25), 1),  # … as two intervals
        ("America/New_York", "00:00-24:00", date(2026, 3, 8), 23),
        ("America/New_York", "00:00-24:00", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", "01:00-03:00", date(2026, 10, 4), 1.5),  # half an hour, the only zone with one
        ("Australia/Lord_Howe", "01:00-03:00", date(2026, 4, 5), 2.5),
        ("Africa/Cairo", "00:00-02:00", date(2026, 4, 24), 1),  # the day begins at 01:00
        ("Africa/Cairo", "22:00-24:00", date(2026, 10, 29), 3),  # 23:00 to 24:00 comes twice
        ("Asia/Tehran", "00:00-02:00", date(2021, 3, 22), 1),
        ("America/Sao_Paulo", "22:00-24:00", date(2018, 2, 17), 3),
        ("America/Sao_Paulo", "00:00-02:00", date(2018, 11, 4), 1),
        ("America/St_Johns", "23:00-24:00", date(2006, 10, 28), 1 + 59 / 60),  # back at 00:01, into the day before
        ("Pacific/Apia", "09:00-17:00", date(2011, 12, 30), 0),  # skipped: Samoa crossed the date line
        ("Europe/Madrid", "09:00-17:00", date(2024, 2, 29), 8),
    ],
)
def test_on_days_of_a_clock_change_time_counts_as_it_really_elapses(zone, opening, day, real):
    weekday = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()]
    closed = [Closure(day - timedelta(days=7)), Closure(day + timedelta(days=7))]
    cal = calendar(zone, {weekday: [opening]}, closures=closed)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    before, after = noon - timedelta(days=3), noon + timedelta(days=3)
    assert elapsed(cal, before, after) == hours(real)
    if real:
        assert elapsed(cal, before, deadline(cal, before, hours(real))) == hours(real)


def test_an_hour_that_comes_twice_is_two_intervals():
    cal = calendar("Europe/Madrid", {"sun": ["02:15-02:45"]})
    counted = count(cal, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
    assert [(start.strftime("%H:%M"), end.strftime("%H:%M")) for start, end in counted] == [
        ("00:15", "00:45"),
        ("01:15", "01:45"),
    ]


def test_a_part_of_a_day_can_be_closed():
    lunch = calendar("UTC", {"mon": ["09:00-17:00"]}, closures=[Closure(date(2026, 6, 1), hours=("12:00-13:30",))])
    at = datetime(2026, 6, 1, tzinfo=UTC)
    assert [(first.hour, last.hour) for first, last in count(lunch, at, at + timedelta(days=1))] == [(9, 12), (13, 17)]


def test_pauses_are_gaps_in_the_calendar():
    start = madrid("2026-06-01T10:00")
    over_lunch = (madrid("2026-06-01T13:00"), madrid("2026-06-01T17:00"))
    inside_it = (madrid("2026-06-01T13:30"), madrid("2026-06-01T14:30"))
    before = (madrid("2026-05-28T09:00"), madrid("2026-06-01T10:30"))
    assert deadline(OFFICE, start, hours(3), [over_lunch]) == madrid("2026-06-01T13:00"), "begins on the deadline"
    assert deadline(OFFICE, start, hours(4), [inside_it, over_lunch]) == madrid("2026-06-01T18:00")
    assert deadline(OFFICE, start, hours(4), [over_lunch, before]) == madrid("2026-06-01T18:30")
    assert elapsed(OFFICE, start, madrid("2026-06-01T18:30"), [before, over_lunch]) == hours(4)
    assert count(OFFICE, start, madrid("2026-06-01T18:00"), [over_lunch]) == (
        Interval(start, madrid("2026-06-01T13:00")),
        Interval(madrid("2026-06-01T17:00"), madrid("2026-06-01T18:00")),
    )


def test_always_is_plain_time():
    start = madrid("2026-03-28T10:00")
    assert deadline(always, start, timedelta(days=21, microseconds=1)) == start.astimezone(UTC) + timedelta(
        days=21, microseconds=1
    )
    assert deadline(always, datetime(2026, 6, 3, 22, tzinfo=UTC), hours(2)) == datetime(2026, 6, 4, tzinfo=UTC)
    assert elapsed(always, start, start.astimezone(UTC) + timedelta(days=999)) == timedelta(days=999)
    assert deadline(always, start, timedelta(days=3660)) == start.astimezone(UTC) + timedelta(days=3660)
    assert len(count(always, start, start + timedelta(days=60))) == 1


def test_nothing_elapses_backwards():
    assert elapsed(OFFICE, madrid("2026-06-02T10:00"), madrid("2026-06-01T10:00")) == timedelta(0)
    assert count(OFFICE, madrid("2026-06-02T10:00"), madrid("2026-06-01T10:00")) == ()


def test_a_calendar_that_never_opens_again_says_so():
    shut = calendar("UTC", {"mon": ["09:00-17:00"]}, closures=[Closure(date(2020, 1, 1), date(2199, 1, 1))])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(NeverOpens, match="not open for 4:00:00 within ten years after 2026-01-01; mend"):
        deadline(shut, start, hours(4))
    with pytest.raises(NeverOpens, match="does not open within ten years"):
        next_opening(shut, start)
    assert deadline(shut, start, timedelta(0)) == start


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deadline(always, datetime.fromisoformat("2026-01-01"), hours(1)), "without a zone"),
        (lambda: deadline(always, datetime(2026, 1, 1, tzinfo=UTC), hours(-1)), "not negative"),
        (lambda: is_open(always, datetime(1969, 12, 31, tzinfo=UTC)), "1970 to 2199"),
        (lambda: next_opening(always, datetime.max.replace(tzinfo=UTC)), "1970 to 2199"),
        (
            lambda: elapsed(
                OFFICE, madrid("2026-01-01"), madrid("2026-01-02"), [(madrid("2026-01-02"), madrid("2026-01-01"))]
            ),
            "a pause ends before it starts",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_cost_grows_with_weeks_crossed_and_memory_is_bounded():
    cal = calendar("Europe/Madrid", dict.fromkeys(WORKDAYS, ("09:00-14:00", "16:00-19:00")))
    deadline(cal, madrid("2026-06-01T10:00"), hours(30))
    assert len(cal.weeks) <= 2, "a deadline within a week looks at no more than two weeks of UTC"
    deadline(cal, madrid("2026-06-01T10:00"), hours(400))
    assert len(cal.weeks) == 11, "ten weeks' work"
    elapsed(cal, madrid("1990-01-01"), madrid("2026-01-01"))
    assert len(cal.weeks) <= MOST_WEEKS
