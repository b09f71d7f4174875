"""Two leads turn out to be one person: one assignment goes on, under the survivor, and the other ends as a duplicate.

The survivor's open one stays; else the loser's moves, with its rep and as far as it has come. Counters stay, and an
undone merge leaves all with the survivor: history is not rewritten.

A lead may have lost one merge and won another, whose halves come in any order: an id leads to the end of its chain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from uuid import UUID

from handoff import assignment, counters, deliveries, message, queries
from handoff.answer import CONSEQUENCE, Act, Stage
from handoff.assignment import Assignment, assigned_event
from handoff.place import Placing, place
from handoff.settings import answers_at
from handoff.settle import OWNER, Answering, Settled, settle
from relevo.events import LeadMerged, LeadRejected, LeadUnmerged
from relevo.events.base import Decided
from relevo.stream import Transaction

_HALVES = "insert into merge select * from jsonb_populate_recordset(null::merge, $1::jsonb) on conflict do nothing"
_WHOLE = """
select merge_id, own.survivor, other.lead_id as loser, own.cycle from merge own join merge other using (merge_id)
where own.merge_id = any($1::uuid[]) and own.lead_id = own.survivor and other.lead_id <> own.survivor
order by own.survivor, other.lead_id
"""
# Of ids: which lead each of them is by now, and the cycle that lead was in when it won. Along merges that are whole.
_END = """
with recursive way as (
  select id, id as now, null::int as cycle, 0 as steps from unnest($1::uuid[]) as id
  union all
  select way.id, lost.survivor, won.cycle, steps + 1
  from way join merge lost on lost.lead_id = way.now and lost.survivor <> lost.lead_id
  join merge won on won.merge_id = lost.merge_id and won.lead_id = lost.survivor
  where steps < 100)
select distinct on (id) id, now, cycle from way order by id, steps desc
"""
_UNDONE = "delete from merge where merge_id = any($1::uuid[])"
_ALIVE = f"""
select {queries.A_COLUMNS} from assignment a where lead_id = any($1::uuid[])
  and (stage in ('waiting', 'assigned', 'accepted', 'contacted', 'opportunity') or (lead_id, cycle) = ($2, $3))
"""  # noqa: S608  no value in it
_NEWEST = f"select {queries.A_COLUMNS} from assignment a where lead_id = $1 order by cycle desc limit 1"  # noqa: S608
_MOVE = "update assignment set lead_id = $2, cycle = $3 where assignment_id = $1"
_SAYS: Final[dict[Stage, Act]] = {"accepted": "accept", "contacted": "contacted", "opportunity": "opportunity"}


@dataclass(frozen=True)
class Whole:
    """A merge of which both leads' events have come. `survivor`: at the end of the chain, in its `cycle`."""

    survivor: UUID
    loser: UUID
    cycle: int
    event: LeadMerged


class End(NamedTuple):
    lead_id: UUID
    cycle: int | None  # None: it never lost a merge


async def ends(tx: Transaction, leads: Iterable[UUID]) -> dict[UUID, End]:
    """Which leads these ids lead to by now."""
    return {row.id: End(row.now, row.cycle) for row in await tx.driver_sql(_END, sorted(set(leads)))}


async def heir(tx: Transaction, of: Assignment) -> Assignment | None:
    """The assignment that goes on in the place of one that ended by a merge; None where none does."""
    if of.reason != "duplicate":
        return None
    end = (await ends(tx, [of.lead_id]))[of.lead_id]
    if end.lead_id == of.lead_id:
        return None
    row = (await tx.driver_sql(_NEWEST, end.lead_id)).one_or_none()
    return None if row is None else assignment.read(row)


async def moved_on(tx: Transaction, new: Sequence[Assignment]) -> list[Assignment]:
    """These of leads that they are of by now, which are locked from here on."""
    end = await ends(tx, (each.lead_id for each in new))
    await queries.lock_leads(tx, (each.lead_id for each in end.values()))
    return [
        each if (into := end[each.lead_id]).cycle is None else replace(each, lead_id=into.lead_id, cycle=into.cycle)
        for each in new
    ]


async def note(tx: Transaction, halves: Sequence[LeadMerged]) -> list[Whole]:
    """Keep these halves; those merges that are whole now. Both leads are locked, so that of two halves the later one
    sees the other; and the lead at the end of the chain, which gets what the loser has."""
    leads = {lead for half in halves for lead in (half.survivor, half.loser)}
    await queries.lock_leads(tx, {end.lead_id for end in (await ends(tx, leads)).values()} | leads)
    rows = [
        {"merge_id": half.merge_id, "lead_id": half.lead_id, "survivor": half.survivor, "cycle": half.cycle}
        for half in halves
    ]
    await tx.driver_sql(_HALVES, counters.to_json(rows))
    events = {half.merge_id: half for half in halves}
    whole = list(await tx.driver_sql(_WHOLE, list(events)))
    if not whole:
        return []
    end = await ends(tx, (row.survivor for row in whole))
    await queries.lock_leads(tx, (each.lead_id for each in end.values()))  # it may have become another meanwhile
    return [
        Whole(end[row.survivor].lead_id, row.loser, end[row.survivor].cycle or row.cycle, events[row.merge_id])
        for row in whole
    ]


