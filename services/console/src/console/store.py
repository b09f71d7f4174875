"""SQL of what the handler keeps: events, files, read models; a fixed number of statements per batch."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Table, TextClause, text

from console import tables
from console.clocks import Clock
from console.filing import Filed, Files
from console.leads import Lead
from console.trips import Trip
from relevo.events import TOPICS, LeadErased, LeadIdentified, PlaybookPublished, TouchpointFailed, TouchpointRecorded
from relevo.events.base import Event, LeadEvent
from relevo.stream import Transaction

T = TypeVar("T")

# Cause before effect, among events that happened at one instant; within a topic they come in order anyway.
_RANK = {topic.name: rank for rank, topic in enumerate(TOPICS)}

# What the read model has no use for: bodies of requests (personal), documents (kept as a publication), subjects.
_LEFT_OUT: dict[type[Event], set[str]] = {
    TouchpointFailed: {"body_base64", "headers"},
    PlaybookPublished: {"documents"},
    LeadErased: {"subject_ids"},
}

_LOCK = text("select pg_advisory_xact_lock(hashtext('console.keep'))")
_NOTIFY = text("select pg_notify('console_event', '')")
_ERASED = text(
    "select lead_id::text as key, null::timestamptz as received_before from erased where lead_id = any(:leads)"
    " union all select subject_id, received_before from erased_subject where subject_id = any(:subjects)"
)
_SUBJECTS = text("select subject_id, lead_id, at from subject where subject_id = any(:ids)")
_FILINGS = text("select touchpoint_id, lead_id, at from filing where touchpoint_id = any(:ids)")
_REFILE = text(
    "update event set lead_id = coalesce(f.lead_id, s.lead_id) from event as e"
    " left join filing as f on f.touchpoint_id = e.id left join subject as s on s.subject_id = e.subject_id"
    " where event.id = e.id and e.type = 'touchpoint.recorded.v1'"
    " and (e.subject_id = any(:subjects) or e.id = any(:touchpoints))"
    " and e.lead_id is distinct from coalesce(f.lead_id, s.lead_id) returning event.id, event.data"
)
_COUNT_SUBJECTS = text("select lead_id, count(*) as subjects from subject where lead_id = any(:leads) group by lead_id")
_LEADS = text("select * from lead where lead_id = any(:leads)")
_TRIPS = text("select * from trip where lead_id = any(:leads)")
_CLOCKS = text("select * from clock where clock_id = any(:clocks) or (lead_id = any(:leads) and met_at is null)")


def _upsert(table: Table, *, change: bool = True) -> TextClause:
    """Rows as one JSON array into `table`; a row that is there is overwritten, or (`change` off) left alone."""
    names = [column.name for column in table.columns if column.identity is None]
    keys = [column.name for column in table.primary_key]
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
    listed = ", ".join(f'"{name}"' for name in names)
    conflict = f"do update set {updates}" if change else "do nothing"
    return text(
        f"insert into {table.name} ({listed})"  # noqa: S608 (names of our own tables)
        f" select {listed} from jsonb_populate_recordset(null::{table.name}, cast(:rows as jsonb))"
        f" on conflict ({', '.join(keys)}) {conflict}"
    )


_EVENT = _upsert(tables.event, change=False)
_SUBJECT, _FILING = _upsert(tables.subject), _upsert(tables.filing)
_LEAD, _TRIP, _CLOCK = _upsert(tables.lead), _upsert(tables.trip), _upsert(tables.clock)


async def serialised(tx: Transaction) -> None:
    """One batch at a time, whatever the partition or replica, until the transaction ends. So a touchpoint and its
    identification never miss each other, no two batches deadlock, and seq is the order of commits."""
    await tx.execute(_LOCK)


async def erased(tx: Transaction, leads: Collection[UUID], subjects: Collection[str]) -> dict[str, datetime | None]:
    """Which of these leads (by id, as text) and subjects were erased; of a subject, what was received before when."""
    rows = await tx.execute(_ERASED, {"leads": list(leads), "subjects": list(subjects)})
    return {row.key: row.received_before for row in rows}


async def files(tx: Transaction, subjects: Collection[str], touchpoints: Collection[UUID]) -> Files:
    by_subject = await tx.execute(_SUBJECTS, {"ids": list(subjects)})
    by_touchpoint = await tx.execute(_FILINGS, {"ids": list(touchpoints)}) if touchpoints else ()
    return Files(
        {row.subject_id: Filed(row.lead_id, row.at) for row in by_subject},
        {row.touchpoint_id: Filed(row.lead_id, row.at) for row in by_touchpoint},
    )


async def save_files(tx: Transaction, said: Sequence[LeadIdentified], now_known: Files) -> list[TouchpointRecorded]:
    """Keep what was said; returns the touchpoints kept before that changed their lead by it."""
    subjects = {event.subject_id for event in said}
    touchpoints = {touchpoint for event in said for touchpoint in event.touchpoint_ids}
    await _save(tx, _SUBJECT, ({"subject_id": s, **asdict(now_known.subjects[s])} for s in subjects))
    await _save(tx, _FILING, ({"touchpoint_id": t, **asdict(now_known.touchpoints[t])} for t in touchpoints))
    moved = await tx.execute(_REFILE, {"subjects": list(subjects), "touchpoints": list(touchpoints)})
    return [TouchpointRecorded.model_validate({**row.data, "id": row.id}) for row in moved]


async def keep(tx: Transaction, events: Iterable[tuple[Event, UUID | None]]) -> None:
    """Each event with its lead, once, in this order; and tell the live pages when this commits."""
    await _save(tx, _EVENT, (_row(event, lead_id) for event, lead_id in events))
    await tx.execute(_NOTIFY)


async def subjects_of(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, int]:
    """How many subjects each of these leads has."""
    found = {row.lead_id: row.subjects for row in await tx.execute(_COUNT_SUBJECTS, {"leads": list(leads)})}
    return {lead: found.get(lead, 0) for lead in leads}


async def load_leads(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, Lead]:
    rows = await tx.execute(_LEADS, {"leads": list(leads)})
    return {row.lead_id: of_row(Lead, row) for row in rows}


async def load_trips(tx: Transaction, leads: Collection[UUID]) -> dict[tuple[UUID, int], Trip]:
    rows = await tx.execute(_TRIPS, {"leads": list(leads)})
    return {(row.lead_id, row.cycle): of_row(Trip, row) for row in rows}


async def load_clocks(tx: Transaction, clocks: Collection[UUID], leads: Collection[UUID]) -> dict[UUID, Clock]:
    """These clocks, and those of these leads that were not met: what ended one may be heard of before or after it."""
    rows = await tx.execute(_CLOCKS, {"clocks": list(clocks), "leads": list(leads)})
    return {row.clock_id: of_row(Clock, row) for row in rows}


async def save(tx: Transaction, leads: Iterable[Lead], trips: Iterable[Trip], clocks: Iterable[Clock]) -> None:
    await _save(tx, _LEAD, leads)
    await _save(tx, _TRIP, trips)
    await _save(tx, _CLOCK, clocks)


def of_row(into: Callable[..., T], row: Any) -> T:
    """A table's row as the dataclass of the same fields."""
    return into(**{field.name: getattr(row, field.name) for field in fields(into)})  # type: ignore[arg-type]


async def _save(tx: Transaction, statement: TextClause, rows: Iterable[Any]) -> None:
    listed = list(rows)
    if listed:
        await tx.execute(statement, {"rows": orjson.dumps(listed, default=str).decode()})


def _row(event: Event, lead_id: UUID | None) -> dict[str, Any]:
    touch = event if isinstance(event, TouchpointRecorded) else None
    return {
        "id": event.id,
        "type": event.type,
        "lead_id": lead_id,
        "subject_id": touch.key() if touch else None,
        "at": touch.occurred_at if touch else event.at,
        "rank": _RANK[event.topic.name],
        "data": event.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_LEFT_OUT.get(type(event))),
    }


def lead_of(event: Event) -> UUID | None:
    """The lead an event names itself; touchpoints don't."""
    return event.lead_id if isinstance(event, LeadEvent | LeadErased) else None
