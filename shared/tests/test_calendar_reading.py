"""Shows that a wrong calendar is refused with every mistake at once, each saying where it is and how to mend it."""

from datetime import date

import pytest

from relevo.calendar import CalendarError, Closure, Holidays, calendar

GOOD = {"mon": ["09:00-17:00"]}


@pytest.mark.parametrize(
    ("arguments", "where", "message"),
    [
        (("Europe/Madird", GOOD), ("zone",), "no time zone 'Europe/Madird'; did you mean Europe/Madrid"),
        (("Europe", GOOD), ("zone",), "write an IANA name, such as Europe/Madrid"),
        (("/etc/localtime", GOOD), ("zone",), "no time zone"),
        (("", GOOD), ("zone",), "no time zone"),
        (("localtime", GOOD), ("zone",), "no time zone"),
        (("right/Europe/Madrid", GOOD), ("zone",), "no time zone"),
        (("UTC", {}), ("hours",), "no opening hours; give at least one day an interval"),
        (("UTC", {"mon": []}), ("hours",), "no opening hours"),
        (("UTC", {"monday": ["09:00-17:00"]}), ("hours", "monday"), "did you mean mon"),
        (("UTC", {"lunes": ["09:00-17:00"]}), ("hours", "lunes"), "write one of mon, tue"),
        (("UTC", {"mon": "09:00-17:00"}), ("hours", "mon"), r"write a list of intervals: \[09:00-17:00\]"),
        (("UTC", {"mon": ["9-17"]}), ("hours", "mon", 0), "'9-17' is no interval"),
        (("UTC", {"mon": ["09:00-24:30"]}), ("hours", "mon", 0), "is no interval"),
        (("UTC", {"mon": ["24:00-24:00"]}), ("hours", "mon", 0), "is no interval"),
        (("UTC", {"mon": ["٠٩:00-17:00"]}), ("hours", "mon", 0), "is no interval"),
        (("UTC", {"mon": ["22:00-06:00"]}), ("hours", "mon", 0), "22:00-24:00 here and 00:00-06:00 on the next day"),
        (("UTC", {"mon": ["09:00-09:00"]}), ("hours", "mon", 0), "ends before it begins"),
        (("UTC", {"mon": ["09:00-14:00", "13:00-19:00"]}), ("hours", "mon", 1), "13:00-19:00 overlaps"),
        (("UTC", {"mon": ["16:00-19:00", "09:00-14:00"]}), ("hours", "mon", 1), "09:00-14:00 comes before"),
        (("UTC", GOOD, Holidays("Spain")), ("holidays", "country"), "write the ISO code of a country"),
        (("UTC", GOOD, Holidays("es")), ("holidays", "country"), "did you mean ES"),
        (
            ("UTC", GOOD, Holidays("ES", "Madrid")),
            ("holidays", "subdivision"),
            "ES has no region 'Madrid'; known are: AN,",
        ),
        (("UTC", GOOD, None, [Closure(date(2026, 2, 1), date(2026, 1, 1))]), ("closures", 0), "swap the two dates"),
        (
            ("UTC", GOOD, None, [Closure(date(2026, 2, 1), hours=("14-24",))]),
            ("closures", 0, "hours", 0),
            "no interval",
        ),
    ],
)
def test_each_mistake_is_named_with_its_place_and_its_mend(arguments, where, message):
    with pytest.raises(CalendarError, match=message) as refused:
        calendar(*arguments)
    assert [problem.where for problem in refused.value.problems] == [where]


def test_all_mistakes_come_at_once():
    with pytest.raises(CalendarError) as refused:
        calendar(
            "Mars/Olympus",
            {"mon": ["9-17"], "fri": ["17:00-09:00"]},
            Holidays("XX"),
            [Closure(date(2, 1, 2), date(1, 1, 1))],
        )
    assert [problem.where for problem in refused.value.problems] == [
        ("zone",),
        ("holidays", "country"),
        ("hours", "mon", 0),
        ("hours", "fri", 0),
        ("closures", 0),
    ]
    assert str(refused.value).splitlines()[2] == (
        "hours.mon.0: '9-17' is no interval; write two times of 24 hours, such as 09:00-14:00 (24:00 ends the day)"
    )


def test_calendars_are_equal_when_their_data_are():
    written = ("Europe/Madrid", {"mon": ["09:00-14:00", "14:00-19:00"], "tue": []}, Holidays("ES", "MD"))
    one, other = calendar(*written), calendar(*written)
    assert one == other
    assert hash(one) == hash(other)
    assert one != calendar("Europe/Madrid", {"mon": ["09:00-19:00"]}, Holidays("ES"))
