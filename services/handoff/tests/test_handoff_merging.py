"""Two leads are one person: one assignment goes on under the survivor, the other ends, whichever half comes first."""

from collections.abc import Callable
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from handoff.handlers import assign_leads, erase, join_merged, part_unmerged
from relevo.events import (
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadErased,
    LeadMerged,
    LeadQualified,
    LeadRejected,
    LeadUnmerged,
    PlaybookStamp,
)

Mql = Callable[..., LeadQualified]


def halves(survivor: UUID, loser: UUID, cycle: int = 1, kind: Any = LeadMerged, merge_id: UUID | None = None) -> Any:
    about: dict[str, Any] = {
        "at": "2026-03-02T10:00:00Z", "by": "user:luis", "playbook": PlaybookStamp(revision=1, version="0" * 16),
        "merge_id": merge_id or uuid4(), "survivor": survivor, "loser": loser, "snapshot": {},
    }  # fmt: skip
    return kind(lead_id=survivor, cycle=cycle, **about), kind(lead_id=loser, cycle=1, **about)


async def open_leads(kept: Any) -> dict[str, int]:
    return dict(await kept.sql("select rep_id, open_leads from rep where open_leads > 0"))


@pytest.mark.parametrize("order", list(permutations([0, 1])))
async def test_the_survivors_open_assignment_stays_and_the_losers_rep_is_told(
    kept: Any, mql: Mql, order: tuple[int, int]
) -> None:
    await kept.endpoint("https://crm.example/", types=("lead.merged",))
    survivor, loser = await kept.handle(assign_leads, mql(), mql())
    pair = halves(survivor.lead_id, loser.lead_id)
    assert await kept.handle(join_merged, pair[order[0]]) == [], "half of it"
    (said,) = await kept.handle(join_merged, pair[order[1]])
    assert isinstance(said, LeadRejected)
    assert (said.lead_id, said.rep, said.reason, said.by) == (loser.lead_id, loser.rep.id, "duplicate", "system")
    rows = dict(await kept.sql("select lead_id, stage from assignment"))
    assert rows == {survivor.lead_id: "assigned", loser.lead_id: "rejected"}
    assert await open_leads(kept) == {survivor.rep.id: 1}
    assert sum(row[0] for row in await kept.sql("select assigned from counter")) == 2, "counters stay"
    ((told, rep),) = await kept.sql("select body, rep from delivery")
    assert (orjson.loads(told)["type"], rep) == ("lead.merged", loser.rep.id)


@pytest.mark.parametrize("stage", ["assigned", "accepted", "contacted"])
async def test_else_the_losers_moves_with_its_rep_and_as_far_as_it_has_come(kept: Any, mql: Mql, stage: str) -> None:
    await kept.endpoint("https://crm.example/")
    (loser,) = await kept.handle(assign_leads, mql())
    await kept.sql("update assignment set stage = $1", stage)
    said = await kept.handle(join_merged, *halves(uuid4(), loser.lead_id, cycle=3))
    implied = {"assigned": [], "accepted": [LeadAccepted], "contacted": [LeadAccepted, LeadContacted]}[stage]
    assert [type(each) for each in said] == [LeadAssigned, *implied]
    moved = said[0]
    assert {each.lead_id for each in said} == {moved.lead_id} != {loser.lead_id}
    assert (moved.assignment_id, moved.version, moved.because) == (loser.assignment_id, 2, "merge")
    assert (moved.cycle, moved.rep) == (3, loser.rep)
    ((lead, cycle, now),) = await kept.sql("select lead_id, cycle, stage from assignment")
    assert (lead, cycle, now) == (moved.lead_id, 3, stage)
    assert await open_leads(kept) == {loser.rep.id: 1}
    assert len(await kept.sql("select 1 from delivery where version = 2")) == 1, "its rep gets the new version"


async def test_a_survivor_that_waits_goes_to_the_losers_rep(kept: Any, mql: Mql) -> None:
    await kept.sql("insert into rep (rep_id, open_leads) values ('dora', 2)")  # south is full
    said = await kept.handle(assign_leads, mql(country="PT"), mql())
    waiting, loser = said
    moved, *rest = await kept.handle(join_merged, *halves(waiting.lead_id, loser.lead_id))
    assert isinstance(moved, LeadAssigned)
    assert (moved.lead_id, moved.rep, moved.because, rest) == (waiting.lead_id, loser.rep, "merge", [])
    rows = dict(await kept.sql("select lead_id, stage from assignment"))
    assert rows == {waiting.lead_id: "assigned", loser.lead_id: "rejected"}
    assert await open_leads(kept) == {"dora": 2, loser.rep.id: 1}


async def test_a_loser_that_waits_leaves_the_queue(kept: Any, mql: Mql) -> None:
    await kept.sql("insert into rep (rep_id, open_leads) values ('dora', 2)")
    survivor, waiting = await kept.handle(assign_leads, mql(), mql(country="PT"))
    assert await kept.handle(join_merged, *halves(survivor.lead_id, waiting.lead_id)) == []
    assert await kept.sql("select 1 from assignment where stage = 'waiting'") == []


