"""SQL behind the lists of the API: assignments, pages by cursor; the reps' absences."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from handoff import assignment, merging
from handoff.absences import Absence
from handoff.assignment import COLUMNS, Assignment
from relevo.stream import Transaction

_ASSIGNMENTS = f"""
select {", ".join(COLUMNS)} from assignment
where ($1::text is null or rep = $1) and ($2::text is null or team = $2) and ($3::text is null or stage = $3)
  and ($4::uuid is null or lead_id = $4)
  and ($5::uuid is null or assignment_id < $5)
order by assignment_id desc limit $6
"""  # noqa: S608  no value in it
_AWAY = text(
    "select rep, from_at, until_at, source from away where until_at is null or until_at > :now order by from_at"
)
_END_AWAY = text(
    "with ended as (delete from away where rep = :rep and from_at >= :at)"
    " update away set until_at = :at where rep = :rep and from_at < :at and (until_at is null or until_at > :at)"
)
_GO_AWAY = text(
    "insert into away (rep, from_at, until_at, source, by, uid) values (:rep, :at, :until, :source, :by, :uid)"
)
_FROM_CALENDAR = text(
    "select from_at, until_at, uid from away where rep = :rep and source = 'calendar' and until_at > :now"
)
_NO_MORE = text("delete from away where rep = :rep and source = 'calendar' and until_at > :now")
_SPARE = text(
    "insert into spare (rep, capacity, until_at, by) values (:rep, :capacity, :until, :by)"
    " on conflict (rep) do update set capacity = excluded.capacity, until_at = excluded.until_at, by = excluded.by"
)
_OPEN_OF_REP = (
    "select lead_id, cycle from assignment where rep = $1"
    " and stage in ('assigned', 'accepted', 'contacted', 'opportunity') order by assignment_id limit $2"
)


async def assignments(
    tx: Transaction,
    rep: str | None,
    team: str | None,
    stage: str | None,
    lead_id: UUID | None,
    cursor: UUID | None,
    limit: int,
) -> list[Assignment]:
    if lead_id is not None:
        lead_id = (await merging.ends(tx, [lead_id]))[lead_id].lead_id
    rows = await tx.driver_sql(_ASSIGNMENTS, rep, team, stage, lead_id, cursor, limit)
    return [assignment.read(row) for row in rows]


async def away(tx: Transaction) -> dict[str, list[dict[str, Any]]]:
    """Absences of each rep that are not over."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await tx.execute(_AWAY, {"now": tx.now}):
        found.setdefault(row.rep, []).append({"from": row.from_at, "until": row.until_at, "source": row.source})
    return found


async def end_away(tx: Transaction, rep: str, at: datetime) -> None:
    """From `at` on the rep is there: an absence that runs ends, later ones are dropped."""
    await tx.execute(_END_AWAY, {"rep": rep, "at": at})


async def go_away(tx: Transaction, rep: str, at: datetime, until: datetime | None, source: str, by: str) -> None:
    await tx.execute(_GO_AWAY, {"rep": rep, "at": at, "until": until, "source": source, "by": by, "uid": None})


async def from_calendar(tx: Transaction, rep: str) -> list[Absence]:
    """What the rep's calendar file said last, as far as it is not over."""
    rows = await tx.execute(_FROM_CALENDAR, {"rep": rep, "now": tx.now})
    return [Absence(row.from_at, row.until_at, row.uid or "") for row in rows]


async def keep_calendar(tx: Transaction, rep: str, found: Sequence[Absence], by: str) -> None:
    """The file is the whole truth of its own entries; absences said otherwise stay."""
    await tx.execute(_NO_MORE, {"rep": rep, "now": tx.now})
    for each in found:
        row = {"rep": rep, "at": each.start, "until": each.until, "source": "calendar", "by": by, "uid": each.uid}
        await tx.execute(_GO_AWAY, row)


async def spare(tx: Transaction, rep: str, capacity: int, until: datetime, by: str) -> None:
    await tx.execute(_SPARE, {"rep": rep, "capacity": capacity, "until": until, "by": by})


async def open_of(tx: Transaction, rep: str, most: int) -> list[tuple[UUID, int]]:
    """(lead, cycle) of the rep's open leads, oldest first."""
    return [(row.lead_id, row.cycle) for row in await tx.driver_sql(_OPEN_OF_REP, rep, most)]
