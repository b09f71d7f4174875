"""Merging by hand is scoring the union, undoing it brings both scores back; whoever asks under the old id is led on."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from relevo.events import Event, LeadErased, LeadIdentified, LeadMerged, LeadQualified, LeadScored, LeadUnmerged
from relevo.events import TouchpointRecorded as Touchpoint
from relevo.playbook import Playbook
from relevo.service import Problem
from relevo.stream.transaction import is_infrastructure
from scoring import facts, merges
from scoring.handlers import erase, score_touchpoints
from scoring.lead import Lead, join, part
from scoring.score import judge, rebuild, score

Touch = Callable[..., Touchpoint]
ANA, BEA, CARL = "ana@acme.example", "bea@acme.example", "carl@acme.example"
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)

does = st.tuples(
    st.sampled_from(["page_viewed", "form_submitted", "email_clicked"]),
    st.integers(0, 60),
    st.sampled_from([{}, GOOD, {"cargo": "Owner"}, {"empleados": "3"}]),
)


def of(kind: type[Event], said: Sequence[Event]) -> list[Any]:
    return [event for event in said if isinstance(event, kind)]


def stands(lead: Lead, playbook: Playbook) -> Any:
    judged = judge(replace(lead, said=None), playbook, NOW, [])[1]
    assert judged is not None
    return judged.new.cell, judged.new.fit, pytest.approx(judged.new.engagement, abs=1.1e-6)


@settings(max_examples=50)
@given(st.lists(does, max_size=6), st.lists(does, max_size=6))
def test_a_merge_scores_the_union_and_undoing_it_brings_both_scores_back(
    playbook: Playbook, make: Touch, ones: list[Any], others: list[Any]
) -> None:
    heard = [
        [make(what, who=who, at=NOW - days * DAY, name=f"{who}{n}", fields=said) for n, (what, days, said) in each]
        for who, each in ((ANA, enumerate(ones)), (BEA, enumerate(others)))
    ]
    new = [Lead(uuid4(), "email", playbook.version) for _ in heard]
    one, other = (score(lead, told, playbook, NOW)[0] for lead, told in zip(new, heard, strict=True))
    merged = join(one, other, NOW)
    together = rebuild(merged, [*heard[0], *heard[1]], playbook, [])
    union = score(new[0], [*heard[1], *heard[0]], playbook, NOW)[0]
    assert stands(together, playbook) == stands(union, playbook)
    apart = rebuild(part(together, one, merged, "email"), heard[0], playbook, [])
    assert stands(apart, playbook) == stands(one, playbook)
    assert stands(rebuild(other, heard[1], playbook, []), playbook) == stands(other, playbook)


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        ("consent", "none", "none"),
        ("none", "consent", "none"),
        ("contract", "legitimate_interest", "legitimate_interest"),
        ("consent", None, "consent"),
        (None, None, None),
    ],
)
def test_the_more_restrictive_consent_counts(
    playbook: Playbook, make: Touch, one: str | None, other: str | None, counts: str | None
) -> None:
    leads, heard = [], []
    for who, basis, days in ((ANA, one, 1), (BEA, other, 2)):
        touch = make("form_submitted", who=who, at=NOW - days * DAY, consent={"basis": basis} if basis else None)
        leads.append(score(Lead(uuid4(), "email", playbook.version), [touch], playbook, NOW)[0])
        heard.append(touch)
    merged = rebuild(join(leads[0], leads[1], NOW), heard, playbook, [])
    said = facts.consent(merged.sums.facts)
    assert (said.basis if said else None) == counts
    later = make("form_submitted", who=ANA, at=NOW + DAY, consent={"basis": "contract"})
    newer = facts.consent(score(merged, [later], playbook, NOW + DAY)[0].sums.facts)
    assert newer is not None
    assert newer.basis == "contract"


async def two(kept: Any, make: Touch) -> tuple[Any, Any, list[Touchpoint]]:
    """Ana, the older one, and Bea with a visitor's device: (ids, touchpoints)."""
    now = await kept.stop_the_clock()
    told = [
        make("page_viewed", who=ANA, at=now, path="/prices", consent={"basis": "consent"}),
        make("form_submitted", who=[BEA, "a:7"], at=now, fields=GOOD),
        make("page_viewed", who="a:7", at=now),
    ]
    said = [event for touch in told for event in await kept.handle(score_touchpoints, touch)]
    ana, bea = dict.fromkeys(event.lead_id for event in of(LeadIdentified, said))
    return ana, bea, told