async def test_a_loser_alone_that_waits_waits_on_under_the_survivor(kept: Any, mql: Mql) -> None:
    await kept.sql("insert into rep (rep_id, open_leads) values ('dora', 2)")
    (waiting,) = await kept.handle(assign_leads, mql(country="PT"))
    (said,) = await kept.handle(join_merged, *halves(uuid4(), waiting.lead_id))
    assert (said.type, said.lead_id != waiting.lead_id) == ("lead.waiting.v1", True)
    assert [row[0] for row in await kept.sql("select lead_id from assignment")] == [said.lead_id]


async def test_undone_it_moves_nothing_back_and_who_asks_for_the_loser_is_shown_the_survivors(
    api: Any, kept: Any, mql: Mql
) -> None:
    (loser,) = await kept.handle(assign_leads, mql())
    merge_id, survivor = uuid4(), uuid4()
    await kept.handle(join_merged, *halves(survivor, loser.lead_id, merge_id=merge_id))

    async def listed(lead: UUID) -> list[str]:
        answer = await api.get("/v1/assignments", lead_id=str(lead))
        return [each["lead_id"] for each in answer.json()["items"]]

    assert await listed(loser.lead_id) == [str(survivor)] == await listed(survivor)
    await kept.handle(part_unmerged, *halves(survivor, loser.lead_id, kind=LeadUnmerged, merge_id=merge_id))
    assert await listed(loser.lead_id) == []
    assert await listed(survivor) == [str(survivor)]
    gone = LeadErased(at=loser.at, by="user:luis", lead_id=survivor, subject_ids=(), received_before=loser.at)
    await kept.handle(erase, gone)
    assert await kept.sql("select 1 from merge where lead_id = $1", survivor) == []


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_of_a_chain_the_last_survivor_gets_it_whichever_halves_come_first(
    kept: Any, mql: Mql, order: tuple[int, ...]
) -> None:
    """a went into b, and b into c, which is in its third cycle."""
    (of_a,) = await kept.handle(assign_leads, mql())
    a, b, c = of_a.lead_id, uuid4(), uuid4()
    every = [*halves(b, a), *halves(c, b, cycle=3)]
    said = [event for number in order for event in await kept.handle(join_merged, every[number])]
    ((lead, cycle, version),) = await kept.sql("select lead_id, cycle, version from assignment")
    assert (lead, cycle) == (c, 3)
    assert said[-1].lead_id == c
    assert len(said) == version - 1 <= 2, "at most by way of b"
    assert await open_leads(kept) == {of_a.rep.id: 1}


async def test_two_who_went_into_one_at_once_are_told_each(kept: Any, mql: Mql) -> None:
    await kept.endpoint("https://crm.example/", types=("lead.merged",))
    survivor, one, other = await kept.handle(assign_leads, mql(), mql(), mql())
    pairs = [halves(survivor.lead_id, each.lead_id) for each in (one, other)]
    said = await kept.handle(join_merged, *(half for pair in pairs for half in pair))
    assert {each.lead_id for each in said} == {one.lead_id, other.lead_id}
    assert len(await kept.sql("select 1 from delivery")) == 2


async def test_whatever_comes_under_an_id_that_leads_elsewhere_goes_to_the_end_of_the_chain(
    api: Any, kept: Any, mql: Mql
) -> None:
    await kept.endpoint("https://crm.example/")
    of_a, of_c = await kept.handle(assign_leads, mql(), mql())
    a, b, c = of_a.lead_id, uuid4(), of_c.lead_id
    for half in (*halves(b, a), *halves(c, b)):
        await kept.handle(join_merged, half)
    for lead in (a, b, c):
        listed = await api.get("/v1/assignments", lead_id=str(lead))
        assert [each["assignment_id"] for each in listed.json()["items"]] == [str(of_c.assignment_id)]
    (ended,) = await kept.sql("select assignment_id, version from assignment where stage = 'rejected'")
    answer = await api.post(f"/v1/assignments/{ended['assignment_id']}/accept", {"version": ended["version"]})
    assert (answer.status_code, answer.json()["title"]) == (409, "It is one person with another lead")
    assert (answer.json()["assignment_id"], answer.json()["rep"]) == (str(of_c.assignment_id), of_c.rep.id)
    # An MQL that could not be read, and is replayed after the merge.
    assert await kept.handle(assign_leads, mql(lead_id=b, cycle=7)) == [], "c has one in this cycle"
    await kept.sql("delete from assignment where lead_id = $1", c)
    (late,) = await kept.handle(assign_leads, mql(lead_id=a, cycle=7))
    assert (late.lead_id, late.cycle) == (c, 1)


async def test_what_is_over_stays_as_it_was(kept: Any, mql: Mql) -> None:
    survivor, loser = await kept.handle(assign_leads, mql(), mql())
    await kept.sql("update assignment set stage = 'won' where lead_id = $1", loser.lead_id)
    assert await kept.handle(join_merged, *halves(survivor.lead_id, loser.lead_id)) == []
    assert dict(await kept.sql("select lead_id, stage from assignment"))[loser.lead_id] == "won"
