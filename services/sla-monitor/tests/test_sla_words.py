"""A preview in words: by the wall clock of the calendar's zone, also on the day on which it changes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from relevo.calendar import calendar, count
from sla_monitor.clock import Promise, Rung, begin, steps
from sla_monitor.words import in_words

MADRID = calendar("Europe/Madrid", {"sun": ["00:00-06:00"], "mon": ["09:00-10:30"]})


def test_an_interval_over_a_clock_change_names_both_offsets_and_pauses_say_what_they_cost():
    start = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
    pauses = [
        (start + timedelta(hours=6, seconds=30), start + timedelta(hours=12)),
        (start + timedelta(hours=20), start + timedelta(hours=21)),
    ]
    promise = Promise("p", timedelta(hours=7), (Rung(timedelta(hours=8), "warn_manager"),))
    ladder = steps(begin(UUID(int=1), 1, "first_contact", promise, start), MADRID)
    counted = count(MADRID, start, datetime(2026, 10, 26, 9, 30, tzinfo=UTC), pauses)
    lines = in_words(MADRID, start, counted, pauses, ladder)
    assert lines == [
        "Sun 25 Oct 2026 00:30 CEST to Sun 25 Oct 2026 05:30:30 CET: 6 h 30 s, 6 h 30 s in all",
        "Sun 25 Oct 2026 05:30:30 CET to 11:30: paused, 29 min 30 s do not count",
        "Sun 25 Oct 2026 19:30 CET to 20:30: paused, closed anyway",
        "Mon 26 Oct 2026 09:00 CET to 10:30: 1 h 30 min, 7 h 30 min 30 s in all",
        "Mon 26 Oct 2026 09:30 CET: 7 h have passed, the target: counted as a breach",
        "Mon 26 Oct 2026 10:30 CET: 8 h have passed, after the target: warn_manager",
    ]
