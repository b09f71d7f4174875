"""Set-based SQL of who is who: where subjects are, claims, moves, erasure.

A subject with a lead moves to another one only under the lock of the lead it leaves, and the same transaction deletes
that lead's row, or counts the parting in it. So whoever waited for the row sees that, and asks again where the subject
is now. `queries` says in which order locks are taken.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.events.identity import SubjectKind
from relevo.stream import Transaction
from scoring.identity import Place
from scoring.lead import Lead
from scoring.queries import fetch, lock
from scoring.rows import to_event

# `offset 0`: lead by lead by its key, however many there are; a plan for a small table would read all of it.
_PLACES = (
    "select i.subject_id, i.lead_id, l.known_by, i.erased_before, l.partings from identity i left join lateral"
    " (select known_by, partings from lead where lead_id = i.lead_id offset 0) l on true"
    " where i.subject_id = any($1::text[])"
)


async def places(tx: Transaction, subject_ids: Collection[str]) -> dict[str, Place]:
    """Where these subjects are, as committed now; no lock."""
    return {
        subject: Place(lead_id, known_by or "anonymous", erased_before, partings or 0)
        for subject, lead_id, known_by, erased_before, partings in await fetch(tx, _PLACES, list(subject_ids))
    }


_CLAIM = (
    "insert into identity (subject_id, kind, lead_id) select * from unnest($1::text[], $2::text[], $3::uuid[])"
    " on conflict do nothing returning subject_id"
)
_CLAIM_ERASED = (
    "with mine as (select i.subject_id, c.kind, c.lead_id from identity i"
    " join unnest($1::text[], $2::text[], $3::uuid[]) c(subject_id, kind, lead_id) using (subject_id)"
    " where i.lead_id is null order by i.subject_id for update of i)"
    " update identity set kind = mine.kind, lead_id = mine.lead_id from mine"
    " where identity.subject_id = mine.subject_id and identity.lead_id is null returning identity.subject_id"
)
_CLAIM_ERASED_NOW = _CLAIM_ERASED.replace("for update of i", "for update of i nowait")

Tied = Mapping[str, tuple[SubjectKind, UUID]]


async def claim(tx: Transaction, tied: Tied, erased: Collection[str], *, wait: bool = True) -> set[str]:
    """Tie subjects that have no lead; returns those this transaction got. Another one's claim is waited for; but not by
    who holds leads already: as with `queries.lock`, that raises. (Subjects nobody knew are only met before that.)"""
    won: set[str] = set()
    for statement, subjects in (
        (_CLAIM, sorted(tied.keys() - set(erased))),
        (_CLAIM_ERASED if wait else _CLAIM_ERASED_NOW, sorted(tied.keys() & set(erased))),
    ):
        if subjects:
            kinds, leads = [tied[s][0] for s in subjects], [tied[s][1] for s in subjects]
            won |= set((await tx.driver_sql(statement, subjects, kinds, leads)).scalars())
    return won


_SUBJECTS = "select lead_id, subject_id, kind from identity where lead_id = any($1::uuid[])"


async def subjects_of(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, list[tuple[str, SubjectKind]]]:
    found: defaultdict[UUID, list[tuple[str, SubjectKind]]] = defaultdict(list)
    if lead_ids:
        for lead_id, subject, kind in await fetch(tx, _SUBJECTS, list(lead_ids)):
            found[lead_id].append((subject, kind))
    return found


_RETIE = (
    "update identity set lead_id = m.lead_id from unnest($1::text[], $2::uuid[]) as m(subject_id, lead_id)"
    " where identity.subject_id = m.subject_id"
)
_MOVE = (
    "with m as (select * from unnest($1::uuid[], $2::uuid[]) as m(lost, survivor)),"
    " ties as (update identity set lead_id = m.survivor from m where identity.lead_id = m.lost),"
    " heard as (update touchpoint set lead_id = m.survivor from m where touchpoint.lead_id = m.lost),"
    " flat as (update redirect set survivor = m.survivor from m where redirect.survivor = m.lost),"
    " gone as (delete from lead using m where lead.lead_id = m.lost)"
    " insert into redirect (lead_id, survivor) select lost, survivor from m"
)


async def retie(tx: Transaction, subjects: Mapping[str, UUID]) -> None:
    """Correct the lead of subjects this transaction claimed, where it turned out to be another one under the locks."""
    if subjects:
        await tx.driver_sql(_RETIE, list(subjects), list(subjects.values()))


async def move(tx: Transaction, into: Mapping[UUID, UUID]) -> None:
    """Everything of each lead goes to the other; the row it leaves is deleted, and its id redirects for ever."""
    if into:
        await tx.driver_sql(_MOVE, list(into), list(into.values()))


_PART = (
    "with ties as (update identity set lead_id = $2 where lead_id = $1 and subject_id = any($3::text[])),"
    " heard as (update touchpoint set lead_id = $2 where lead_id = $1 and subject_id = any($3::text[])),"
    " back as (delete from redirect where lead_id = $2),"
    " with_it as (update redirect set survivor = $2 where lead_id = any($4::uuid[]) and survivor = $1)"
    " update lead set partings = partings + 1 where lead_id = $1"
)


async def part(
    tx: Transaction, survivor: UUID, loser: UUID, subjects: Collection[str], redirects: Collection[UUID]
) -> None:
    """These subjects, all their touchpoints, and the ids that led to the loser leave the locked survivor with it."""
    await tx.driver_sql(_PART, survivor, loser, list(subjects), list(redirects))


_REDIRECTS = "select lead_id, survivor from redirect where lead_id = any($1::uuid[])"


async def current(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Each of these ids with the lead it stands for now: itself, or the one it went into."""
    return {lead_id: lead_id for lead_id in lead_ids} | dict(await fetch(tx, _REDIRECTS, list(lead_ids)))


