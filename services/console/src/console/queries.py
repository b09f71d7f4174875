"""SQL of one lead's page and of the stream of changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from console.erasing import family
from console.leads import Lead
from console.store import of_row
from console.trips import Trip
from relevo.events import EVENTS, Event
from relevo.stream import Transaction

_LEAD = text("select * from lead where lead_id = :lead")
_TRIPS = text("select * from trip where lead_id = :lead order by cycle desc")
_ERASED = text("select at, by from erased where lead_id = :lead")
_TIMELINE = text(
    "select seq, id, type, at, rank, data from event where lead_id = any(:leads)"
    " and (at, rank, seq) < (:at, :rank, :seq) order by at desc, rank desc, seq desc limit :limit"
)
_SINCE = text("select seq, id, type, lead_id, at from event where seq > :seq order by seq limit :limit")
_NEWEST = text("select coalesce(max(seq), 0) from event")

Cursor = tuple[datetime, int, int]  # (at, rank, seq) of the last entry seen


@dataclass(frozen=True)
class Entry:
    """One event of a timeline."""

    at: datetime
    rank: int
    seq: int
    event: Event


async def lead(tx: Transaction, lead_id: UUID) -> tuple[Lead, list[Trip]] | None:
    """A lead and its trips, the newest first."""
    found = (await tx.execute(_LEAD, {"lead": lead_id})).first()
    if found is None:
        return None
    return of_row(Lead, found), [of_row(Trip, row) for row in await tx.execute(_TRIPS, {"lead": lead_id})]


async def erased(tx: Transaction, lead_id: UUID) -> tuple[datetime, str] | None:
    """When and by whom a lead was erased."""
    found = (await tx.execute(_ERASED, {"lead": lead_id})).first()
    return (found.at, found.by) if found else None


async def timeline(tx: Transaction, lead_id: UUID, before: Cursor | None, limit: int) -> list[Entry]:
    """Events of the lead and of those merged into it, newest first, before a cursor."""
    at, rank, seq = before or (tx.now + timedelta(days=3650), 0, 0)
    leads = await family(tx, lead_id)
    rows = await tx.execute(_TIMELINE, {"leads": leads, "at": at, "rank": rank, "seq": seq, "limit": limit})
    return [Entry(row.at, row.rank, row.seq, _event(row)) for row in rows if row.type in EVENTS]


async def changes(tx: Transaction, after: int, limit: int) -> list[Row[Any]]:
    """Events kept after `after`, in that order: (seq, id, type, lead_id, at)."""
    return list(await tx.execute(_SINCE, {"seq": after, "limit": limit}))


async def newest_change(tx: Transaction) -> int:
    return int((await tx.execute(_NEWEST)).scalar_one())


def _event(row: Row[Any]) -> Event:
    return EVENTS[row.type].model_validate({**row.data, "id": row.id})
