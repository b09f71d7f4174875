"""Handlers over a real PostgreSQL: batches equal one by one, a fixed number of statements, cycles, erasure."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from relevo.events import (
    Event,
    LeadAssigned,
    LeadDisqualified,
    LeadErased,
    LeadIdentified,
    LeadMerged,
    LeadQualified,
    LeadRecycled,
    LeadScored,
    PlaybookStamp,
    TouchpointRecorded,
)
from relevo.events.assignments import Rep
from relevo.events.leads import Score, Snapshot
from scoring.handlers import erase, learn_outcomes, score_touchpoints
from scoring.rescore import judge_overdue

Touch = Callable[..., TouchpointRecorded]
ANA, BEA = "ana@acme.example", "bea@acme.example"
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
STAMP = PlaybookStamp(revision=1, version="0" * 16)
DAY = timedelta(days=1)


def of(kind: type[Event], said: Sequence[Event]) -> list[Any]:
    return [event for event in said if isinstance(event, kind)]


async def test_a_visitor_becomes_known_and_is_qualified_with_everything_a_reader_needs(kept: Any, make: Touch) -> None:
    now = datetime.now(make().occurred_at.tzinfo)
    views = [make(at=now - DAY, path="/prices", campaign={"name": "spring"}, trace="00-a"), make(at=now)]
    said = await kept.handle(score_touchpoints, *views)
    assert [event.type for event in said] == ["lead.identified.v1", "lead.scored.v1"]
    lead_id = said[0].lead_id
    assert said[0].subject_kind == "anonymous"
    assert said[0].trace == "00-a"

    form = make("form_submitted", who=[ANA, "a:visitor"], at=now, form="demo", fields=GOOD, phone="+34910000000")
    said = await kept.handle(score_touchpoints, form)
    assert [type(event) for event in said] == [LeadIdentified, LeadScored, LeadQualified]
    identified, scored, mql = said
    assert (identified.lead_id, identified.subject_kind, identified.from_lead_id) == (lead_id, "email", None)
    assert (scored.old.cell, scored.new.cell) == ("C2", "A2")
    assert (mql.trigger.kind, mql.trigger.touchpoint_id) == ("hand_raise", form.touchpoint_id)
    assert {each.id for each in mql.contributions} == {"role", "size", "mail", "form", "page", "prices"}
    assert mql.level_until is not None
    assert mql.snapshot.contact.email == ANA
    assert mql.snapshot.contact.phone == "+34910000000"
    assert mql.snapshot.company.employees == 51
    assert mql.snapshot.campaign.name == "spring"
    assert mql.snapshot.attributes["lead.job_title"] == "Head of operations"
    shown = [touch.touchpoint_id for touch in mql.snapshot.touchpoints]
    assert shown == sorted(
        (each.touchpoint_id for each in (*views, form)),
        key=lambda i: next((t.occurred_at, t.touchpoint_id) for t in (*views, form) if t.touchpoint_id == i),
        reverse=True,
    )
    again = make("form_submitted", who=ANA, at=now, form="demo")
    assert not of(LeadQualified, await kept.handle(score_touchpoints, again))


async def test_a_known_person_takes_in_the_visitor_and_is_summed_again(kept: Any, make: Touch) -> None:
    now = datetime.now(make().occurred_at.tzinfo)
    (identified, _) = await kept.handle(score_touchpoints, make("page_viewed", who=ANA, at=now))
    views = [make(who="a:visitor", at=now, path="/prices") for _ in range(3)]
    (visited, *_) = await kept.handle(score_touchpoints, *views)
    assert identified.lead_id != visited.lead_id
    tie = make("identified", who=[ANA, "a:visitor"], at=now)
    moved, scored = await kept.handle(score_touchpoints, tie)
    assert (moved.lead_id, moved.from_lead_id) == (identified.lead_id, visited.lead_id)
    assert set(moved.touchpoint_ids) == {view.touchpoint_id for view in views}
    assert scored.new.engagement == pytest.approx(42, abs=0.01)  # 4 pages at their cap of 12, 3 prices: 30
    assert await kept.sql("select survivor from redirect where lead_id = $1", visited.lead_id) == [
        (identified.lead_id,)
    ]
    assert {row[0] for row in await kept.sql("select lead_id from touchpoint")} == {identified.lead_id}
    assert await kept.handle(score_touchpoints, make("identified", who="a:visitor", at=now)) == []


async def test_a_visitor_already_with_sales_is_merged_and_not_handed_over_twice(kept: Any, make: Touch) -> None:
    now = datetime.now(make().occurred_at.tzinfo)
    asked = make("form_submitted", who="a:visitor", at=now, form="demo", phone="+34910000000")
    (mql,) = of(LeadQualified, await kept.handle(score_touchpoints, asked))
    (identified,) = of(LeadIdentified, await kept.handle(score_touchpoints, make(who=ANA, at=now)))
    said = await kept.handle(score_touchpoints, make("form_submitted", who=[ANA, "a:visitor"], at=now, form="demo"))
    merges = of(LeadMerged, said)
    assert {merge.lead_id for merge in merges} == {mql.lead_id, identified.lead_id}
    assert {(merge.survivor, merge.loser) for merge in merges} == {(identified.lead_id, mql.lead_id)}
    assert len({merge.id for merge in merges}) == 2
    assert not of(LeadQualified, said)
    # Sales answers under the id it knows.
    said = await kept.handle(learn_outcomes, recycled(mql, until=None))
    assert await kept.sql("select lead_id, cycle from lead") == [(identified.lead_id, 2)]


async def test_a_touchpoint_of_a_shared_device_says_whose_it_is(kept: Any, make: Touch) -> None:
    await kept.handle(score_touchpoints, make(who=[ANA, "a:shared"]))
    touch = make("form_submitted", who=[BEA, "a:shared"])
    said = await kept.handle(score_touchpoints, touch)
    (identified,) = of(LeadIdentified, said)
    assert identified.touchpoint_ids == (touch.touchpoint_id,)
    again = make("form_submitted", who=[BEA, "a:shared"])
    (named,) = of(LeadIdentified, await kept.handle(score_touchpoints, again))
    assert (named.lead_id, named.touchpoint_ids) == (identified.lead_id, (again.touchpoint_id,))


def story(make: Touch, now: datetime, seed: int) -> list[TouchpointRecorded]:
    """A few people on a few devices, with some machines, in a mixed order."""
    dice = random.Random(seed)
    people = [ANA, BEA, "carl@b.example", "info@acme.example"]
    told = []
    for number in range(120):
        person, device = dice.choice(people), f"a:{dice.randint(1, 5)}"
        who = dice.choice([[person], [device], [person, device], [device], [f"u:{people.index(person)}", device]])
        kind = dice.choice(["page_viewed", "page_viewed", "form_submitted", "email_clicked"])
        told.append(
            make(
                kind,
                who=who,
                name=f"{seed}-{number}",
                at=now - timedelta(hours=dice.randint(0, 400)),
                path=dice.choice(["/", "/prices"]),
                form=dice.choice([None, None, None, "demo"]) if kind == "form_submitted" else None,
                fields=dice.choice([{}, {}, GOOD, {"empleados": "3"}]),
                machine=dice.random() < 0.1,
                phone=dice.choice([None, None, "+34910000000"]),
            )
        )
    return told


async def outcome(kept: Any, batches: Sequence[Sequence[TouchpointRecorded]]) -> tuple[list[Any], list[Any]]:
    """What was said and what is kept, with lead ids replaced by the order in which they were first said. All at one
    moment: the clock of the test's database stands still."""
    said: list[Event] = []
    for batch in batches:
        said += await kept.handle(score_touchpoints, *batch)
    names: dict[Any, int] = {}

    def name(lead_id: Any) -> Any:
        return names.setdefault(lead_id, len(names)) if lead_id is not None else None

    plain: list[tuple[Any, ...]] = []
    for event in said:
        match event:
            case LeadIdentified():
                ids = sorted(map(str, event.touchpoint_ids))
                plain.append((name(event.from_lead_id), name(event.lead_id), event.subject_id, ids))
            case LeadScored():
                plain.append((name(event.lead_id), event.old, event.new, event.reasons, event.level_until))
            case LeadQualified():
                plain.append((name(event.lead_id), event.trigger, event.score, event.contributions, event.snapshot))
            case LeadMerged():
                plain.append((name(event.lead_id), name(event.survivor), name(event.loser), event.snapshot))
    rows = await kept.sql("select lead_id, known_by, cycle, qualified_at, said::text, sums::text from lead")
    return plain, sorted((name(row["lead_id"]), *list(row)[1:]) for row in rows)


