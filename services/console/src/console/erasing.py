"""SQL of an erasure: what the console holds of a person goes; a tombstone stays, which is the audit log too."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from relevo.events import LeadErased
from relevo.stream import Transaction

_FAMILY = text(
    "with recursive family as (select cast(:lead as uuid) as lead_id"
    " union select lead.lead_id from lead join family on lead.merged_into = family.lead_id) select lead_id from family"
)
_SURVIVOR = text(
    "with recursive way as (select lead_id, merged_into from lead where lead_id = :lead"
    " union select lead.lead_id, lead.merged_into from lead join way on lead.lead_id = way.merged_into)"
    " select coalesce(merged_into, lead_id) from way"
    " where merged_into is null or merged_into not in (select lead_id from way)"
)
_SUBJECTS = text("select subject_id from subject where lead_id = any(:leads)")

_TOMBSTONES = text(
    "insert into erased (lead_id, at, by) select lead_id, :at, :by from unnest(cast(:leads as uuid[])) as lead_id"
    " on conflict do nothing"
)
_SUBJECT_TOMBSTONES = text(
    "insert into erased_subject (subject_id, received_before)"
    " select subject_id, :before from unnest(cast(:subjects as text[])) as subject_id on conflict (subject_id)"
    " do update set received_before = greatest(erased_subject.received_before, excluded.received_before)"
)
_EVENTS = text(
    "delete from event where type <> 'lead.erased.v1' and (lead_id = any(:leads) or (subject_id = any(:subjects)"
    " and (data->>'received_at')::timestamptz < :before))"
)
_FAILED = text(
    "delete from event where type = 'touchpoint.failed.v1' and (data->>'received_at')::timestamptz < :before"
    " and exists (select from jsonb_array_elements_text(data->'subject_ids') as s where s = any(:subjects))"
)
_REST = tuple(
    text(f"delete from {table} where lead_id = any(:leads)")  # noqa: S608 (names of our own tables)
    for table in ("lead", "trip", "clock", "subject", "filing")
)


async def survivor(tx: Transaction, lead_id: UUID) -> UUID:
    """The lead that this one is by now, through however many merges."""
    found: UUID | None = (await tx.execute(_SURVIVOR, {"lead": lead_id})).scalar_one_or_none()
    return found or lead_id


async def family(tx: Transaction, lead_id: UUID) -> list[UUID]:
    """The lead and those merged into it."""
    return list((await tx.execute(_FAMILY, {"lead": lead_id})).scalars())


async def known_subjects(tx: Transaction, lead_id: UUID) -> tuple[str, ...]:
    """The subjects tied to the lead and to those merged into it."""
    found = await tx.execute(_SUBJECTS, {"leads": await family(tx, lead_id)})
    return tuple(sorted(found.scalars()))


async def erase(tx: Transaction, events: Sequence[LeadErased]) -> None:
    for event in events:
        leads = await family(tx, event.lead_id)
        about = {"leads": leads, "subjects": list(event.subject_ids), "before": event.received_before}
        await tx.execute(_TOMBSTONES, {"leads": leads, "at": event.at, "by": event.by})
        await tx.execute(_SUBJECT_TOMBSTONES, {"subjects": about["subjects"], "before": event.received_before})
        await tx.execute(_EVENTS, about)
        await tx.execute(_FAILED, {"subjects": about["subjects"], "before": event.received_before})
        for statement in _REST:
            await tx.execute(statement, {"leads": leads})
