"""Shows when a failed webhook is tried again: the published schedule, ±20 %, later if the target asks for it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.schedule import PAUSES, next_try, outcome, retry_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def test_twelve_tries_over_three_days() -> None:
    assert [pause / SECOND for pause in PAUSES] == [
        0, 5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    ]  # fmt: skip
    assert sum(PAUSES, timedelta()) > timedelta(days=3)
    assert next_try(len(PAUSES), NOW, 0.5) is None


@given(st.integers(1, len(PAUSES) - 1), st.floats(0, 1))
def test_a_pause_is_off_by_a_fifth_at_most(tries: int, chance: float) -> None:
    due = next_try(tries, NOW, chance)
    assert due is not None
    assert 0.8 - 1e-6 <= (due - NOW) / PAUSES[tries] <= 1.2 + 1e-6


@given(st.integers(1, len(PAUSES) - 1), st.floats(0, 1), st.timedeltas(timedelta(0), timedelta(days=90)))
def test_a_target_can_slow_us_down_and_neither_hurry_nor_stop_us(tries: int, chance: float, wish: timedelta) -> None:
    plain, asked = next_try(tries, NOW, chance), next_try(tries, NOW, chance, wish)
    assert plain is not None
    assert asked is not None
    assert plain <= asked <= max(plain, NOW + 24 * HOUR)
    assert asked >= NOW + min(wish, 24 * HOUR)


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        (format_datetime(NOW + HOUR, usegmt=True), HOUR),
        (format_datetime(NOW - HOUR, usegmt=True), timedelta(0)),
        ("9" * 400, timedelta(seconds=10**6)),
        ("-5", None), ("soon", None), ("", None), ("٣", None), (None, None),
    ],
)  # fmt: skip
def test_retry_after_as_targets_write_it(header: str | None, wish: timedelta | None) -> None:
    assert retry_after(header, NOW) == wish


def test_what_an_answer_means() -> None:
    assert {status: outcome(status) for status in (200, 204, 299)} == {200: "made", 204: "made", 299: "made"}
    assert outcome(410) == "gone"
    assert {outcome(status) for status in (None, 100, 301, 302, 307, 400, 401, 404, 429, 500, 503)} == {"again"}
