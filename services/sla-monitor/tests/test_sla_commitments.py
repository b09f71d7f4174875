"""What both teams committed to: what counts, in which period, at what pace; each change said once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from relevo.calendar import always, calendar
from relevo.playbook import Commitment
from sla_monitor.commitments import Counted, period_of, progress, share_gone
from sla_monitor.handlers import erase, keep_clocks, note_mqls
from sla_monitor.reckoning import say_changes

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
MEASURES = {
    "mqls": 4, "acceptance_rate": 0.5, "data_completeness": 0.5,
    "answered_in_time": 0.9, "contacted_in_time": 0.9, "closed_in_time": 0.9,
}  # fmt: skip


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def promised(measure: str = "mqls", target: float = 40, **more: Any) -> Commitment:
    side = "marketing" if measure in ("mqls", "acceptance_rate", "data_completeness") else "sales"
    return Commitment(id=measure, name=measure, side=side, measure=measure, period="month", target=target, **more)


def written(*teams: str) -> str:
    """Commitments of a week, of all teams or of each of these."""
    lines = ["commitments:"]
    for team in teams or (None,):
        for measure, target in MEASURES.items():
            side = promised(measure).side
            of = f", team: {team}" if team else ""
            lines.append(
                f"  - {{id: {measure.replace('_', '-')}{'-' + team if team else ''}, name: {measure}, side: {side},"
                f" measure: {measure}, period: week, target: {target}{of}}}"
            )
    return "\n".join(lines) + "\n"


# --- periods and pace ---


@pytest.mark.parametrize(
    ("span", "moment", "back", "start", "end"),
    [
        ("week", "2026-03-29T23:30:00+00:00", 0, "2026-03-29T22:00:00+00:00", "2026-04-05T22:00:00+00:00"),
        ("week", "2026-03-29T21:30:00+00:00", 0, "2026-03-22T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("month", "2026-01-31T23:30:00+00:00", 0, "2026-01-31T23:00:00+00:00", "2026-02-28T23:00:00+00:00"),
        ("month", "2026-01-15T12:00:00+00:00", 1, "2025-11-30T23:00:00+00:00", "2025-12-31T23:00:00+00:00"),
        ("quarter", "2026-05-15T12:00:00+00:00", 0, "2026-03-31T22:00:00+00:00", "2026-06-30T22:00:00+00:00"),
        ("quarter", "2026-01-01T12:00:00+00:00", 1, "2025-09-30T22:00:00+00:00", "2025-12-31T23:00:00+00:00"),
    ],
)
def test_a_period_is_the_company_s_own_from_midnight_to_midnight(span, moment, back, start, end):
    found = period_of(span, "Europe/Madrid", datetime.fromisoformat(moment), back)
    assert found == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_the_pace_is_that_of_opening_hours():
    office = calendar("UTC", dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:00-17:00",)))
    week = period_of("week", "UTC", at(12))
    assert [share_gone([office], week, at(hour, day)) for day, hour in ((0, 9), (0, 13), (1, 3), (5, 0), (6, 23))] == [
        0, 0.1, 0.2, 1, 1,
    ]  # fmt: skip
    assert share_gone([office, always], week, at(0, 1)) == pytest.approx((8 + 24) / (40 + 168)), "of both teams"
    assert share_gone([], week, at(12, 3)) == 0.5, "nobody's hours: plain time"
    shut = calendar("UTC", {"mon": ["09:00-10:00"]}, closures=[])
    assert share_gone([shut], week, at(9.5)) == 0.5


@pytest.mark.parametrize(
    ("counted", "gone", "over", "state", "pace", "projection"),
    [
        (Counted(0), 0.0, False, "on_track", 0, 40),
        (Counted(0), 0.02, False, "on_track", 0.8, 0),  # not a whole one behind
        (Counted(0), 0.025, False, "at_risk", 1, 0),
        (Counted(20), 0.5, False, "on_track", 20, 40),
        (Counted(19), 0.5, False, "at_risk", 20, 38),
        (Counted(40), 0.5, False, "met", 20, 80),
        (Counted(39), 1.0, True, "missed", 40, 39),
        (Counted(40), 1.0, True, "met", 40, 40),
    ],
)
def test_a_number_against_its_pace(counted, gone, over, state, pace, projection):
    found = progress(promised("mqls", 40), counted, gone, over=over)
    assert (found.state, found.pace, found.projection, found.actual) == (state, pace, projection, counted.total)


@pytest.mark.parametrize(
    ("counted", "over", "state", "actual"),
    [
        (Counted(0, 0), False, "on_track", 0.8),
        (Counted(0, 0), True, "met", 0.8),  # nothing was asked for
        (Counted(1, 0), False, "on_track", 0.0),  # the first one decides nothing
        (Counted(5, 3), False, "at_risk", 0.6),
        (Counted(5, 4), False, "on_track", 0.8),
        (Counted(5, 4), True, "met", 0.8),
        (Counted(6, 4), False, "on_track", 4 / 6),  # less than one behind
        (Counted(6, 4), True, "missed", 4 / 6),
    ],
)
def test_a_rate_against_its_target(counted, over, state, actual):
    found = progress(promised("acceptance_rate", 0.8), counted, 0.5, over=over)
    assert (found.state, found.actual, found.pace, found.projection) == (state, actual, 0.8, actual)


# --- what counts ---


@pytest.fixture
def story(kept, make, documents):
    """A week: six MQLs. One won at once, one answered late, one silent, one sent back, one to the next team, one of the
    south."""

    async def tell(*teams: str) -> list[Any]:
        promise = "  - {id: outcome, clock: outcome, when: 'true', target: 3d, calendar: always}\n" + written(*teams)
        await kept.publish(sla=documents["sla.yaml"] + promise)
        won, late, _, back, onward, south = leads = [make(trigger="A1") for _ in range(6)]
        complete = {"phone": "+34600000001", "job_title": "Compras"}
        await kept.handle(note_mqls, won.qualified(at(10), **complete), *(each.qualified(at(10)) for each in leads[1:]))
        await kept.handle(
            keep_clocks, *(each.assigned(at(10)) for each in leads[:5]), south.assigned(at(10), "dora", "south"),
            won.accepted(at(11)), won.contacted(at(11)), won.won(at(12)), back.rejected(at(11)),
            onward.rejected(at(11), "next_team"), south.accepted(at(11)), south.contacted(at(11)),
        )  # fmt: skip
        await kept.stop_the_clock(at(15))
        await kept.fire(*leads)
        await kept.handle(keep_clocks, late.accepted(at(15)))
        return leads

    return tell


async def test_each_measure_counts_what_was_decided(kept, story):
    await story()
    assert await figures(kept) == {
        "mqls": (6.0, "met"),
        "data-completeness": (1 / 6, "at_risk"),  # one of six
        "acceptance-rate": (3 / 4, "on_track"),  # won, south, late; back. Onward is nobody's word yet
        "answered-in-time": (4 / 6, "at_risk"),  # won, back, onward, south; not late, silent
        "contacted-in-time": (1.0, "on_track"),  # won, south; the others' time runs
        "closed-in-time": (1.0, "on_track"),  # won, back, onward
    }


async def test_a_team_s_own_commitments_count_its_own_leads(kept, story):
    await story("north", "south")
    found = await figures(kept)
    assert (found["mqls-north"][0], found["mqls-south"][0]) == (5, 1)
    assert (found["answered-in-time-north"][0], found["answered-in-time-south"][0]) == (3 / 5, 1)


async def test_late_news_mend_a_figure_and_a_period_that_is_over(kept, story):
    _, _, silent, *_ = await story()
    assert (await figures(kept))["answered-in-time"][1] == "at_risk"
    await kept.stop_the_clock(at(1, day=7))
    said = await kept.said(say_changes)
    over = {event.commitment: event.state for event in said if event.period_from == MONDAY}
    assert over == {
        "data-completeness": "missed", "acceptance-rate": "met", "answered-in-time": "missed",
        "contacted-in-time": "met", "closed-in-time": "met",
    }, "what was met already is not said again"  # fmt: skip
    assert {event.commitment for event in said if event.period_from == at(0, day=7)} == {
        measure.replace("_", "-") for measure in MEASURES
    }
    await kept.handle(keep_clocks, silent.accepted(at(12)))
    await kept.stop_the_clock(at(1.5, day=7))
    assert {event.commitment: (event.actual, event.state) for event in await kept.said(say_changes)} == {
        "acceptance-rate": (4 / 5, "met"), "answered-in-time": (5 / 6, "missed"),
    }  # fmt: skip


async def test_the_erased_stay_in_the_figures_without_a_person(kept, story):
    leads = await story("north", "south")
    before = await figures(kept)
    await kept.handle(erase, *(lead.erased(at(15)) for lead in leads))
    assert await figures(kept, again=True) == before
    rows = await kept.sql("select * from counted")
    assert rows
    assert set(rows[0].keys()) == {"counts", "at", "team", "kept"}


async def figures(kept: Any, *, again: bool = False) -> dict[str, tuple[float, str]]:
    if again:
        await kept.sql("delete from commitment")
    said = await kept.said(say_changes)
    return {event.commitment: (event.actual, event.state) for event in said}


# --- each change is an event ---


async def test_a_change_of_state_is_said_once_and_at_once_a_new_figure_now_and_then(kept, make, documents):
    await kept.publish(sla=documents["sla.yaml"] + written().partition("  - {id: acceptance")[0])
    await kept.stop_the_clock(at(0))
    (first,) = await kept.said(say_changes)
    assert (first.commitment, first.state, first.actual, first.pace, first.projection) == ("mqls", "on_track", 0, 0, 4)
    assert (first.period_from, first.period_to, first.key()) == (MONDAY, at(0, day=7), "mqls")
    assert await kept.said(say_changes) == []

    async def states(moment: datetime, leads: int) -> list[tuple[str, float]]:
        await kept.stop_the_clock(moment)
        await kept.handle(note_mqls, *(make(lead_id=uuid4()).qualified(moment) for _ in range(leads)))
        return [(event.state, event.actual) for event in await kept.said(say_changes)]

    assert await states(at(12), 0) == [], "not a whole one behind"
    assert await states(at(10, day=2), 0) == [("at_risk", 0)]
    assert await states(at(10.01, day=2), 1) == [("on_track", 1)]
    assert await states(at(10.02, day=2), 1) == [], "the figure waits its five minutes"
    assert await states(at(12, day=2), 1) == [("on_track", 3)]
    assert await states(at(13, day=2), 1) == [("met", 4)]
    assert await states(at(0, day=7), 0) == [("on_track", 0)], "the next week; the old one stays met"


async def test_a_commitment_of_a_longer_period_is_another_one(kept, documents):
    weekly = documents["sla.yaml"] + written().partition("  - {id: acceptance")[0]
    await kept.publish(sla=weekly)
    await kept.stop_the_clock(at(0, day=2))
    assert len(await kept.said(say_changes)) == 1
    await kept.publish(sla=weekly.replace("period: week", "period: quarter"))
    (said,) = await kept.said(say_changes)
    assert said.period_from == datetime(2026, 4, 1, tzinfo=UTC)
    await kept.stop_the_clock(at(0, day=40))
    assert [(event.period_from, event.state) for event in await kept.said(say_changes)] == [
        (datetime(2026, 4, 1, tzinfo=UTC), "missed"), (datetime(2026, 7, 1, tzinfo=UTC), "on_track"),
    ]  # fmt: skip


async def test_one_replica_says_it(kept, documents):
    await kept.publish(sla=documents["sla.yaml"] + written())
    async with kept.database.transaction() as tx:
        await say_changes(tx)
        assert len(tx.events) == len(MEASURES)
        assert await kept.said(say_changes) == [], "its turn"
    assert await kept.said(say_changes) == []


async def test_a_rule_that_fails_is_not_complete_and_is_counted(kept, make, documents):
    await kept.publish(sla=documents["sla.yaml"] + 'complete: "1 / company.employees > 0"\n')
    lead = make()
    lead.employees = 0
    await kept.handle(note_mqls, lead.qualified(at(10)), lead.qualified(at(10)))
    assert [tuple(row) for row in await kept.sql("select lead_id, complete from mql")] == [(lead.lead_id, False)]