async def scores(kept: Any) -> list[Any]:
    return list(await kept.sql("select lead_id, known_by, cycle, grade, level, sums::text from lead order by lead_id"))


async def test_merged_and_unmerged(kept: Any, make: Touch) -> None:
    ana, bea, told = await two(kept, make)
    before = await scores(kept)
    created = await kept.sql("select lead_id, created_at from lead order by lead_id")
    said: list[Event] = []

    async def asked(tx: Any) -> None:
        made = await merges.merge(tx, bea, ana, "user:luis")
        assert (made.survivor, made.loser, made.by) == (ana, bea, "user:luis")

    said = await kept.said(asked)
    assert [type(event) for event in said[:4]] == [LeadIdentified, LeadIdentified, LeadMerged, LeadMerged]
    moved = {identified.subject_id: set(identified.touchpoint_ids) for identified in of(LeadIdentified, said)}
    assert moved == {touch.key(): {touch.touchpoint_id} for touch in told[1:]}
    merged = of(LeadMerged, said)
    assert {(each.lead_id, each.survivor, each.loser) for each in merged} == {(ana, ana, bea), (bea, ana, bea)}
    assert len({each.id for each in merged}) == 2
    assert len({each.merge_id for each in merged}) == 1
    assert {each.by for each in said} == {"user:luis"}
    assert len(merged[0].snapshot.touchpoints) == 3
    (scored,) = of(LeadScored, said)
    assert scored.new.engagement == pytest.approx(4 + 10 + 20 + 4)
    assert [row[0] for row in await kept.sql("select lead_id from lead")] == [ana]

    # What comes for Bea is the survivor's, and nothing more is said under Bea's id.
    more = await kept.handle(score_touchpoints, make("email_clicked", who=BEA, at=told[0].occurred_at))
    assert {event.lead_id for event in more} <= {ana}
    with pytest.raises(Problem, match="One lead already"):
        await kept.said(lambda tx: merges.merge(tx, ana, bea, "user:luis"))

    await kept.sql("delete from touchpoint where type = 'email_clicked'")  # as if it had not come
    said = await kept.said(lambda tx: merges.unmerge(tx, bea, None, "user:luis"))
    assert [type(event) for event in said[:4]] == [LeadIdentified, LeadIdentified, LeadUnmerged, LeadUnmerged]
    assert {(each.lead_id, each.from_lead_id) for each in of(LeadIdentified, said)} == {(bea, ana)}
    assert [row[:5] for row in await scores(kept)] == [row[:5] for row in before]
    assert await kept.sql("select lead_id, created_at from lead order by lead_id") == created
    for now, then in zip(await scores(kept), before, strict=True):
        assert orjson.loads(now["sums"]) == orjson.loads(then["sums"])
    assert not await kept.sql("select from redirect")
    assert not of(LeadQualified, said)
    with pytest.raises(Problem, match="No such merge"):
        await kept.said(lambda tx: merges.unmerge(tx, bea, None, "user:luis"))