async def lock_current(tx: Transaction, lead_ids: Collection[UUID]) -> tuple[dict[UUID, UUID], dict[UUID, Lead]]:
    """`current`, and those leads that exist, locked; also one that went into another while its lock was waited for."""
    where = await current(tx, lead_ids)
    leads = await lock(tx, set(where.values()))
    if missing := [lead_id for lead_id, now in where.items() if now not in leads]:
        where |= await current(tx, missing)
        leads |= await lock(tx, {where[lead_id] for lead_id in missing} - leads.keys(), wait=False)
    return where, leads


_TOMBSTONES = (
    "insert into identity (subject_id, erased_before) select * from unnest($1::text[], $2::timestamptz[])"
    " on conflict do nothing"
)
_LOCK_ERASED = (
    "select from identity where subject_id = any($1::text[]) and lead_id is null order by subject_id for update"
)
_BURY = (
    "update identity set erased_before = greatest(erased_before, b.before)"
    " from unnest($1::text[], $2::timestamptz[]) as b(subject_id, before) where identity.subject_id = b.subject_id"
)
_ERASE = (
    "with e as (select * from unnest($1::uuid[], $2::timestamptz[]) as e(lead_id, before)),"
    " freed as (update identity set lead_id = null, kind = null, erased_before = greatest(erased_before, e.before)"
    " from e where identity.lead_id = e.lead_id),"
    " gone as (delete from lead using e where lead.lead_id = e.lead_id),"
    " heard as (delete from touchpoint t using e where t.lead_id = e.lead_id"
    " returning t.event, t.occurred_at, t.received_at >= e.before as since),"
    " told as (delete from mql using e where mql.lead_id = e.lead_id"
    " or mql.lead_id in (select r.lead_id from redirect r where r.survivor = e.lead_id)),"
    " guessed as (delete from learnt using e where learnt.lead_id = e.lead_id),"
    " answered as (delete from outcome o using e where o.lead_id = e.lead_id"
    " or o.lead_id in (select r.lead_id from redirect r where r.survivor = e.lead_id)),"
    " merges as (delete from merge using e where e.lead_id in (merge.survivor, merge.loser))"
    " select event from heard where since order by occurred_at"
)


async def claim_tombstones(tx: Transaction, subjects: Mapping[str, datetime]) -> None:
    """A tombstone for each subject of which nothing is known yet, and the locks of those it has already; like every
    claim, before any lead is locked."""
    if subjects:
        ids = sorted(subjects)
        await tx.driver_sql(_TOMBSTONES, ids, [subjects[subject] for subject in ids])
        await tx.driver_sql(_LOCK_ERASED, ids)


async def erase(
    tx: Transaction, before: Mapping[UUID, datetime], subjects: Mapping[str, datetime]
) -> list[TouchpointRecorded]:
    """Delete locked leads with all their touchpoints, and mark their subjects and these; returns the touchpoints
    received since `before`."""
    if subjects:
        await tx.driver_sql(_BURY, list(subjects), list(subjects.values()))
    found = await fetch(tx, _ERASE, list(before), list(before.values()))
    return [to_event(event) for (event,) in found]
