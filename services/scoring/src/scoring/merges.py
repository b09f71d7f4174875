"""Merges that a person asked for, and their undoing: load → decide → save → tell."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from relevo.events import TouchpointRecorded, uuid7
from relevo.events.identity import STRENGTH, SubjectKind
from relevo.playbook import RuleFailed
from relevo.service import Problem
from relevo.stream import Transaction
from scoring import queries, ties
from scoring.batch import Absorbed, Identified, Judged, Parted, Said
from scoring.handlers import count_failures, with_colleagues
from scoring.kept import keep_mqls
from scoring.lead import Lead, join, part
from scoring.rows import from_trip, to_trip
from scoring.score import judge, rebuild
from scoring.tell import SHOWN, Now, events, incomplete, snapshot


class Merge(BaseModel):
    """One merge: `loser` went into `survivor`, the older of the two."""

    model_config = ConfigDict(frozen=True)

    merge_id: UUID
    survivor: UUID
    loser: UUID
    at: datetime
    by: str
    undone_at: datetime | None = Field(default=None, description="When it was undone, if it was.")
    undone_by: str | None = None


_FIRST = "select lead_id from lead where lead_id = any($1::uuid[]) order by created_at, lead_id limit 1"
_KEEP = "insert into merge (merge_id, survivor, loser, at, by, kept) values ($1, $2, $3, $4, $5, $6::json)"
_LED_HERE = "select lead_id from redirect where survivor = $1"
_BEGAN = "select created_at from lead where lead_id = $1"


async def merge(tx: Transaction, one: UUID, other: UUID, by: str) -> Merge:
    """The younger lead goes into the older one, with every subject and touchpoint. Raises Problem 404, 409."""
    where, leads = await ties.lock_current(tx, {one, other})
    if missing := [lead_id for lead_id in (one, other) if where[lead_id] not in leads]:
        raise Problem(404, "No such lead", detail=f"{missing[0]} does not exist, or was erased.")
    if len(leads) == 1:
        raise Problem(409, "One lead already", detail="Both ids stand for the same lead: there is nothing to merge.")
    first = (await tx.driver_sql(_FIRST, list(leads))).scalar_one()
    survivor, lost = leads.pop(first), next(iter(leads.values()))
    now = Now(await queries.moment(tx), tx.stamp, tx.playbook, by)
    history = await queries.history(tx, [survivor.lead_id, lost.lead_id])
    named = await ties.subjects_of(tx, [survivor.lead_id, lost.lead_id])
    subjects = named.get(lost.lead_id, [])
    joined = join(survivor, lost, now.at)
    made = Merge(merge_id=uuid7(), survivor=survivor.lead_id, loser=lost.lead_id, at=now.at, by=by)
    kept = {
        "survivor": to_trip(survivor),
        "merged": to_trip(joined),
        "loser": to_trip(lost),
        "subjects": [subject for subject, _ in subjects],
        "beside": [subject for subject, _ in named.get(survivor.lead_id, [])],
        "redirects": [str(each) for each in (await tx.driver_sql(_LED_HERE, lost.lead_id)).scalars()],
        "began": (await tx.driver_sql(_BEGAN, lost.lead_id)).scalar_one(),
        "snapshot": snapshot(lost, lost.sums.facts, history[lost.lead_id], tx.playbook).model_dump(mode="json"),
    }
    await ties.move(tx, {lost.lead_id: survivor.lead_id})
    row = (made.merge_id, made.survivor, made.loser, made.at, by, orjson.dumps(kept).decode())
    await tx.driver_sql(_KEEP, *row)

    moved = _moved(joined, lost.lead_id, subjects, history[lost.lead_id])
    heard = (*history[survivor.lead_id], *history[lost.lead_id])
    joined, judged = await _summed_again(tx, joined, heard, now)
    await _tell(tx, [*moved, Absorbed(joined, lost, heard, None, made.merge_id), *judged], now)
    return made


_FIND = (
    "select merge_id, survivor, loser, at, by, undone_at, undone_by, kept from merge where undone_at is null and"
    " case when $2::uuid is null then $1 in (survivor, loser) else merge_id = $2 end"
    " order by at desc, merge_id desc limit 1"
)
_WITHIN = "select merge_id from merge where undone_at is null and loser = $1 limit 1"
_UNDO = "update merge set undone_at = $2, undone_by = $3 where merge_id = $1 and undone_at is null returning merge_id"
_BEGAN_AGAIN = "update lead set created_at = $2 where lead_id = $1"


async def unmerge(tx: Transaction, lead_id: UUID, merge_id: UUID | None, by: str) -> Merge:
    """Undo a merge of this lead, the newest where none is named: subjects, touchpoints and both scores are as they
    would be without it. What sales holds stays with the survivor. Raises Problem 404, 409."""
    found = (await tx.driver_sql(_FIND, lead_id, merge_id)).first()
    if found is None or lead_id not in (found.survivor, found.loser):
        raise Problem(404, "No such merge", detail="This lead was not merged by hand, or that was undone already.")
    made = Merge.model_validate({name: getattr(found, name) for name in Merge.model_fields})
    if later := (await tx.driver_sql(_WITHIN, made.survivor)).scalar():
        detail = f"The survivor itself was merged into another lead since: undo merge {later} first."
        raise Problem(409, "Undo a later merge first", detail=detail)
    where, leads = await ties.lock_current(tx, {made.loser})
    survivor = leads.get(where[made.loser])
    now = Now(await queries.moment(tx), tx.stamp, tx.playbook, by)
    undone = await tx.driver_sql(_UNDO, made.merge_id, now.at, by)
    if survivor is None or undone.first() is None:  # erased, or undone by somebody else while the lock was waited for
        raise Problem(404, "No such merge", detail="It was undone, or its lead erased, a moment ago.")
    kept = found.kept if isinstance(found.kept, dict) else orjson.loads(found.kept)
    lost = from_trip(made.loser, kept["loser"])

    subjects = set(kept["subjects"])
    named = (await ties.subjects_of(tx, [survivor.lead_id])).get(survivor.lead_id, [])
    theirs = [(subject, kind) for subject, kind in named if subject in subjects]
    stay = [kind for subject, kind in named if subject not in subjects]
    history = (await queries.history(tx, [survivor.lead_id]))[survivor.lead_id]
    back = [touch for touch in history if touch.subjects[0].subject_id in subjects]
    rest = [touch for touch in history if touch.subjects[0].subject_id not in subjects]
    before, merged = (from_trip(survivor.lead_id, kept[name]) for name in ("survivor", "merged"))
    survivor = part(survivor, before, merged, _strongest(stay, before.known_by))
    await ties.part(tx, survivor.lead_id, lost.lead_id, subjects, [UUID(each) for each in kept["redirects"]])

    moved = _moved(lost, survivor.lead_id, theirs, back)
    survivor, of_survivor = await _summed_again(tx, survivor, rest, now)
    lost, of_lost = await _summed_again(tx, lost, back, now)
    await tx.driver_sql(_BEGAN_AGAIN, lost.lead_id, datetime.fromisoformat(kept["began"]))
    await _tell(tx, [*moved, Parted(survivor, lost, tuple(rest), made.merge_id), *of_survivor, *of_lost], now)
    return made.model_copy(update={"undone_at": now.at, "undone_by": by})


def _strongest(kinds: Sequence[SubjectKind], otherwise: SubjectKind) -> SubjectKind:
    return min(kinds, key=STRENGTH.__getitem__, default=otherwise)


def _moved(
    to: Lead, from_lead_id: UUID, subjects: Sequence[tuple[str, SubjectKind]], heard: Sequence[TouchpointRecorded]
) -> list[Identified]:
    ids: defaultdict[str, list[UUID]] = defaultdict(list)
    for touch in heard:
        ids[touch.subjects[0].subject_id].append(touch.touchpoint_id)
    return [
        Identified(to, subject, kind, from_lead_id, tuple(ids[subject]), None) for subject, kind in sorted(subjects)
    ]


async def _summed_again(
    tx: Transaction, lead: Lead, heard: Sequence[TouchpointRecorded], now: Now
) -> tuple[Lead, list[Said]]:
    failed: list[RuleFailed] = []
    lead = await with_colleagues(tx, rebuild(lead, heard, now.playbook, failed))
    lead, judgement = judge(lead, now.playbook, now.at, failed, because="merge")
    await queries.save(tx, [lead], now.at)
    count_failures(failed)
    return lead, [] if judgement is None else [Judged(judgement, tuple(heard), True, None)]


async def _tell(tx: Transaction, said: Sequence[Said], now: Now) -> None:
    recent = await queries.recent(tx, incomplete(said), SHOWN)
    told = events(said, recent, now)
    await keep_mqls(tx, told)
    tx.emit(*told)


_OF_LEAD = (
    "select merge_id, survivor, loser, at, by, undone_at, undone_by from merge"
    " where $1 in (survivor, loser) order by at, merge_id"
)


async def of_lead(tx: Transaction, lead_id: UUID) -> list[Any]:
    """The merges this lead took part in, undone ones too, oldest first."""
    rows = await queries.fetch(tx, _OF_LEAD, lead_id)
    return [Merge.model_validate(row._asdict()) for row in rows]
