"""Shows that deadline and elapsed are exact inverses in every zone, and equal to counting minutes one by one."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from relevo.calendar import Calendar, Closure, Holidays, calendar, count, deadline, elapsed, is_open, next_opening

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = {  # each with the days around its clock changes
    "Europe/Madrid": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),  # half an hour
    "Africa/Cairo": (date(2026, 4, 24), date(2026, 10, 30)),  # at midnight: 00:00 does not exist
    "America/Sao_Paulo": (date(2018, 2, 18), date(2018, 11, 4)),  # at midnight: Saturday's last hour comes twice
    "Asia/Tehran": (date(2021, 3, 22), date(2021, 9, 22)),
    "Pacific/Apia": (date(2011, 12, 30), date(2012, 4, 1)),  # a whole day that does not exist
    "UTC": (date(2024, 2, 29), date(2028, 2, 29)),
}


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def intervals(draw: st.DrawFn) -> list[str]:
    """Up to three intervals of a day; they may touch each other, and end at 24:00."""
    edges = sorted(draw(st.lists(st.integers(0, 96), max_size=6, unique=True)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    if len(pairs) > 1 and draw(st.booleans()):
        pairs[0] = (pairs[0][0], pairs[1][0])
    return [f"{written(start * 15)}-{written(end * 15)}" for start, end in pairs]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, dict[str, list[str]], list[Closure], datetime]:
    """Zone, hours, closures, and an instant near one of the zone's clock changes."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    near = draw(st.sampled_from(ZONES[zone]))
    hours = draw(st.dictionaries(st.sampled_from(DAYS), intervals(), min_size=1))
    assume(any(hours.values()))
    closures = [
        Closure(near + timedelta(days=first), near + timedelta(days=first + more), tuple(parts))
        for first, more, parts in draw(
            st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 2), intervals()), max_size=2)
        )
    ]
    midnight = datetime(near.year, near.month, near.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    at = midnight + timedelta(minutes=draw(st.integers(-3 * 1440, 2 * 1440)))
    return zone, hours, closures, at


@st.composite
def pauses(draw: st.DrawFn, start: datetime) -> list[tuple[datetime, datetime]]:
    """In no order, overlapping, some before the start."""
    drawn = draw(st.lists(st.tuples(st.integers(-600, 9000), st.integers(0, 2000)), max_size=4))
    return [(start + timedelta(minutes=a), start + timedelta(minutes=a + b)) for a, b in drawn]


microseconds = st.integers(0, 60 * 3600 * 10**6).map(lambda count: timedelta(microseconds=count))
quick = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(worlds(), microseconds, st.data())
def test_elapsed_is_the_inverse_of_deadline(world, budget, data):
    zone, hours, closures, start = world
    cal = calendar(zone, hours, closures=closures)
    gaps = data.draw(pauses(start))
    due = deadline(cal, start, budget, gaps)
    assert due.tzinfo is UTC
    assert elapsed(cal, start, due, gaps) == budget
    if budget:  # … and it is the earliest such instant
        assert elapsed(cal, start, due - timedelta(microseconds=1), gaps) < budget
    else:
        assert due == start


@quick
@given(worlds(), microseconds, microseconds, st.data())
def test_deadline_and_elapsed_are_monotone_and_additive(world, one, other, data):
    zone, hours, closures, start = world
    cal = calendar(zone, hours, closures=closures)
    gaps = data.draw(pauses(start))
    first = deadline(cal, start, one, gaps)
    second = deadline(cal, first, other, gaps)
    assert start <= first <= second
    assert deadline(cal, start, one + other, gaps) == (second if other else first)
    assert elapsed(cal, start, second, gaps) == elapsed(cal, start, first, gaps) + elapsed(cal, first, second, gaps)
    late = start + timedelta(hours=5)
    assert deadline(cal, late, one, gaps) >= first


@quick
@given(worlds(), st.integers(0, 9 * 24 * 60), st.data())
def test_what_is_counted_adds_up_to_what_has_elapsed(world, minutes, data):
    zone, hours, closures, start = world
    cal = calendar(zone, hours, closures=closures)
    gaps = data.draw(pauses(start))
    end = start + timedelta(minutes=minutes)
    counted = count(cal, start, end, gaps)
    assert sum((last - first for first, last in counted), timedelta(0)) == elapsed(cal, start, end, gaps)
    assert all(start <= first < last <= end for first, last in counted)
    assert all(before[1] < after[0] for before, after in pairwise(counted))
    for first, last in count(cal, start, end):
        assert is_open(cal, first)
        assert is_open(cal, last - timedelta(microseconds=1))
        assert last == end or not is_open(cal, last)


@quick
@given(worlds())
def test_the_next_opening_is_the_first_open_instant(world):
    zone, hours, closures, start = world
    cal = calendar(zone, hours, closures=closures)
    opening = next_opening(cal, start)
    assert is_open(cal, opening)
    assert elapsed(cal, start, opening) == timedelta(0)
    assert (opening == start) == is_open(cal, start)


def minutes_open(
    zone: str, hours: dict[str, list[str]], closures: list[Closure], start: datetime, minutes: int
) -> list[bool]:
    """The obvious way: look at the wall clock once a minute. Shares no code with the room."""

    def inside(texts: list[str] | tuple[str, ...], time: str) -> bool:
        return any(text[:5] <= time < text[6:] for text in texts)

    seen = []
    for minute in range(minutes):
        wall = (start + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))
        day, time = wall.date(), wall.strftime("%H:%M")
        closed = any(
            closure.start <= day <= (closure.end or closure.start)
            and (not closure.hours or inside(closure.hours, time))
            for closure in closures
        )
        seen.append(inside(hours.get(DAYS[day.weekday()], []), time) and not closed)
    return seen


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.data())
def test_it_equals_counting_minute_by_minute(world, data):
    zone, hours, closures, start = world
    cal = calendar(zone, hours, closures=closures)
    gaps = data.draw(pauses(start))
    length = 5 * 1440
    wall = minutes_open(zone, hours, closures, start, length)
    moments = [start + timedelta(minutes=minute) for minute in range(length)]
    counts = [
        shown and not any(first <= at < last for first, last in gaps) for shown, at in zip(wall, moments, strict=True)
    ]
    assert [is_open(cal, at) for at in moments] == wall
    until = data.draw(st.integers(0, length))
    assert elapsed(cal, start, start + timedelta(minutes=until), gaps) == timedelta(minutes=sum(counts[:until]))
    if total := sum(counts):
        budget = data.draw(st.integers(1, total))
        position = [minute for minute, counted in enumerate(counts) if counted][budget - 1]
        assert deadline(cal, start, timedelta(minutes=budget), gaps) == start + timedelta(minutes=position + 1)


