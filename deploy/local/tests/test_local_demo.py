"""The demo's story is the same for the same seed, fits into any quarter of any year, and its check names what lacks."""

from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relevo.calendar import is_open
from relevo_local.story.access import SOURCES, grant
from relevo_local.story.cast import Cast, cast
from relevo_local.story.check import LEAST_PEOPLE, missing
from relevo_local.story.plan import QUARTER, Plan, plan
from relevo_local.story.replies import replies
from relevo_local.story.stage import example
from relevo_local.story.tally import Tally, percentile

TODAY = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def who() -> Cast:
    return cast(example())


def planned(who: Cast, seed: int = 7, today: datetime = TODAY) -> Plan:
    return plan(seed, today, who.hours, ZoneInfo(who.zone), guests=10)


def test_the_same_seed_tells_the_same_story_and_another_one_another(who: Cast) -> None:
    assert planned(who, 7) == planned(who, 7)
    assert planned(who, 8) != planned(who, 7)


@pytest.mark.parametrize(
    "today",
    [
        TODAY,
        datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),  # a holiday after a holiday
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # the clocks have just changed, on a Sunday
        datetime(2027, 4, 5, 3, tzinfo=UTC),  # after Easter
        datetime(2027, 8, 31, 23, 59, tzinfo=UTC),  # after a month of summer hours
        datetime(2028, 2, 29, 12, tzinfo=UTC),
    ],
)
def test_the_clock_stops_in_opening_hours_and_everything_has_happened_by_then(who: Cast, today: datetime) -> None:
    story = planned(who, today=today)
    moments = [stop.at for stop in story.stops]
    assert moments == sorted(moments)
    assert len(moments) > 15
    assert today - QUARTER - timedelta(days=1) < moments[0]
    assert moments[-1] < today
    assert moments[0] < story.silent_from < moments[-1]
    assert all(is_open(who.hours, moment) for moment in moments)
    for stop in story.stops:
        assert all(touch.at <= stop.at for touch in stop.touches)
        assert all(moments[bisect_left(moments, touch.at)] == stop.at for touch in stop.touches)
        assert all(touch.at == stop.at for touch in stop.touches if touch.way == "form"), "browsers send forms at once"


def test_the_cast_is_large_enough_and_every_source_is_used(who: Cast) -> None:
    touches = [touch for stop in planned(who).stops for touch in stop.touches]
    told: Counter[str] = Counter(touch.source for touch in touches)
    assert set(told) == set(SOURCES)
    assert len(SOURCES) == 6
    assert len(_addresses(touches)) >= LEAST_PEOPLE
    assert len(who.names) == 12 + 1, "twelve reps and their manager"
    assert who.silent != who.critic


def test_keys_are_drawn_afresh_and_only_their_hashes_are_written(who: Cast, tmp_path: Any) -> None:
    first = grant(tmp_path, who.names)
    written = (tmp_path / "sources.yaml").read_text() + (tmp_path / "tokens.yaml").read_text()
    assert not [key for key in (*first.sources.values(), *first.reps.values()) if key in written]
    assert grant(tmp_path, who.names) != first


def test_a_rep_says_the_same_of_the_same_lead_and_in_time() -> None:
    lead = {"version": 1, "cell": "A2", "snapshot": {"contact": {"email": "olga@talleres.example"}, "company": {}}}
    said = replies(7, lead, TODAY, rejects=False)
    assert said == replies(7, lead, TODAY, rejects=False)
    assert [reply.at for reply in said] == sorted(reply.at for reply in said)
    assert said[0].at - TODAY < timedelta(minutes=50)
    (rejected,) = replies(7, lead, TODAY, rejects=True)
    assert rejected.body["reason"]


def test_the_check_names_all_that_lacks_where_nothing_happened(who: Cast) -> None:
    nothing = Tally((), Counter(), Counter(), {"mql": 0, "sql": 0}, (), 0, (), {}, (), 0, ())
    lacking = "\n".join(missing(nothing, planned(who), who))
    for word in (*SOURCES, "said who they are", "MQLs", "rejected no lead", "no lead was won", "no breach was counted"):
        assert word in lacking


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([5, 1, 4, 2, 3], 0.5) == 3
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([7.04], 0.99) == 7.0


def _addresses(touches: list[Any]) -> set[str]:
    told = [touch.told for touch in touches]
    return {
        address
        for each in told
        for address in (each.get("email"), each.get("fields", {}).get("email"), each.get("traits", {}).get("email"))
        if address
    }
