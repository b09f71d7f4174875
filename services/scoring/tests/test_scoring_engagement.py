"""Engagement is the same in any order and any splitting, fades by halves, stops at its cap, and says when it falls."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from relevo.playbook import Levels
from scoring.engagement import MICROSECONDS, Decaying, Term, add, falls_at, total
from scoring.moments import micros, moment

DAY = 86_400 * MICROSECONDS
T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEVELS = Levels.model_validate({"1": 40, "2": 10})

occurred = st.integers(micros(datetime(2000, 1, 1, tzinfo=UTC)), micros(datetime(2026, 3, 3, tzinfo=UTC)))
half_lives = st.floats(3_600, 3_660 * 86_400).map(lambda seconds: seconds * MICROSECONDS)  # an hour to ten years


def summed(moments: list[tuple[float, int]], half_life: float) -> Decaying:
    kept: Decaying | None = None
    for points, at in moments:
        kept = add(kept, points, half_life, at)
    assert kept is not None
    return kept


@given(
    st.lists(st.tuples(st.floats(-100, 100), occurred), min_size=1, max_size=40).flatmap(
        lambda moments: st.tuples(st.just(moments), st.permutations(moments))
    ),
    half_lives,
)
def test_any_order_gives_the_same_value_at_the_same_moment(
    orders: tuple[list[tuple[float, int]], list[tuple[float, int]]], half_life: float
) -> None:
    one, other = (summed(order, half_life) for order in orders)
    assert (one.at, one.touchpoints) == (other.at, other.touchpoints)
    assert abs(one.value - other.value) < 1e-6


def test_half_is_gone_after_each_half_life() -> None:
    at = micros(T0)
    kept = summed([(20, at), (20, at - 10 * DAY)], 10 * DAY)  # 20 + 10
    assert kept == Decaying(30, at, 2)
    late = add(kept, 20, 10 * DAY, at - 20 * DAY)  # + 5, however late it is heard of
    assert late == Decaying(35, at, 3)
    newer = add(late, 20, 10 * DAY, at + 10 * DAY)  # 17.5 + 20
    assert newer == Decaying(37.5, at + 10 * DAY, 4)


def test_the_cap_bounds_what_is_read_not_what_is_kept() -> None:
    term = Term(100, 5 * DAY, 40)
    assert [term.after(days * DAY) for days in (0, 5, 10, 15)] == [40, 40, 25, 12.5]
    assert Term(-100, 5 * DAY, 40).after(0) == -40


def test_a_level_falls_when_the_points_have_faded() -> None:
    # 80 points, half of them gone every 5 days: 40 after 5 days, less a moment later; 10 after 15 days.
    falls = falls_at([Term(80, 5 * DAY, 1000)], LEVELS, T0)
    assert falls is not None
    assert timedelta(0) < falls - (T0 + timedelta(days=5)) < timedelta(seconds=2)
    later = falls_at([Term(39, 5 * DAY, 1000)], LEVELS, T0)
    assert later is not None
    assert timedelta(days=9, hours=19) < later - T0 < timedelta(days=9, hours=20)  # 5 · log2(3.9) days


def test_the_lowest_level_does_not_fall() -> None:
    assert falls_at([], LEVELS, T0) is None
    assert falls_at([Term(9, DAY, 1000)], LEVELS, T0) is None


def test_a_capped_signal_holds_the_level_until_it_is_below_its_cap() -> None:
    falls = falls_at([Term(160, 5 * DAY, 45)], LEVELS, T0)  # 45 until 9.1 days, 40 at 10 days
    assert falls is not None
    assert timedelta(0) < falls - (T0 + timedelta(days=10)) < timedelta(seconds=2)


def test_a_loss_that_fades_sooner_than_the_gain_does_not_count_as_a_fall() -> None:
    # 60 - 19 = 41 now; the loss is gone in hours, the gain holds for days: the first fall is the gain's own.
    falls = falls_at([Term(60, 10 * DAY, 1000), Term(-19, DAY / 24, 1000)], LEVELS, T0)
    assert falls is not None
    assert timedelta(days=5) < falls - T0 < timedelta(days=6)  # 10 · log2(60 / 40) = 5.85


@given(
    st.lists(st.tuples(st.floats(-80, 120), half_lives, st.floats(1, 100)), min_size=1, max_size=6),
)
def test_the_level_holds_until_it_is_said_to_fall(terms: list[tuple[float, float, float]]) -> None:
    read = [Term(*each) for each in terms]
    level = LEVELS.level(total(read))
    falls = falls_at(read, LEVELS, T0)
    if falls is None:
        return
    elapsed = micros(falls) - micros(T0)

    def level_after(share: float) -> int:
        return LEVELS.level(sum(term.after(elapsed * share) for term in read))

    assert level_after(1) > level
    second = MICROSECONDS / elapsed  # it is said a second late at most
    assert all(level_after(step / 50) <= level for step in range(49) if step / 50 < 1 - second)


def test_moments_are_exact() -> None:
    exact = datetime(2026, 3, 2, 9, 0, 0, 123_457, tzinfo=UTC)
    assert moment(micros(exact)) == exact