@settings(max_examples=60)
@given(
    st.integers(0, 11 * 365 * 24 * 60).map(lambda minute: datetime(2019, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)),
    microseconds,
    st.sampled_from(
        [("ES", "MD", "Europe/Madrid"), ("US", "NY", "America/New_York"), ("BR", "SP", "America/Sao_Paulo")]
    ),
)
def test_the_inverse_holds_over_public_holidays_and_leap_days(start, budget, place):
    country, region, zone = place
    cal = calendar(zone, dict.fromkeys(DAYS[:5], ("09:00-14:00", "16:00-19:00")), Holidays(country, region))
    due = deadline(cal, start, budget)
    assert elapsed(cal, start, due) == budget
    assert elapsed(cal, start, due + timedelta(days=400)) > budget


def test_one_calendar_answers_the_same_before_and_after_its_weeks_are_forgotten():
    def build() -> Calendar:
        return calendar("Europe/Madrid", {"wed": ["10:00-13:00"]}, Holidays("ES", "CT"))

    used, fresh = build(), build()
    start = datetime(2000, 1, 1, tzinfo=UTC)
    elapsed(used, start, start + timedelta(days=365 * 40))
    for years in range(0, 40, 7):
        at = start + timedelta(days=365 * years)
        assert deadline(used, at, timedelta(hours=50)) == deadline(fresh, at, timedelta(hours=50))
    assert used == fresh
