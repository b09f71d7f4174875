"""Shows, over a real PostgreSQL, how MQLs are given away in batches, wait, drain, and how ladders act on them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from handoff import queries
from handoff.drain import drain_some, look
from handoff.fairness import DEVIATION, measure
from handoff.handlers import assign_leads, erase, take_steps
from handoff.main import service
from handoff.settle import Answering, Settled, settle
from relevo.events import (
    LeadAccepted,
    LeadAssigned,
    LeadDisqualified,
    LeadErased,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    LeadWaiting,
    PlaybookStamp,
    SlaBreached,
    SlaWarned,
)

Mql = Callable[..., LeadQualified]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def step(
    event: type[SlaWarned | SlaBreached], of: Any, do: str, *, kind: str = "answer", version: int | None = 1
) -> SlaWarned | SlaBreached:
    """A step of a promise to the assignment that `of` (lead.assigned, lead.waiting) speaks of."""
    return event.model_validate(
        {
            "at": of.at, "by": "system", "lead_id": of.lead_id, "cycle": of.cycle,
            "playbook": PlaybookStamp(revision=1, version="0" * 16), "clock_id": uuid4(), "kind": kind,
            "policy": "answer", "version": version, "due_at": of.at, "step": 0, "do": do, "fired_at": of.at,
            "lateness_seconds": 0, "elapsed_seconds": 3600,
        }
    )  # fmt: skip


async def answered(kept: Any, of: LeadAssigned, **said: Any) -> Settled:
    async def work(tx: Any) -> Settled:
        found = await queries.lock_assignment(tx, of.assignment_id)
        assert found is not None
        settled = await settle(tx, found, Answering(**{"by": f"rep:{of.rep.id}", "channel": "api", **said}))
        assert isinstance(settled, Settled)
        tx.emit(*settled.events)
        return settled

    settled: Settled = await kept.run(work)
    return settled


async def load(kept: Any) -> dict[str, int]:
    return {row["rep_id"]: row["open_leads"] for row in await kept.sql("select * from rep")}


async def test_an_mql_becomes_an_assignment_with_all_a_reader_needs(kept: Any, mql: Mql) -> None:
    event = mql(trace="00-a", domain="acme.example")
    (assigned,) = await kept.handle(assign_leads, event)
    assert isinstance(assigned, LeadAssigned)
    assert (assigned.version, assigned.team, assigned.rule, assigned.because) == (1, "north", "all", "qualified")
    assert (assigned.lead_id, assigned.cycle, assigned.mql_at) == (event.lead_id, 1, event.at)
    assert (assigned.rep.calendar, assigned.rep.zone) == ("office", "Europe/Madrid")
    assert (assigned.trigger, assigned.priority, assigned.trace) == ("demo", 10, "00-a")
    assert assigned.snapshot == event.snapshot
    assert assigned.by == "system"
    (row,) = await kept.sql("select * from decision")
    assert row["decision_id"] == assigned.decision_id
    record = orjson.loads(row["record"])
    assert [rep["rep"] for rep in record["reps"]] == ["ana", "bea", "carl"]
    assert "olga" not in row["record"].lower()
    assert await load(kept) == {assigned.rep.id: 1}


async def test_the_same_mql_twice_is_one_assignment(kept: Any, mql: Mql) -> None:
    first = mql()
    again = first.model_copy(update={"id": uuid4()})
    assert len(await kept.handle(assign_leads, first, again)) == 1
    assert await kept.handle(assign_leads, again) == []
    next_cycle = mql(lead_id=first.lead_id, cycle=2)
    assert len(await kept.handle(assign_leads, next_cycle)) == 1


async def test_a_batch_is_as_fair_as_one_by_one_in_a_fixed_number_of_statements(kept: Any, mql: Mql) -> None:
    said = await kept.handle(assign_leads, mql())
    alone = len(kept.statements)
    said += await kept.handle(assign_leads, *(mql() for _ in range(89)))
    assert len(kept.statements) == alone
    assert alone <= 7  # moment and playbook, leads, known, teams, their state, one that keeps it all, and the outbox
    assert Counter(event.rep.id for event in said) == {"ana": 30, "bea": 30, "carl": 30}
    counters = await kept.sql("select rep, assigned, round(target::numeric, 6) as target from counter")
    assert {row["rep"]: (row["assigned"], row["target"]) for row in counters} == dict.fromkeys(
        ("ana", "bea", "carl"), (30, 30)
    )
    assert await load(kept) == {"ana": 30, "bea": 30, "carl": 30}


async def test_two_of_one_company_go_to_one_rep_also_within_a_batch(kept: Any, mql: Mql) -> None:
    first, second, other = await kept.handle(
        assign_leads, mql(domain="acme.example"), mql(domain="acme.example"), mql(domain="other.example")
    )
    assert first.rep == second.rep != other.rep
    assert (first.because, second.because, second.rule) == ("qualified", "relationship", "relationship")
    (third,) = await kept.handle(assign_leads, mql(domain="acme.example"))
    assert (third.rep, third.because) == (first.rep, "relationship")
    await kept.publish(routing="relationship: {company_owner: false}\n" + kept.documents["routing.yaml"])
    (fourth,) = await kept.handle(assign_leads, mql(domain="acme.example"))
    assert fourth.because == "qualified"


IN_TURN = ('when: "true", team: north', 'when: "true", teams: [north, south]')


async def test_teams_take_turns_in_as_many_statements_and_turns_are_kept(kept: Any, mql: Mql) -> None:
    await kept.handle(assign_leads, mql())
    alone = len(kept.statements)
    await kept.publish(routing=kept.documents["routing.yaml"].replace(*IN_TURN).replace("capacity: 2}", "capacity: 3}"))
    first = await kept.handle(assign_leads, mql())
    second = await kept.handle(assign_leads, *(mql() for _ in range(3)))
    assert len(kept.statements) == alone
    assert Counter(event.team for event in [*first, *second]) == {"north": 2, "south": 2}
    turns = await kept.sql("select rep, assigned, target from counter where team = 'rule:all' order by rep")
    assert turns == [("north", 2, 2.0), ("south", 2, 2.0)]
    third = await kept.handle(assign_leads, mql(), mql())
    assert Counter(event.team for event in third) == {"north": 1, "south": 1}
    fourth = await kept.handle(assign_leads, mql(), mql())
    assert {event.team for event in fourth} == {"north"}, "dora has all she can take"
    records = [orjson.loads(row[0]) for row in await kept.sql("select record from decision order by decision_id")]
    assert [len(record.get("turn", ())) for record in records] == [0, *[2] * 8]


async def test_what_waits_for_one_of_the_teams_goes_to_whichever_has_somebody_first(kept: Any, mql: Mql) -> None:
    await kept.publish(routing=kept.documents["routing.yaml"].replace(*IN_TURN))
    await kept.travel(12 * HOUR)  # at night in the office: of two teams only dora is there
    taken = await kept.handle(assign_leads, mql(), mql())
    assert {event.rep.id for event in taken} == {"dora"}
    waiting = await kept.handle(assign_leads, *(mql() for _ in range(8)))
    assert {event.team for event in waiting} == {"north", "south"}
    assert {(failed.rep, failed.test) for failed in waiting[0].failed} == {
        ("ana", "hours"), ("bea", "hours"), ("carl", "hours"), ("dora", "capacity"),
    }  # fmt: skip
    assert (await kept.run(look))[:2] == (["north", "south"], [])
    await answered(kept, taken[0], act="lost", reason="price")
    queued, able, _ = await kept.run(look)
    assert sorted(able) == sorted(queued) == ["north", "south"], "also what waits for north may go to dora"
    said = await kept.said(lambda tx: drain_some(tx, able, 0))
    (drained,) = [event for event in said if isinstance(event, LeadAssigned)]
    first = min(waiting, key=lambda event: event.mql_at)
    assert (drained.rep.id, drained.because) == ("dora", "drained")
    assert drained.mql_at == first.mql_at
    assert [event for event in said if isinstance(event, LeadWaiting)] == [], "the others know that they wait"


async def test_a_company_of_several_domains_has_one_owner_also_of_what_came_before_we_knew(kept: Any, mql: Mql) -> None:
    before = await kept.handle(assign_leads, *(mql(domain=domain) for domain in ("acme.es", "x.example", "y.example")))
    await kept.publish(company="aliases: {acme.example: [acme.es, acme.pt]}\n" + kept.documents["company.yaml"])
    (related,) = await kept.handle(assign_leads, mql(domain="acme.example"))
    assert (related.rep, related.because) == (before[0].rep, "relationship")
    await kept.sql("delete from assignment")
    both = await kept.handle(assign_leads, mql(domain="acme.pt"), mql(domain="acme.es"), mql(domain="other.example"))
    assert both[0].rep == both[1].rep != both[2].rep, "within a batch"


async def test_nobody_eligible_waits_in_order_and_drains_at_shift_start(kept: Any, mql: Mql) -> None:
    night = datetime.fromisoformat("2026-03-02T20:00:00Z")
    await kept.stop_the_clock(night)
    late, early, named = mql(at=night), mql(at=night - HOUR), mql(at=night, employees=600)
    waiting = await kept.handle(assign_leads, late, early, named)
    assert [type(event) for event in waiting] == [LeadWaiting] * 3
    assert [event.position for event in waiting] == [3, 2, 1]  # priority, then age
    assert {each.test for each in waiting[0].failed} == {"hours"}
    assert [each.rep for each in waiting[2].failed] == ["ana"]

    async def drain(tx: Any) -> tuple[Any, list[Any]]:
        counts = await drain_some(tx, ["north"], 0)
        return counts, list(tx.events)

    assert await kept.run(drain) == ((3, 0), [])
    await kept.stop_the_clock(night + 12 * HOUR)
    counts, said = await kept.run(drain)
    assert counts == (3, 3)
    assert [event.lead_id for event in said] == [named.lead_id, early.lead_id, late.lead_id]
    assert {event.because for event in said} == {"drained"}
    assert {event.version for event in said} == {1}
    assert said[0].rep.id == "ana"


async def test_capacity_holds_and_a_lead_that_ends_frees_a_place(kept: Any, mql: Mql) -> None:
    said = await kept.handle(assign_leads, *(mql(country="PT") for _ in range(3)))
    assert [type(event) for event in said] == [LeadAssigned, LeadAssigned, LeadWaiting]
    assert said[2].failed[0].because == "2 open leads of 2"
    await answered(kept, said[0], act="won", amount=None)
    assert await load(kept) == {"dora": 1}

    async def drain(tx: Any) -> list[Any]:
        await drain_some(tx, ["south"], 0)
        return list(tx.events)

    (drained,) = await kept.run(drain)
    assert (drained.lead_id, drained.rep.id) == (said[2].lead_id, "dora")
    assert await load(kept) == {"dora": 2}


async def test_silence_reassigns_twice_and_then_it_is_the_managers(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    (second,) = await kept.handle(take_steps, step(SlaBreached, first, "reassign"))
    assert (second.version, second.because, second.previous_rep, second.by) == (2, "reassign", first.rep.id, "step")
    assert second.assignment_id == first.assignment_id
    assert second.rep.id != first.rep.id
    (third,) = await kept.handle(take_steps, step(SlaBreached, second, "reassign", version=2))
    assert len({first.rep.id, second.rep.id, third.rep.id}) == 3
    (fourth,) = await kept.handle(take_steps, step(SlaBreached, third, "reassign", version=3))
    assert (fourth.rep.id, fourth.manager, fourth.because, fourth.version) == ("boss", True, "fallback", 4)
    assert await kept.handle(take_steps, step(SlaBreached, fourth, "reassign", version=4)) == []
    assert await load(kept) == {first.rep.id: 0, second.rep.id: 0, third.rep.id: 0, "boss": 1}
    counted = await kept.sql("select rep, assigned from counter where assigned > 0")
    assert {row["rep"]: row["assigned"] for row in counted} == dict.fromkeys(
        (first.rep.id, second.rep.id, third.rep.id, "boss"), 1
    ), "the slow rep's count is not given back"


async def test_reassign_with_nobody_left_is_waiting_and_the_wait_falls_back(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql(country="PT"))
    (waits,) = await kept.handle(take_steps, step(SlaBreached, first, "reassign"))
    assert isinstance(waits, LeadWaiting)
    assert [each.test for each in waits.failed] == ["earlier_owner"]
    (back,) = await kept.handle(take_steps, step(SlaBreached, waits, "fallback", kind="wait", version=None))
    assert (back.rep.id, back.version, back.previous_rep, back.manager) == ("boss", 2, "dora", True)


async def test_a_step_that_comes_too_late_changes_nothing(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    breached = step(SlaBreached, first, "reassign")
    await answered(kept, first, act="accept")
    assert await kept.handle(take_steps, breached) == [], "the answer has arrived"
    (second,) = await kept.handle(take_steps, step(SlaBreached, first, "reassign", kind="first_contact"))
    assert second.version == 2
    assert await kept.handle(take_steps, breached) == [], "another version by now"
    await answered(kept, second, act="contacted")
    for kind in ("answer", "first_contact", "wait"):
        late = step(SlaBreached, second, "reassign", kind=kind, version=2)
        assert await kept.handle(take_steps, late) == [], "after lead.contacted no step reassigns"
    unknown = step(SlaBreached, mql(), "reassign")
    assert await kept.handle(take_steps, unknown) == []


async def test_silence_can_count_as_accepted(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    (accepted,) = await kept.handle(take_steps, step(SlaBreached, first, "accept"))
    assert isinstance(accepted, LeadAccepted)
    assert (accepted.by, accepted.channel, accepted.rep) == ("step", "step", first.rep.id)


async def test_warnings_go_to_the_rep_or_to_the_manager_and_nowhere_else(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    for who in ("ana", "bea", "carl", "boss"):
        await kept.endpoint(f"https://{who}.example/hook", rep=who, types=["sla.warned", "sla.breached"])
    steps = [step(SlaWarned, first, "warn_rep"), step(SlaBreached, first, "warn_manager")]
    assert await kept.handle(take_steps, *steps) == []
    rows = await kept.sql(
        "select e.target_id, type, body from delivery join endpoint e using (endpoint_id) order by seq"
    )
    assert [(row["target_id"], row["type"]) for row in rows] == [
        (first.rep.id, "sla.warned"),
        ("boss", "sla.breached"),
    ]
    told = orjson.loads(rows[0]["body"])["data"]
    assert told["clock"] == "answer"
    assert told["answer"]["body"] == {"version": 1}


async def test_two_steps_of_one_lead_in_a_batch_are_taken_in_order(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    breached = step(SlaBreached, first, "reassign")
    (second,) = await kept.handle(take_steps, breached, step(SlaBreached, first, "reassign"))
    assert second.version == 2


async def test_wrong_geography_goes_to_the_next_team_and_in_the_end_to_nobody(kept: Any, mql: Mql) -> None:
    (first,) = await kept.handle(assign_leads, mql(country="PT"))
    assert first.team == "south"
    settled = await answered(kept, first, act="reject", reject="wrong_geography")
    rejected, moved = settled.events
    assert isinstance(rejected, LeadRejected)
    assert (rejected.consequence, rejected.version) == ("next_team", 1)
    assert isinstance(moved, LeadAssigned)
    assert (moved.team, moved.version, moved.because, moved.previous_rep) == ("north", 2, "rejected", "dora")
    settled = await answered(kept, moved, act="reject", reject="wrong_geography")
    assert [type(event) for event in settled.events] == [LeadRejected, LeadDisqualified]
    assert set((await load(kept)).values()) == {0}


@pytest.mark.parametrize(("act", "days"), [("reject", 90), ("lost", 60)])
async def test_what_recycles_rests_as_the_playbook_says(kept: Any, mql: Mql, act: str, days: int) -> None:
    (first,) = await kept.handle(assign_leads, mql())
    settled = await answered(kept, first, act=act, reject="no_need_now" if act == "reject" else None)
    recycled = settled.events[-1]
    assert isinstance(recycled, LeadRecycled)
    assert recycled.until == first.at + days * DAY
    assert recycled.from_stage == "sql_candidate"
    assert await load(kept) == {first.rep.id: 0}


async def test_marketings_tools_are_told_what_came_back_and_why(kept: Any, mql: Mql) -> None:
    await kept.endpoint("https://nurture.example/", types=["lead.qualified", "lead.rejected", "lead.recycled"])
    (first,) = await kept.handle(assign_leads, mql())
    await answered(kept, first, act="reject", reject="no_contact_data", note="no phone")
    rows = await kept.sql("select type, body, webhook_id from delivery order by seq")
    assert [row["type"] for row in rows] == ["lead.qualified", "lead.rejected"]
    rejected = orjson.loads(rows[1]["body"])
    assert (rejected["data"]["reason"], rejected["data"]["consequence"]) == ("no_contact_data", "complete_data")
    assert rejected["data"]["contact"]["email"] == "olga@acme.example"
    assert len({row["webhook_id"] for row in rows}) == 2


async def test_a_new_playbook_moves_a_waiting_lead_to_another_team(kept: Any, mql: Mql) -> None:
    await kept.stop_the_clock(datetime.fromisoformat("2026-03-02T20:00:00Z"))
    (waits,) = await kept.handle(assign_leads, mql())
    assert waits.team == "north"
    await kept.publish(routing=kept.documents["routing.yaml"].replace('"true", team: north', '"true", team: south'))

    async def drain(tx: Any) -> list[Any]:
        await drain_some(tx, ["north"], 0)
        return list(tx.events)

    (moved,) = await kept.run(drain)
    assert (moved.rep.id, moved.playbook.revision) == ("dora", 2)


async def test_an_erased_lead_leaves_its_counts_and_nothing_of_the_person(kept: Any, mql: Mql) -> None:
    await kept.endpoint("https://everybody.example/")
    event = mql()
    (assigned,) = await kept.handle(assign_leads, event)
    erased = LeadErased(at=event.at, by="user:dpo", lead_id=event.lead_id, subject_ids=(), received_before=event.at)
    assert await kept.handle(erase, erased, erased.model_copy(update={"id": uuid4()})) == []
    assert await load(kept) == {assigned.rep.id: 0}
    for table in ("assignment", "decision", "delivery"):
        assert await kept.sql(f"select from {table}") == []
    assert await kept.handle(assign_leads, mql(lead_id=event.lead_id, cycle=2)) == [], "it is not taken in again"
    assert await kept.handle(take_steps, step(SlaBreached, assigned, "reassign")) == []
    (counted,) = await kept.sql("select sum(assigned) from counter")
    assert counted[0] == 1


async def test_counters_survive_weights_membership_and_publications(kept: Any, mql: Mql) -> None:
    await kept.handle(assign_leads, *(mql() for _ in range(30)))
    heavier = (
        kept.documents["routing.yaml"]
        .replace("name: Carl,", "name: Carl, weight: 4,")
        .replace("      - {id: bea, name: Bea, email: bea@us.example, capacity: 100, languages: [es]}\n", "")
    )
    await kept.publish(routing=heavier)
    said = await kept.handle(assign_leads, *(mql() for _ in range(50)))
    assert Counter(event.rep.id for event in said) == {"carl": 40, "ana": 10}
    counted = {row["rep"]: row["assigned"] for row in await kept.sql("select rep, assigned from counter")}
    assert counted == {"ana": 20, "bea": 10, "carl": 50}


async def test_how_fair_each_team_is_can_be_watched(kept: Any, mql: Mql) -> None:
    await kept.handle(assign_leads, *(mql() for _ in range(4)))
    async with service.opened(kept.settings()) as opened:
        await measure(opened)
    by_team = {sample.labels["team"]: sample.value for sample in next(iter(DEVIATION.collect())).samples}
    assert by_team == {"north": pytest.approx(2 / 3), "south": 0}