@pytest.mark.parametrize("seed", range(4))
async def test_a_batch_is_its_touchpoints_one_by_one(kept_twice: Any, make: Touch, seed: int) -> None:
    one, other = kept_twice
    now = await one.stop_the_clock()
    await other.stop_the_clock(now)
    told = story(make, now, seed)
    singly = await outcome(one, [[touch] for touch in told])
    dice = random.Random(seed)
    cuts = sorted(dice.sample(range(1, len(told)), 4))
    batches = [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True)]
    together = await outcome(other, batches)
    assert together[0] == singly[0]
    assert together[1] == singly[1]
    assert any(isinstance(each[1], Score) or each[1] is None for each in together[0])


@pytest.mark.parametrize("size", [10, 300])
async def test_the_number_of_statements_does_not_grow_with_the_batch(kept: Any, make: Touch, size: int) -> None:
    now = datetime.now(make().occurred_at.tzinfo)
    known = [make(who=f"p{n % 7}@acme.example", at=now) for n in range(size)]
    await kept.handle(score_touchpoints, *known)
    assert len(kept.statements) == 4  # places, claim, touchpoints, leads (the outbox is a COPY, and not counted)
    await kept.handle(score_touchpoints, *(make(who=f"p{n % 7}@acme.example", at=now) for n in range(size)))
    assert len(kept.statements) == 4  # places, locks, touchpoints, leads
    await kept.handle(score_touchpoints, *(make(who=f"a:{n % 5}", at=now) for n in range(size)))
    ties = [make("form_submitted", who=[f"p{n % 7}@acme.example", f"a:{n % 5}"], form="demo") for n in range(size)]
    said = await kept.handle(score_touchpoints, *ties)
    assert Counter(type(event) for event in said)[LeadQualified] == 7
    assert len(kept.statements) <= 10