async def test_merges_in_a_row_and_round_in_a_circle(kept: Any, make: Touch) -> None:
    ana, bea, _ = await two(kept, make)
    (identified, *_) = await kept.handle(score_touchpoints, make(who=CARL))
    carl = identified.lead_id
    first = await kept.run(lambda tx: merges.merge(tx, bea, carl, "user:luis"))
    await kept.run(lambda tx: merges.merge(tx, carl, ana, "user:luis"))  # carl stands for bea, and bea goes into ana
    for one, other in ((ana, carl), (bea, ana), (carl, bea)):
        with pytest.raises(Problem, match="One lead already"):
            await kept.said(lambda tx, one=one, other=other: merges.merge(tx, one, other, "user:luis"))
    assert dict(await kept.sql("select lead_id, survivor from redirect")) == {carl: ana, bea: ana}
    with pytest.raises(Problem, match="Undo a later merge first"):
        await kept.said(lambda tx: merges.unmerge(tx, carl, first.merge_id, "user:luis"))
    await kept.run(lambda tx: merges.unmerge(tx, bea, None, "user:luis"))
    assert dict(await kept.sql("select lead_id, survivor from redirect")) == {carl: bea}
    await kept.run(lambda tx: merges.unmerge(tx, carl, None, "user:luis"))
    assert {row[0] for row in await kept.sql("select lead_id from lead")} == {ana, bea, carl}
    assert not await kept.sql("select from redirect")


async def test_sales_keeps_the_survivor_and_nobody_is_handed_over_twice(kept: Any, make: Touch) -> None:
    ana, bea, _ = await two(kept, make)
    again = await kept.handle(score_touchpoints, make("form_submitted", who=BEA, form="demo"))
    assert not of(LeadQualified, again)  # her first form put her into A2: she is with sales
    said = await kept.said(lambda tx: merges.merge(tx, ana, bea, "user:luis"))
    assert not of(LeadQualified, said)
    said = await kept.said(lambda tx: merges.unmerge(tx, ana, None, "user:luis"))
    assert not of(LeadQualified, said)
    assert len(await kept.sql("select from lead where qualified_at is not null")) == 2  # Ana holds what sales was given


async def test_an_erased_merge_leaves_nothing(kept: Any, make: Touch) -> None:
    ana, bea, told = await two(kept, make)
    await kept.run(lambda tx: merges.merge(tx, ana, bea, "user:luis"))
    subjects = tuple(row[0] for row in await kept.sql("select subject_id from identity"))
    before = told[0].received_at + timedelta(days=1)
    await kept.handle(
        erase, LeadErased(at=before, by="user:dpo", lead_id=bea, subject_ids=subjects, received_before=before)
    )
    for table in ("merge", "touchpoint", "lead"):
        assert not await kept.sql(f"select from {table}")
    with pytest.raises(Problem, match="No such merge"):
        await kept.said(lambda tx: merges.unmerge(tx, bea, None, "user:luis"))


async def test_touchpoints_that_come_while_people_merge_and_unmerge_find_their_lead(kept: Any, make: Touch) -> None:
    await kept.stop_the_clock()
    first = await kept.handle(score_touchpoints, *(make(who=f"p{n}@acme.example") for n in range(6)))
    ids = [event.lead_id for event in of(LeadIdentified, first)]

    async def insist(work: Callable[[], Any]) -> None:
        while True:
            try:
                await work()
                return
            except Problem:
                return
            except DBAPIError as error:
                if not is_infrastructure(error):
                    raise
                await asyncio.sleep(0.005)

    async def replica(number: int) -> None:
        for step in range(25):
            batch = [make(who=f"p{n}@acme.example") for n in range(6) if (n + step) % 2 == number]
            await insist(lambda batch=batch: kept.handle(score_touchpoints, *batch))

    async def manager() -> None:
        for step in range(12):
            one, other = ids[step % 6], ids[(step + 3) % 6]
            await insist(lambda one=one, other=other: kept.said(lambda tx: merges.merge(tx, one, other, "user:luis")))
            await asyncio.sleep(0.01)
            await insist(lambda one=one: kept.said(lambda tx: merges.unmerge(tx, one, None, "user:luis")))

    await asyncio.gather(replica(0), replica(1), manager())
    ties = dict(await kept.sql("select subject_id, lead_id from identity"))
    where: defaultdict[Any, set[Any]] = defaultdict(set)
    rows = await kept.sql("select subject_id, lead_id from touchpoint")
    for subject, lead_id in rows:
        where[subject].add(lead_id)
    assert len(rows) == 6 + 6 * 25
    assert where == {subject: {lead_id} for subject, lead_id in ties.items()}
