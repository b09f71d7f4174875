"""Handlers on a real PostgreSQL: what starts, keeps, pauses, ends a promise; late news, erasure, a new playbook."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from relevo.calendar import calendar, elapsed
from relevo.events import SlaCorrected, SlaMet, SlaStarted
from sla_monitor.adoption import take_over
from sla_monitor.handlers import erase, join_merged, keep_clocks, note_mqls

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOSED_FOR_EVER = "    closures: [{from: 2026-06-01, to: 2046-12-31}]\n"


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def told(events: Sequence[Any]) -> list[tuple[str, str]]:
    """(what, of which clock), in order."""
    return [(event.type.removeprefix("sla.").removesuffix(".v1"), event.kind) for event in events]


def problems(because: str) -> float:
    return REGISTRY.get_sample_value("relevo_sla_problems_total", {"because": because}) or 0.0


# --- what starts and keeps a promise ---


async def test_an_assignment_starts_its_clocks_in_the_hours_of_whoever_has_it(kept, lead):
    said = await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert told(said) == [("started", "answer"), ("started", "first_contact")]
    answer, contact = said
    assert (answer.due_at, answer.target_seconds, answer.policy) == (at(14), 4 * 3600, "answer")
    assert (contact.due_at, contact.started_at) == (at(10, day=1), at(10)), "7 h on Monday, the last one on Tuesday"
    assert (answer.version, answer.rep, answer.team, answer.assignment_id) == (1, "ana", "north", lead.assignment_id)
    assert (answer.trace, answer.by, answer.playbook.revision) == (contact.trace, "system", 1)
    assert lead.lead_id.hex in answer.trace
    assert await kept.clocks(lead) == {"answer": ("running", at(14)), "first_contact": ("running", at(10, day=1))}
    assert await kept.handle(keep_clocks, lead.assigned(at(10), rep="bea", calendar="mornings"))
    assert (await kept.clocks(lead))["answer"] == ("running", at(10, day=1)), "2 h, in bea's mornings"


async def test_a_lead_that_waits_is_promised_too(kept, make):
    lead = make(mql_at=at(9.5))
    said = await kept.handle(keep_clocks, lead.waiting(at(10)))
    assert told(said) == [("started", "wait"), ("started", "first_contact")]
    assert [(event.version, event.rep, event.assignment_id) for event in said] == [(None, None, None)] * 2
    assert (said[0].due_at, said[1].started_at) == (at(12), at(9.5))

    said = await kept.handle(keep_clocks, lead.assigned(at(11), rep="bea", calendar="mornings"))
    assert told(said) == [("met", "wait"), ("started", "first_contact"), ("started", "answer")]
    met, contact, _ = said
    assert (met.met_at, met.late, met.elapsed_seconds, met.rep) == (at(11), False, 3600, "bea")
    assert met.assignment_id == lead.assignment_id
    assert contact.due_at == at(9.5, day=4), "1.5 h in the team's hours, the other 6.5 h in bea's mornings"


async def test_answers_keep_promises_and_a_later_stage_implies_the_earlier_ones(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    said = await kept.handle(keep_clocks, lead.accepted(at(11)))
    assert told(said) == [("met", "answer")]
    assert (said[0].elapsed_seconds, said[0].late, said[0].due_at) == (3600, False, at(14))
    said = await kept.handle(keep_clocks, lead.opportunity(at(12)))
    assert told(said) == [("met", "first_contact")]
    assert await kept.handle(keep_clocks, lead.won(at(13))) == []
    assert {state for state, _ in (await kept.clocks(lead)).values()} == {"met"}


async def test_a_batch_says_what_its_events_say_one_by_one(kept, make):
    def story(lead):
        return [
            lead.waiting(at(9)), lead.assigned(at(9.5)), lead.paused(at(10)), lead.resumed(at(11)),
            lead.accepted(at(12)), lead.contacted(at(12.5)), lead.won(at(13)), lead.recycled(at(14)),
        ]  # fmt: skip

    one, other = make(mql_at=at(9)), make(mql_at=at(9))
    together = await kept.handle(keep_clocks, *story(one))
    singly = [said for event in story(other) for said in await kept.handle(keep_clocks, event)]
    assert told(together) == told(singly)
    assert [event.due_at for event in together] == [event.due_at for event in singly]
    assert await kept.clocks(one) == await kept.clocks(other)


@pytest.mark.parametrize("count", [1, 100])
async def test_a_batch_takes_a_fixed_number_of_statements(kept, make, count):
    leads = [make() for _ in range(count)]
    said = await kept.handle(keep_clocks, *(lead.assigned(at(10)) for lead in leads))
    assert (len(said), len(kept.statements)) == (2 * count, 4), "what is new goes by COPY, as the outbox does"
    said = await kept.handle(keep_clocks, *(lead.accepted(at(11)) for lead in leads))
    assert (len(said), len(kept.statements)) == (count, 6), "and what changes by two more"


# --- what ends one ---


async def test_silence_moves_a_lead_on_and_the_next_rep_has_half_the_time(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    said = await kept.handle(keep_clocks, lead.assigned(at(14), rep="dora", team="south", by="step"))
    assert told(said) == [("started", "first_contact"), ("started", "answer")]
    contact, answer = said
    assert (answer.version, answer.rep, answer.due_at, answer.target_seconds) == (2, "dora", at(16), 2 * 3600)
    assert (contact.rep, contact.team, contact.due_at) == ("dora", "south", at(18)), (
        "4 h are gone, 4 left, never closed"
    )
    states = await kept.sql("select kind, version, state from clock order by seq")
    assert [tuple(row) for row in states] == [
        ("answer", 1, "ended"), ("first_contact", 2, "running"), ("answer", 2, "running"),
    ]  # fmt: skip
    assert [tuple(row) for row in await kept.sql("select version, rep, tries from standing")] == [(2, "dora", 1)]


async def test_nobody_eligible_ends_the_answer_and_waits(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    said = await kept.handle(keep_clocks, lead.waiting(at(14), by="step"))
    assert told(said) == [("started", "wait")]
    assert (said[0].version, said[0].assignment_id) == (1, lead.assignment_id), "it was with a rep before"
    assert (await kept.clocks(lead))["answer"][0] == "ended"


@pytest.mark.parametrize(
    ("consequence", "contact"),
    [("recycle", "ended"), ("exclude", "ended"), ("next_team", "running")],
)
async def test_a_rejection_is_an_answer_and_ends_the_rest_unless_the_next_team_gets_it(
    kept, lead, consequence, contact
):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    said = await kept.handle(keep_clocks, lead.rejected(at(11), consequence))
    assert told(said) == [("met", "answer")]
    assert {kind: state for kind, (state, _) in (await kept.clocks(lead)).items()} == {
        "answer": "met", "first_contact": contact,
    }  # fmt: skip


@pytest.mark.parametrize("end", ["recycled", "disqualified"])
async def test_the_end_of_a_cycle_ends_all_and_the_next_one_begins_anew(kept, make, end):
    lead = make()
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert await kept.handle(keep_clocks, getattr(lead, end)(at(11))) == []
    assert {state for state, _ in (await kept.clocks(lead)).values()} == {"ended"}
    again = make(lead_id=lead.lead_id, cycle=2, mql_at=at(12))
    assert told(await kept.handle(keep_clocks, again.assigned(at(12)))) == [
        ("started", "answer"), ("started", "first_contact"),
    ]  # fmt: skip
    assert (await kept.clocks(lead))["answer"] == ("running", at(16))


async def test_an_assignment_that_is_heard_of_again_changes_nothing(kept, lead):
    first = lead.assigned(at(10))
    await kept.handle(keep_clocks, first)
    await kept.handle(keep_clocks, lead.assigned(at(12), rep="bea"))
    before = await kept.sql("select * from clock order by seq")
    assert await kept.handle(keep_clocks, first) == []
    assert await kept.sql("select * from clock order by seq") == before


# --- merges ---


@pytest.mark.parametrize("order", [("survivor", "loser"), ("loser", "survivor")])
async def test_a_merge_ends_the_loser_s_promises_and_gives_the_survivor_the_earlier_start(kept, make, order):
    loser, survivor = make(mql_at=at(9.5)), make(mql_at=at(10.5))
    await kept.handle(note_mqls, loser.qualified(at(9.5)), survivor.qualified(at(10.5)))
    await kept.handle(keep_clocks, loser.assigned(at(9.5)), survivor.assigned(at(10.5)))
    merge = loser.merged_into(survivor, at(12))
    assert await kept.handle(join_merged, merge[order[0]]) == []
    said = await kept.handle(join_merged, merge[order[1]])
    assert [(event.lead_id, event.kind, event.started_at, event.due_at) for event in said] == [
        (survivor.lead_id, "first_contact", at(9.5), at(9.5, day=1)),
    ]  # fmt: skip
    assert {state for state, _ in (await kept.clocks(loser)).values()} == {"ended"}
    assert (await kept.clocks(survivor))["answer"] == ("running", at(14.5)), "it speaks of that assignment alone"
    (standing,) = await kept.sql("select mql_at from standing where lead_id = $1", survivor.lead_id)
    assert standing["mql_at"] == at(9.5)
    assert await kept.handle(join_merged, *merge.values()) == [], "heard again"
    assert await kept.handle(keep_clocks, loser.rejected(at(12), "propose_merge", by="system")) == []
    await kept.stop_the_clock(at(10, day=20))
    assert {event.lead_id for event in await kept.fire(loser, survivor)} == {survivor.lead_id}


async def test_a_rejection_by_nobody_is_no_answer(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert await kept.handle(keep_clocks, lead.rejected(at(11), "propose_merge", by="system")) == []
    assert {state for state, _ in (await kept.clocks(lead)).values()} == {"ended"}
    assert [tuple(row) for row in await kept.sql("select reviewed_at, accepted from standing")] == [(None, None)]


# --- pauses ---


async def test_a_pause_holds_deadlines_and_the_new_one_is_said(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert await kept.handle(keep_clocks, lead.paused(at(11))) == []
    assert {state for state, _ in (await kept.clocks(lead)).values()} == {"paused"}
    assert await kept.sql("select 1 from clock where next_due is not null") == []
    said = await kept.handle(keep_clocks, lead.resumed(at(13)))
    assert [(event.type, event.kind, event.due_at) for event in said] == [
        ("sla.started.v1", "answer", at(16)), ("sla.started.v1", "first_contact", at(12, day=1)),
    ]  # fmt: skip


async def test_a_pause_outside_opening_hours_moves_nothing_and_says_nothing(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert await kept.handle(keep_clocks, lead.paused(at(18)), lead.resumed(at(20))) == []
    assert (await kept.clocks(lead))["first_contact"] == ("running", at(10, day=1))


async def test_the_next_owner_is_not_paused(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)), lead.paused(at(11)))
    said = await kept.handle(keep_clocks, lead.assigned(at(13), rep="dora", team="south"))
    assert told(said) == [("started", "first_contact"), ("started", "answer")]
    assert said[0].due_at == at(20), "1 h before the pause, 7 h from one o'clock on"


# --- which promise ---


async def test_of_each_clock_the_first_policy_that_holds_counts(kept, make):
    lead = make(trigger="demo")
    said = await kept.handle(keep_clocks, lead.assigned(at(20)))
    assert [(event.policy, event.due_at) for event in said] == [("demo", at(21)), ("contact", at(10, day=1))]


async def test_a_rule_that_fails_never_holds_and_is_counted(kept, lead, documents):
    failing = documents["sla.yaml"].replace('when: "mql.hand_raise"', 'when: "1 / company.employees > 0"')
    await kept.publish(sla=failing)
    lead.employees = 0
    line = next(n for n, text in enumerate(failing.splitlines(), 1) if "1 / company" in text)
    labels = {"file": "sla.yaml", "line": str(line)}
    before = REGISTRY.get_sample_value("relevo_sla_failed_rules_total", labels) or 0.0
    said = await kept.handle(keep_clocks, lead.assigned(at(10)))
    assert [event.policy for event in said] == ["answer", "contact"]
    assert REGISTRY.get_sample_value("relevo_sla_failed_rules_total", labels) == before + 1


# --- late knowledge ---


async def test_an_act_before_the_deadline_wins_though_it_is_heard_of_later(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(14.5))
    fired = await kept.fire(lead)
    assert told(fired) == [("warned", "answer"), ("warned", "answer"), ("breached", "answer")]
    said = await kept.handle(keep_clocks, lead.accepted(at(13.9)))
    corrected, met = said
    assert isinstance(corrected, SlaCorrected)
    assert isinstance(met, SlaMet)
    assert (corrected.retracts, corrected.acted_at, corrected.due_at) == (fired[-1].id, at(13.9), at(14))
    assert (met.late, met.met_at) == (False, at(13.9))
    (row,) = await kept.sql("select event_id, corrected_at, acted_at from breach")
    assert tuple(row) == (fired[-1].id, at(14.5), at(13.9)), "nothing is deleted"


async def test_late_knowledge_reaches_the_promise_of_a_rep_who_lost_the_lead(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(14.5))
    fired = await kept.fire(lead)
    await kept.handle(keep_clocks, lead.assigned(at(14.5), rep="bea", by="step"))
    said = await kept.handle(keep_clocks, lead.accepted(at(13), version=1, rep="ana"))
    assert told(said) == [("corrected", "answer"), ("met", "answer")]
    assert [(event.version, event.rep) for event in said] == [(1, "ana")] * 2
    assert said[0].retracts == fired[-1].id


async def test_measuring_goes_on_after_a_breach(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(14.5))
    await kept.fire(lead)
    assert (await kept.clocks(lead))["answer"] == ("breached", at(14))
    (met,) = await kept.handle(keep_clocks, lead.accepted(at(15)))
    assert (met.late, met.elapsed_seconds) == (True, 5 * 3600)
    assert [row["corrected_at"] for row in await kept.sql("select corrected_at from breach")] == [None]


# --- what can't be timed ---


async def test_an_erased_lead_leaves_nothing_and_is_promised_nothing(kept, make):
    lead, other = make(), make()
    await kept.handle(keep_clocks, lead.assigned(at(10)), other.assigned(at(10)))
    await kept.stop_the_clock(at(14.5))
    await kept.fire(lead, other)
    await kept.sql(
        "insert into dead_letter (event_id, topic, partition, \"offset\", key, header_names, header_values, error,"
        " tries, at) values ($1, 'assignments', 0, 7, $2, '{}', '{}', 'test', 3, now())",
        uuid4(), str(lead.lead_id).encode(),
    )  # fmt: skip
    before = problems("erased_lead")
    assert await kept.handle(erase, lead.erased(at(15))) == []
    for table in ("standing", "clock", "breach"):
        left = await kept.sql(f"select distinct lead_id from {table}")
        assert [row["lead_id"] for row in left] == [other.lead_id], table
    assert await kept.sql("select 1 from dead_letter") == []
    assert await kept.handle(keep_clocks, lead.accepted(at(15)), lead.assigned(at(16))) == []
    assert problems("erased_lead") == before + 2
    assert await kept.fire(lead) == []
    assert len(await kept.sql("select 1 from lead where erased_at is not null")) == 1


async def test_an_answer_of_a_lead_nobody_knows_is_counted(kept, lead):
    before = problems("unknown_lead")
    lead.version, lead.rep = 1, "ana"
    assert await kept.handle(keep_clocks, lead.accepted(at(11))) == []
    assert problems("unknown_lead") == before + 1


async def test_a_calendar_that_never_opens_is_a_visible_error_and_a_new_playbook_mends_it(kept, make, documents):
    sla = documents["sla.yaml"]
    shut = sla.replace("  - id: mornings\n    zone: UTC\n", f"  - id: mornings\n    zone: UTC\n{CLOSED_FOR_EVER}")
    await kept.publish(sla=shut)
    lead, other = make(), make()
    before = problems("no_deadline")
    said = await kept.handle(keep_clocks, lead.assigned(at(10), rep="bea"), other.assigned(at(10)))
    assert [event.rep for event in said] == ["ana", "ana"], "nothing stops: the others' clocks run"
    assert problems("no_deadline") == before + 2
    problem = "select problem from clock where problem is not null"
    assert all("mornings" in row["problem"] for row in await kept.sql(problem))
    assert await kept.handle(keep_clocks, lead.paused(at(11)), lead.resumed(at(12))) == []
    await kept.publish(sla=sla)
    await kept.stop_the_clock(at(12, day=1))
    said = await kept.said(lambda tx: take_over(tx, [(lead.lead_id, 1)]))
    assert [(event.kind, event.due_at) for event in said] == [
        ("answer", at(11, day=3)),
        ("first_contact", at(11, day=7)),
    ]
    assert await kept.sql(problem) == []


async def test_a_lead_can_be_answered_though_its_deadline_is_unknown(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10), rep="zoe", team="east", calendar="moon"))
    assert {row["problem"] for row in await kept.sql("select problem from clock")} == {
        "the playbook knows no calendar 'of team east': add it, or mend the policy"
    }
    assert await kept.handle(keep_clocks, lead.contacted(at(11))) == []
    assert {state for state, _ in (await kept.clocks(lead)).values()} == {"met"}


# --- a new agreement ---


async def test_another_target_keeps_what_has_elapsed_and_is_said(kept, lead, documents):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(12))
    await kept.publish(
        sla=documents["sla.yaml"].replace("target: 4h\n    calendar: rep", "target: 6h\n    calendar: open")
    )
    said = await kept.said(lambda tx: take_over(tx, [(lead.lead_id, 1)]))
    assert [(event.kind, event.due_at, event.playbook.revision) for event in said] == [("answer", at(16), 2)]
    assert isinstance(said[0], SlaStarted)
    (met,) = await kept.handle(keep_clocks, lead.accepted(at(13)))
    assert met.elapsed_seconds == 3 * 3600


async def test_a_policy_that_is_gone_ends_its_clocks(kept, lead, documents):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    gone = documents["sla.yaml"].partition("  - id: contact")[0]
    await kept.publish(sla=gone)
    assert await kept.said(lambda tx: take_over(tx, [(lead.lead_id, 1)])) == []
    assert {kind: state for kind, (state, _) in (await kept.clocks(lead)).items()} == {
        "answer": "running", "first_contact": "ended",
    }  # fmt: skip


async def test_whoever_meets_a_clock_of_an_earlier_playbook_takes_it_along(kept, lead, documents):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(12))
    renamed = documents["sla.yaml"].replace("id: office", "id: oficina")
    routing = documents["routing.yaml"].replace("calendar: office", "calendar: oficina")
    await kept.publish(sla=renamed, routing=routing)
    (met,) = await kept.handle(keep_clocks, lead.accepted(at(13)))
    office = calendar("UTC", dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:00-17:00",)))
    assert met.elapsed_seconds == elapsed(office, at(10), at(13)).total_seconds()
    rows = await kept.sql("select kind, calendar from clock where state = 'running'")
    assert [tuple(row) for row in rows] == [("first_contact", "oficina")]