async def test_a_touchpoint_that_comes_again_after_the_inbox_forgot_it_counts_once(kept: Any, make: Touch) -> None:
    touch = make("page_viewed", who=ANA)
    await kept.handle(score_touchpoints, touch)
    before = await kept.sql("select sums::text from lead")
    assert await kept.handle(score_touchpoints, touch, touch) == []
    assert await kept.sql("select sums::text from lead") == before


def recycled(mql: LeadQualified, until: datetime | None) -> LeadRecycled:
    return LeadRecycled(
        at=mql.at + timedelta(seconds=1),
        by="rep:ana",
        lead_id=mql.lead_id,
        cycle=mql.cycle,
        playbook=STAMP,
        from_stage="sql",
        reason="no_need_now",
        until=until,
    )


def assigned(mql: LeadQualified, rep: str) -> LeadAssigned:
    return LeadAssigned(
        at=mql.at,
        by="system",
        lead_id=mql.lead_id,
        cycle=mql.cycle,
        playbook=STAMP,
        assignment_id=uuid4(),
        version=1,
        team="team",
        rep=Rep(id=rep, name=rep, calendar="office", zone="Europe/Madrid"),
        rule="all",
        decision_id=uuid4(),
        priority=0,
        mql_at=mql.at,
        because="qualified",
        score=mql.score,
        trigger=mql.trigger.id,
        snapshot=Snapshot(),
    )


async def test_a_recycled_lead_is_qualified_again_in_its_next_cycle_naming_its_earlier_owner(
    kept: Any, make: Touch
) -> None:
    now = await kept.stop_the_clock()
    first = make("form_submitted", who=ANA, at=now, form="demo", fields=GOOD)
    (mql,) = of(LeadQualified, await kept.handle(score_touchpoints, first))
    assert await kept.handle(learn_outcomes, assigned(mql, "ana")) == []
    (fell,) = await kept.handle(learn_outcomes, recycled(mql, until=now + 30 * DAY))
    assert (fell.old.cell, fell.new.cell, fell.cycle) == ("A2", "A3", 2)

    await kept.travel(29 * DAY)
    hot = [make("form_submitted", who=ANA, at=now + 29 * DAY) for _ in range(2)]
    assert not of(LeadQualified, await kept.handle(score_touchpoints, *hot))
    assert await kept.said(judge_overdue) == []
    await kept.travel(DAY)
    (cooled,) = of(LeadQualified, await kept.said(judge_overdue))
    assert (cooled.cycle, cooled.trigger.kind) == (2, "cool_down")
    assert [(owner.rep, owner.cycle) for owner in cooled.earlier_owners] == [("ana", 1)]
    assert len(cooled.snapshot.touchpoints) == 3
    assert await kept.said(judge_overdue) == []