async def forget(tx: Transaction, undone: Sequence[LeadUnmerged]) -> None:
    await tx.driver_sql(_UNDONE, [half.merge_id for half in undone])


async def join(tx: Transaction, merge: Whole) -> list[Decided]:
    found = await tx.driver_sql(_ALIVE, [merge.survivor, merge.loser], merge.survivor, merge.cycle)
    rows = list(map(assignment.read, found))
    alive = [each for each in rows if each.is_open or each.stage == "waiting"]
    if not any(each.lead_id == merge.loser for each in alive):
        return []
    goes_on, *others = sorted(alive, key=lambda each: (not each.is_open, each.lead_id != merge.survivor, -each.cycle))
    said: list[Decided] = []
    in_its_place = next((each for each in rows if (each.lead_id, each.cycle) == (merge.survivor, merge.cycle)), None)
    if goes_on.lead_id == merge.loser and in_its_place is not None:
        others = [each for each in others if each is not in_its_place]
    for other in others:
        said += await _end(tx, other, merge)
    if goes_on.lead_id == merge.loser:
        said += await _move(tx, goes_on, in_its_place, merge)
    return said


async def _end(tx: Transaction, of: Assignment, merge: Whole) -> list[Decided]:
    """As a duplicate, by the system. Its rep is told; one that only waited was nobody's."""
    await queries.save_assignments(
        tx, [replace(of, stage="rejected", reason="duplicate", paused=False, changed_at=tx.now)]
    )
    if of.rep is None or not of.is_open:
        return []
    await counters.add_open(tx, {of.rep: -1})
    told = message.ended(of, tx.playbook, reason="duplicate", survivor=merge.survivor)
    await deliveries.write(tx, [message.notice(merge.event, of, told)])
    return [
        LeadRejected(
            trace=merge.event.trace, at=tx.now, by="system", lead_id=of.lead_id, cycle=of.cycle, playbook=tx.stamp,
            assignment_id=of.assignment_id, version=of.version, rep=of.rep, channel="implied", reason="duplicate",
            consequence=CONSEQUENCE["duplicate"],
        )
    ]  # fmt: skip


async def _move(tx: Transaction, of: Assignment, instead: Assignment | None, merge: Whole) -> list[Decided]:
    """The loser's under the survivor: as itself, or, where the survivor's cycle has an assignment, as that one's next
    version."""
    if instead is None:
        await tx.driver_sql(_MOVE, of.assignment_id, merge.survivor, merge.cycle)
        moved = replace(of, lead_id=merge.survivor, cycle=merge.cycle)
    else:
        ended = replace(of, stage="rejected", reason="duplicate", paused=False, changed_at=tx.now)
        await queries.save_assignments(tx, [ended])
        moved = replace(
            of, assignment_id=instead.assignment_id, lead_id=merge.survivor, cycle=merge.cycle, version=instead.version,
            owners=(*instead.owners, *of.owners), not_teams=(*instead.not_teams, *of.not_teams), mql_at=instead.mql_at,
            about=instead.about,
        )  # fmt: skip
    if not moved.is_open or moved.rep is None or tx.playbook.routing.rep(moved.rep) is None:
        placed = await place(tx, [Placing(replace(moved, decision_id=None), "merge", trace=merge.event.trace)])
        return [event for _, event in placed]
    now_under = replace(
        moved, stage="assigned", version=moved.version + 1, because="merge", paused=False, changed_at=tx.now,
        previous_rep=moved.previous_rep if instead is None else instead.rep or instead.previous_rep,
    )  # fmt: skip
    await queries.save_assignments(tx, [now_under])
    event = assigned_event(now_under, tx.playbook, tx.stamp, "system", merge.event.trace)
    told = message.assigned(now_under, tx.playbook, answers_at())
    await deliveries.write(tx, [message.notice(event, now_under, told)])
    said: list[Decided] = [event]
    if moved.stage in _SAYS:  # how far the rep has come goes with it
        answer = Answering(_SAYS[moved.stage], OWNER, "implied").of(moved.rep, merge.event.trace)
        settled = await settle(tx, now_under, answer)
        assert isinstance(settled, Settled)
        said += settled.events
    return said
