"""Set-based SQL of leads and touchpoints: one statement per batch, never per row. Who is who is in `ties`.

Locks are taken in three phases, and nobody waits for an earlier phase while holding a later one, so nobody deadlocks:
1. subjects nobody has yet are claimed, in the order of their ids (`insert … on conflict do nothing`), erased ones after
   those nobody knew;
2. leads are locked, in the order of their ids;
3. everything else, which belongs to the locked leads.
Who has to go back to an earlier phase does not wait there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.stream import Transaction
from scoring.lead import Lead
from scoring.rows import COLUMNS, to_columns, to_event, to_lead, touchpoint_columns


async def fetch(tx: Transaction, sql: str, *args: Any) -> Sequence[Any]:
    """The rows of one statement in the driver's own `$1` form."""
    return (await tx.driver_sql(sql, *args)).all()


_LEADS = f"select {COLUMNS} from lead"  # noqa: S608 - our own names
_LOCK = _LEADS + " where lead_id = any($1::uuid[]) order by lead_id for update"
_LOCK_NOW = _LOCK + " nowait"
# Found by the indexes in their order, so that the search does not pass by all that is already done; asked again of the
# locked row, which another replica may just have judged.
_LOCK_DUE = _LEADS + " where due_at <= $1 order by due_at limit $2 for update skip locked"
_OVERDUE = (
    "with found as ((select lead_id from lead where due_at <= $2 order by due_at limit $3)"
    " union (select lead_id from lead where playbook_version < $1 order by playbook_version limit $3)"
    " union (select lead_id from lead where playbook_version > $1 order by playbook_version limit $3)) "
)
_OVERDUE_STILL = " where lead_id in (select lead_id from found) and (due_at <= $2 or playbook_version <> $1) limit $3"
_LOCK_OVERDUE = _OVERDUE + _LEADS + _OVERDUE_STILL + " for update skip locked"


async def lock(tx: Transaction, lead_ids: Collection[UUID], *, wait: bool = True) -> dict[UUID, Lead]:
    """Those of the leads that exist, locked. A second helping must not `wait`: it would be out of order; it raises
    (lock not available), and the runtime takes the batch again."""
    if not lead_ids:
        return {}
    rows = await fetch(tx, _LOCK if wait else _LOCK_NOW, sorted(lead_ids))
    return {row[0]: to_lead(row) for row in rows}


async def lock_overdue(tx: Transaction, version: str, as_of: datetime, at_most: int) -> dict[UUID, Lead]:
    """Leads to judge again though nothing happened: summed under another playbook, or due. Leads that somebody else is
    working at are left to them."""
    rows = await fetch(tx, _LOCK_OVERDUE, version, as_of, at_most)
    return {row[0]: to_lead(row) for row in rows}


async def lock_due(tx: Transaction, as_of: datetime, at_most: int) -> dict[UUID, Lead]:
    """As `lock_overdue`, but those summed under another playbook only where they are due."""
    return {row[0]: to_lead(row) for row in await fetch(tx, _LOCK_DUE, as_of, at_most)}


async def next_due(tx: Transaction) -> datetime | None:
    due: datetime | None = (await tx.driver_sql("select min(due_at) from lead")).scalar()
    return due


_STORE = (
    "with now as materialized (select relevo_now() as now) insert into touchpoint"
    " (touchpoint_id, lead_id, subject_id, type, machine, occurred_at, received_at, event, handled_at)"
    " select t.*, now from now, unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[],"
    " $7::timestamptz[], $8::json[]) as t on conflict do nothing returning touchpoint_id, handled_at"
)


async def store(tx: Transaction, touchpoints: Sequence[tuple[TouchpointRecorded, UUID]]) -> tuple[set[UUID], datetime]:
    """Keep touchpoints under their leads; returns those that were not kept already, and the `moment`."""
    rows = await fetch(tx, _STORE, *touchpoint_columns(touchpoints)) if touchpoints else ()
    return {touchpoint_id for touchpoint_id, _ in rows}, rows[0][1] if rows else await moment(tx)