async def test_an_outcome_of_an_earlier_cycle_or_of_nobody_changes_nothing(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    demo = make("form_submitted", who=ANA, at=now, form="demo")
    (mql,) = of(LeadQualified, await kept.handle(score_touchpoints, demo))
    back = recycled(mql, until=None)
    await kept.handle(learn_outcomes, back)
    before = await kept.sql("select * from lead")
    unknown = back.model_copy(update={"lead_id": uuid4()})
    assert await kept.handle(learn_outcomes, back, unknown) == []
    assert await kept.sql("select * from lead") == before


async def test_a_disqualified_lead_stays_out(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    demo = make("form_submitted", who=ANA, at=now, form="demo", fields=GOOD)
    (mql,) = of(LeadQualified, await kept.handle(score_touchpoints, demo))
    out = LeadDisqualified.model_validate(recycled(mql, None).model_dump() | {"reason": "wrong_size"})
    await kept.handle(learn_outcomes, out)
    await kept.travel(DAY)
    again = make("form_submitted", who=ANA, at=now + DAY, form="demo", fields=GOOD)
    assert not of(LeadQualified, await kept.handle(score_touchpoints, again))
    grown = make("form_submitted", who=ANA, at=now + DAY, fields={"empleados": "900"})
    (mql,) = of(LeadQualified, await kept.handle(score_touchpoints, grown))
    assert (mql.cycle, mql.trigger.id) == (2, "demo")


async def test_a_new_playbook_is_met_by_the_stream_or_by_the_background(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    await kept.handle(score_touchpoints, make(who=ANA, at=now, fields=GOOD), make(who=BEA, at=now, fields=GOOD))
    generous = kept.documents["scoring.yaml"].replace("points: 4,", "points: 12,")
    await kept.publish(scoring=generous)

    said = await kept.handle(score_touchpoints, make(who=ANA, at=now))
    (mql,) = of(LeadQualified, said)
    assert (mql.trigger.kind, mql.score.engagement, mql.playbook.revision) == ("playbook", 12, 2)

    said = await kept.said(judge_overdue)
    (mql,) = of(LeadQualified, said)
    assert (mql.trigger.kind, mql.snapshot.contact.email) == ("playbook", BEA)
    assert await kept.said(judge_overdue) == []

    await kept.publish(scoring=kept.documents["scoring.yaml"].replace("cells: [A1, A2]", "cells: [A1]"))
    assert not of(LeadQualified, await kept.said(judge_overdue))
    assert len(await kept.sql("select from lead where qualified_at is not null")) == 2  # never un-qualified


async def test_an_erased_person_is_gone_and_what_comes_later_is_somebody_new(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    said = await kept.handle(score_touchpoints, make("form_submitted", who=[ANA, "a:1"], at=now, fields=GOOD))
    old = said[0].lead_id
    ids = tuple(event.subject_id for event in of(LeadIdentified, said))
    later = make(who=ANA, at=now, received_at=now + timedelta(seconds=2))
    await kept.handle(score_touchpoints, later)
    gone = LeadErased(
        at=now, by="user:dpo", lead_id=old, subject_ids=(*ids, "f" * 32), received_before=now + timedelta(seconds=1)
    )
    said = await kept.handle(erase, gone)
    (identified,) = of(LeadIdentified, said)
    assert identified.lead_id != old
    rows = await kept.sql("select touchpoint_id, lead_id from touchpoint")
    assert rows == [(later.touchpoint_id, identified.lead_id)]
    assert await kept.sql("select lead_id from lead") == [(identified.lead_id,)]

    before = [make(who=ANA, at=now), make(who="a:1", at=now), make(who=[BEA, "a:1"], at=now)]
    said = await kept.handle(score_touchpoints, *before)
    assert [event.subject_kind for event in of(LeadIdentified, said)] == ["email"]  # Bea's own, the device is not tied
    assert len(await kept.sql("select from touchpoint")) == 2
    assert len(await kept.sql("select from identity where erased_before is not null")) == 3
    said = await kept.handle(score_touchpoints, make(who="a:1", at=now + DAY))
    assert len(of(LeadIdentified, said)) == 1


async def test_a_rule_that_fails_is_counted_with_its_line(kept: Any, make: Touch) -> None:
    from scoring.handlers import FAILED_RULES

    broken = kept.documents["scoring.yaml"].replace("touch.path == '/prices'", "touch.fields['budget'] == 'high'")
    await kept.publish(scoring=broken)
    before = FAILED_RULES.labels("scoring.yaml", "5")._value.get()
    await kept.handle(score_touchpoints, make(who=ANA), make(who=ANA))
    assert FAILED_RULES.labels("scoring.yaml", "5")._value.get() == before + 2
