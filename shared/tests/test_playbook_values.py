"""Durations, moments and amounts: what is written is what is read, there and back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from relevo.playbook import At, format_duration, parse_at, parse_duration
from relevo.playbook.values import LONGEST, Amount

durations = st.integers(1, int(LONGEST.total_seconds())).map(lambda seconds: timedelta(seconds=seconds))


@given(durations)
def test_durations_there_and_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_units_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    written = "".join(f"{n}{unit}" for n, unit in zip((days, hours, minutes, seconds), "dhms", strict=True) if n)
    if written:
        meant = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        assert parse_duration(written) == meant
        assert parse_duration(format_duration(meant)) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("14d", timedelta(14)), ("4h", timedelta(hours=4)), ("45m", timedelta(minutes=45)), ("90m", timedelta(hours=1.5)),
     ("1h30m", timedelta(minutes=90)), (" 30s ", timedelta(seconds=30))],
)  # fmt: skip
def test_durations(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize(
    "written",
    ["", "4", "h", "4 h", "4hours", "-4h", "1.5h", "30m1h", "0h", "4h4h", "99999d", "٤h", 4, None, True, ["4h"]],
)
def test_no_durations(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration|too short or too long"):
        parse_duration(written)


@given(st.integers(1, 1_000_000), durations)
def test_shares_there_and_back(thousandths: int, target: timedelta) -> None:
    written = f"{thousandths / 1000:.3f}%"
    at = parse_at(written)
    assert parse_at(str(at)).of(target) == pytest.approx(
        at.of(target), abs=timedelta(seconds=target.total_seconds() * 1e-6)
    )
    assert at.of(target) == target * (float(written[:-1]) / 100)


@given(durations, durations)
def test_a_time_after_the_start_does_not_depend_on_the_target(after: timedelta, target: timedelta) -> None:
    assert parse_at(format_duration(after)).of(target) == after
    assert str(parse_at(format_duration(after))) == format_duration(after)


def test_moments() -> None:
    target = timedelta(hours=4)
    assert parse_at("50%") == At(share=0.5)
    assert [parse_at(text).of(target) for text in ("50%", "100%", "12.5%", "150%", "45m")] == [
        timedelta(hours=2), timedelta(hours=4), timedelta(minutes=30), timedelta(hours=6), timedelta(minutes=45),
    ]  # fmt: skip
    assert [str(parse_at(text)) for text in ("50%", "12.5%", "33.333%", "90m")] == ["50%", "12.5%", "33.333%", "1h30m"]


@pytest.mark.parametrize("written", ["", "0%", "1001%", "-5%", "half", "50 percent", 0.5, None])
def test_no_moments(written: object) -> None:
    with pytest.raises(ValueError, match=r"moment|too little or too much"):
        parse_at(written)


def test_amounts() -> None:
    amount = TypeAdapter(Amount)
    assert [amount.validate_python(value) for value in (40, 2.5, "80%", "12.5%")] == [40, 2.5, 0.8, 0.125]
    for wrong in (0, -1, True, "40", "80", "", None, "0%", 1e15):
        with pytest.raises(ValidationError):
            amount.validate_python(wrong)
