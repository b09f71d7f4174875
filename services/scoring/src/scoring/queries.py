"""Set-based SQL: one statement per batch, never per row. Who locks what, and in which order, is decided here.

Locks are taken in three phases, and nobody waits for an earlier phase while holding a later one, so nobody deadlocks:
1. subjects nobody has yet are claimed, in the order of their ids: `insert … on conflict do nothing`;
2. leads are locked, in the order of their ids;
3. everything else, which belongs to the locked leads.

A subject with a lead moves to another one only under the lock of the lead it leaves, and that lead's row is deleted by
the same transaction. So whoever waited for the row finds it gone and asks again where the subject is now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.events.identity import SubjectKind
from relevo.stream import Transaction
from scoring.identity import Place
from scoring.lead import Lead
from scoring.rows import to_columns, to_event, to_lead, touchpoint_columns


async def _rows(tx: Transaction, sql: str, *args: Any) -> Sequence[Any]:
    return (await tx.driver_sql(sql, *args)).all()


_PLACES = (
    "select i.subject_id, i.lead_id, l.known_by, i.erased_before from identity i left join lead l using (lead_id)"
    " where i.subject_id = any($1::text[])"
)


async def places(tx: Transaction, subject_ids: Collection[str]) -> dict[str, Place]:
    """Where these subjects are, as committed now; no lock."""
    return {
        subject: Place(lead_id, known_by or "anonymous", erased_before)
        for subject, lead_id, known_by, erased_before in await _rows(tx, _PLACES, list(subject_ids))
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

Tied = Mapping[str, tuple[SubjectKind, UUID]]


async def claim(tx: Transaction, tied: Tied, erased: Collection[str]) -> set[str]:
    """Tie subjects that have no lead; returns those this transaction got. Another one's claim is waited for."""
    won: set[str] = set()
    for statement, subjects in (
        (_CLAIM, sorted(tied.keys() - set(erased))),
        (_CLAIM_ERASED, sorted(tied.keys() & set(erased))),
    ):
        if subjects:
            kinds, leads = [tied[s][0] for s in subjects], [tied[s][1] for s in subjects]
            won |= set((await tx.driver_sql(statement, subjects, kinds, leads)).scalars())
    return won


_LOCK = "select * from lead where lead_id = any($1::uuid[]) order by lead_id for update"
_LOCK_NOW = _LOCK + " nowait"
_LOCK_SOME = (
    "select * from lead where due_at <= $2 or playbook_version < $1 or playbook_version > $1"
    " limit $3 for update skip locked"
)


async def lock(tx: Transaction, lead_ids: Collection[UUID], *, wait: bool = True) -> dict[UUID, Lead]:
    """Those of the leads that exist, locked. A second helping must not `wait`: it would be out of order; it raises
    (lock not available), and the runtime takes the batch again."""
    if not lead_ids:
        return {}
    rows = await tx.driver_sql(_LOCK if wait else _LOCK_NOW, sorted(lead_ids))
    return {row.lead_id: to_lead(row) for row in rows}


async def lock_overdue(tx: Transaction, version: str, as_of: datetime, at_most: int) -> dict[UUID, Lead]:
    """Leads to judge again though nothing happened: summed under another playbook, or due. Leads that somebody else is
    working at are left to them."""
    rows = await tx.driver_sql(_LOCK_SOME, version, as_of, at_most)
    return {row.lead_id: to_lead(row) for row in rows}


async def next_due(tx: Transaction) -> datetime | None:
    due: datetime | None = (await tx.driver_sql("select min(due_at) from lead")).scalar()
    return due


_STORE = (
    "insert into touchpoint (touchpoint_id, lead_id, subject_id, type, machine, occurred_at, received_at, event)"
    " select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[],"
    " $7::timestamptz[], $8::json[]) on conflict do nothing returning touchpoint_id, relevo_now()"
)


async def store(tx: Transaction, touchpoints: Sequence[tuple[TouchpointRecorded, UUID]]) -> tuple[set[UUID], datetime]:
    """Keep touchpoints under their leads; returns those that were not kept already, and the `moment`."""
    rows = await _rows(tx, _STORE, *touchpoint_columns(touchpoints)) if touchpoints else ()
    return {touchpoint_id for touchpoint_id, _ in rows}, rows[0][1] if rows else await moment(tx)


async def moment(tx: Transaction) -> datetime:
    """The moment by the one clock, to be asked once the leads are locked. `tx.now` may be from before a wait for a
    lock, when whoever held it was not yet done: what is said of a lead would go back in time."""
    now: datetime = (await tx.driver_sql("select relevo_now()")).scalar_one()
    return now


_HISTORY = "select lead_id, event from touchpoint where lead_id = any($1::uuid[]) and touchpoint_id <> all($2::uuid[])"
_RECENT = (
    "select l.id, t.event from unnest($1::uuid[]) as l(id) cross join lateral (select event from touchpoint"
    " where lead_id = l.id and touchpoint_id <> all($2::uuid[])"
    " order by occurred_at desc, touchpoint_id desc limit $3) as t"
)