async def moment(tx: Transaction) -> datetime:
    """The moment by the one clock, to be asked once the leads are locked. `tx.now` may be from before a wait for a
    lock, when whoever held it was not yet done: what is said of a lead would go back in time."""
    now: datetime = (await tx.driver_sql("select relevo_now()")).scalar_one()
    return now


_HISTORY = (
    "select lead_id, event, found from touchpoint where lead_id = any($1::uuid[]) and touchpoint_id <> all($2::uuid[])"
)
_RECENT = (
    "select l.id, t.event, t.found from unnest($1::uuid[]) as l(id) cross join lateral"
    " (select event, found from touchpoint where lead_id = l.id and touchpoint_id <> all($2::uuid[])"
    " order by occurred_at desc, touchpoint_id desc limit $3) as t"
)


async def history(
    tx: Transaction, lead_ids: Collection[UUID], without: Iterable[UUID] = ()
) -> dict[UUID, list[TouchpointRecorded]]:
    """All touchpoints of each of these leads, but `without` those."""
    found: dict[UUID, list[TouchpointRecorded]] = {lead_id: [] for lead_id in lead_ids}
    if found:
        for lead_id, event, machine in await fetch(tx, _HISTORY, list(found), list(without)):
            found[lead_id].append(to_event(event, machine))
    return found


async def recent(
    tx: Transaction, lead_ids: Collection[UUID], at_most: int, without: Iterable[UUID] = ()
) -> dict[UUID, list[TouchpointRecorded]]:
    """The newest touchpoints of each of these leads, but `without` those."""
    found: defaultdict[UUID, list[TouchpointRecorded]] = defaultdict(list)
    if lead_ids:
        for lead_id, event, machine in await fetch(tx, _RECENT, list(lead_ids), list(without), at_most):
            found[lead_id].append(to_event(event, machine))
    return found


_BEFORE = (
    "select event, found from touchpoint where lead_id = $1 and ($2::uuid is null or (occurred_at, touchpoint_id) <"
    " (select occurred_at, touchpoint_id from touchpoint where touchpoint_id = $2))"
    " order by occurred_at desc, touchpoint_id desc limit $3"
)


async def before(tx: Transaction, lead_id: UUID, cursor: UUID | None, limit: int) -> list[TouchpointRecorded]:
    """A page of the lead's touchpoints, newest first, from the one before `cursor` on."""
    return [to_event(event, machine) for event, machine in await fetch(tx, _BEFORE, lead_id, cursor, limit)]


_SAVE = (
    "insert into lead (lead_id, known_by, cycle, cycle_from, cool_until, qualified_at, due_at, playbook_version,"
    " grade, level, said, outcome, sums, company, active_at) select * from unnest($1::uuid[], $2::text[], $3::int[],"
    " $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[],"
    " $10::smallint[], $11::json[], $12::json[], $13::json[], $14::text[], $15::timestamptz[]) on conflict (lead_id)"
    " do update set known_by = excluded.known_by,"
    " cycle = excluded.cycle, cycle_from = excluded.cycle_from, cool_until = excluded.cool_until,"
    " qualified_at = excluded.qualified_at, due_at = excluded.due_at, playbook_version = excluded.playbook_version,"
    " grade = excluded.grade, level = excluded.level, said = excluded.said, outcome = excluded.outcome,"
    " sums = excluded.sums, company = excluded.company, active_at = excluded.active_at"
)


async def save(tx: Transaction, leads: Collection[Lead], as_of: datetime) -> None:
    """One upsert, whatever changed."""
    if leads:
        await tx.driver_sql(_SAVE, *to_columns(leads, as_of))


_SHOW = _LEADS + " where lead_id = coalesce((select survivor from redirect where lead_id = $1), $1)"  # noqa: S608 - our own names
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
    rows = await fetch(tx, _PAGE, after, limit, owned_by)
    return [row._asdict() for row in rows]