async def history(
    tx: Transaction, lead_ids: Collection[UUID], without: Iterable[UUID] = ()
) -> dict[UUID, list[TouchpointRecorded]]:
    """All touchpoints of each of these leads, but `without` those."""
    found: dict[UUID, list[TouchpointRecorded]] = {lead_id: [] for lead_id in lead_ids}
    if found:
        for lead_id, event in await _rows(tx, _HISTORY, list(found), list(without)):
            found[lead_id].append(to_event(event))
    return found


async def recent(
    tx: Transaction, lead_ids: Collection[UUID], at_most: int, without: Iterable[UUID] = ()
) -> dict[UUID, list[TouchpointRecorded]]:
    """The newest touchpoints of each of these leads, but `without` those."""
    found: defaultdict[UUID, list[TouchpointRecorded]] = defaultdict(list)
    if lead_ids:
        for lead_id, event in await _rows(tx, _RECENT, list(lead_ids), list(without), at_most):
            found[lead_id].append(to_event(event))
    return found


_SUBJECTS = "select lead_id, subject_id, kind from identity where lead_id = any($1::uuid[])"


async def subjects_of(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, list[tuple[str, SubjectKind]]]:
    found: defaultdict[UUID, list[tuple[str, SubjectKind]]] = defaultdict(list)
    if lead_ids:
        for lead_id, subject, kind in await _rows(tx, _SUBJECTS, list(lead_ids)):
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


_SAVE = (
    "insert into lead (lead_id, known_by, cycle, cycle_from, cool_until, qualified_at, due_at, playbook_version,"
    " grade, level, said, outcome, sums) select * from unnest($1::uuid[], $2::text[], $3::int[], $4::timestamptz[],"
    " $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::smallint[], $11::json[],"
    " $12::json[], $13::json[]) on conflict (lead_id) do update set known_by = excluded.known_by,"
    " cycle = excluded.cycle, cycle_from = excluded.cycle_from, cool_until = excluded.cool_until,"
    " qualified_at = excluded.qualified_at, due_at = excluded.due_at, playbook_version = excluded.playbook_version,"
    " grade = excluded.grade, level = excluded.level, said = excluded.said, outcome = excluded.outcome,"
    " sums = excluded.sums"
)


async def save(tx: Transaction, leads: Collection[Lead], as_of: datetime) -> None:
    """One upsert, whatever changed."""
    if leads:
        await tx.driver_sql(_SAVE, *to_columns(leads, as_of))


_REDIRECTS = "select lead_id, survivor from redirect where lead_id = any($1::uuid[])"


async def current(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Each of these ids with the lead it stands for now: itself, or the one it went into."""
    return {lead_id: lead_id for lead_id in lead_ids} | dict(await _rows(tx, _REDIRECTS, list(lead_ids)))


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
    " returning t.event, t.occurred_at, t.received_at >= e.before as since)"
    " select event from heard where since order by occurred_at"
)


async def bury(tx: Transaction, subjects: Sequence[tuple[str, datetime]]) -> None:
    """A tombstone per subject, also where nothing is known of it yet. Comes before any lead is locked: it claims."""
    if subjects:
        ids, moments = (list(column) for column in zip(*sorted(subjects), strict=True))
        await tx.driver_sql(_TOMBSTONES, ids, moments)
        await tx.driver_sql(_BURY, ids, moments)


async def erase(tx: Transaction, before: Mapping[UUID, datetime]) -> list[TouchpointRecorded]:
    """Delete locked leads with all their touchpoints; returns the touchpoints received since `before`."""
    rows = await tx.driver_sql(_ERASE, list(before), list(before.values()))
    return [to_event(event) for event in rows.scalars()]


_SHOW = "select * from lead where lead_id = coalesce((select survivor from redirect where lead_id = $1), $1)"
_PAGE = (
    "select lead_id, known_by, cycle, grade, level, qualified_at from lead"
    " where ($1::uuid is null or lead_id > $1) and ($3::text is null or exists"
    " (select from json_array_elements(outcome->'owners') as owner where owner->>'rep' = $3)) order by lead_id limit $2"
)


async def show(tx: Transaction, lead_id: UUID) -> Lead | None:
    """One lead, under its own id or one that went into it; no lock."""
    row = (await tx.driver_sql(_SHOW, lead_id)).first()
    return None if row is None else to_lead(row)


async def page(tx: Transaction, after: UUID | None, limit: int, owned_by: str | None) -> list[dict[str, Any]]:
    """Leads by id, that is in the order they began; only those that were this rep's, if a rep asks."""
    rows = await tx.driver_sql(_PAGE, after, limit, owned_by)
    return [dict(row) for row in rows.mappings()]
