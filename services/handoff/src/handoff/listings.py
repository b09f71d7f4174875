"""SQL behind the lists of the API: pages by cursor, and the writes of reps' days and endpoints."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from handoff import assignment
from handoff.assignment import COLUMNS, Assignment
from relevo.stream import Transaction

_ASSIGNMENTS = f"""
select {", ".join(COLUMNS)} from assignment
where ($1::text is null or rep = $1) and ($2::text is null or team = $2) and ($3::text is null or stage = $3)
  and ($4::uuid is null or lead_id = $4) and ($5::uuid is null or assignment_id < $5)
order by assignment_id desc limit $6
"""  # noqa: S608  no value in it
_AWAY = text(
    "select rep, from_at, until_at, source from away where until_at is null or until_at > :now order by from_at"
)
_END_AWAY = text(
    "with ended as (delete from away where rep = :rep and from_at >= :at)"
    " update away set until_at = :at where rep = :rep and from_at < :at and (until_at is null or until_at > :at)"
)
_GO_AWAY = text("insert into away (rep, from_at, until_at, source, by) values (:rep, :at, :until, :source, :by)")
_ADD_ENDPOINT = text(
    "insert into endpoint (endpoint_id, name, target, target_id, url, secrets, types, created_at, created_by)"
    " values (:endpoint_id, :name, :target, :target_id, :url, :secrets, :types, :at, :by)"
)
_ENDPOINTS = text(
    "select endpoint_id, name, target, target_id, url, types, created_at, disabled_at, disabled_because,"
    " (select count(*) from delivery d where d.endpoint_id = endpoint.endpoint_id and d.state = 'pending') as pending"
    " from endpoint where removed_at is null and (cast(:cursor as uuid) is null or endpoint_id > :cursor)"
    " order by endpoint_id limit :limit"
)
_ENABLE = text(
    "update endpoint set disabled_at = null, disabled_because = null"
    " where endpoint_id = :endpoint_id and removed_at is null returning endpoint_id"
)
_REMOVE = text(
    "update endpoint set removed_at = :at, secrets = '{}' where endpoint_id = :endpoint_id and removed_at is null"
    " returning endpoint_id"
)
_HELD = text(
    "select distinct lead_id from delivery"
    " where endpoint_id = :endpoint_id and state = 'pending' and lead_id is not null"
)
_DROP_HELD = text(
    "update delivery set state = 'failed', error = :error where endpoint_id = :endpoint_id and state = 'pending'"
    " returning delivery_id, webhook_id, lead_id, cycle, assignment_id, tries, first_try_at, status, trace"
)
_TEST = text(
    "insert into delivery (webhook_id, endpoint_id, type, body, state, due_at, created_at)"
    " select :webhook_id, endpoint_id, 'test', :body, 'pending', :at, :at from endpoint"
    " where endpoint_id = :endpoint_id and removed_at is null returning delivery_id"
)
_DELIVERIES = """
select seq, delivery_id, webhook_id, endpoint_id, type, state, lead_id, assignment_id, version, tries,
  case when state = 'pending' then due_at end as due_at, created_at, first_try_at, last_try_at, status, error
from delivery
where ($1::uuid is null or endpoint_id = $1) and ($2::text is null or state = $2)
  and ($3::uuid is null or assignment_id = $3) and ($4::bigint is null or seq < $4)
  and ($5::text is null or assignment_id in (select assignment_id from assignment where rep = $5))
order by seq desc limit $6
"""
_REDELIVER = text(
    "update delivery set state = 'pending', tries = 0, due_at = :at, leased_until = null, error = null"
    " from endpoint e where delivery_id = :delivery_id and e.endpoint_id = delivery.endpoint_id and removed_at is null"
    " returning delivery_id, webhook_id, e.disabled_at is not null as held"
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
    await tx.execute(_GO_AWAY, {"rep": rep, "at": at, "until": until, "source": source, "by": by})


async def add_endpoint(tx: Transaction, row: Mapping[str, Any]) -> None:
    await tx.execute(_ADD_ENDPOINT, {**row, "at": tx.now})


async def endpoints(tx: Transaction, cursor: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Without their secrets."""
    rows = await tx.execute(_ENDPOINTS, {"cursor": cursor, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def enable(tx: Transaction, endpoint_id: UUID) -> bool:
    """Whether there is such an endpoint; what it held is due again."""
    return (await tx.execute(_ENABLE, {"endpoint_id": endpoint_id})).first() is not None


async def held_leads(tx: Transaction, endpoint_id: UUID) -> list[UUID]:
    return [row.lead_id for row in await tx.execute(_HELD, {"endpoint_id": endpoint_id})]


async def remove(tx: Transaction, endpoint_id: UUID, error: str) -> list[dict[str, Any]] | None:
    """The deliveries that are given up with the endpoint; None where there is none such."""
    if (await tx.execute(_REMOVE, {"endpoint_id": endpoint_id, "at": tx.now})).first() is None:
        return None
    dropped = await tx.execute(_DROP_HELD, {"endpoint_id": endpoint_id, "error": error})
    return [dict(row) for row in dropped.mappings()]


async def add_test(tx: Transaction, endpoint_id: UUID, webhook_id: str, body: str) -> UUID | None:
    values = {"endpoint_id": endpoint_id, "webhook_id": webhook_id, "body": body, "at": tx.now}
    delivery_id: UUID | None = (await tx.execute(_TEST, values)).scalar_one_or_none()
    return delivery_id


async def deliveries(
    tx: Transaction,
    endpoint_id: UUID | None,
    state: str | None,
    assignment_id: UUID | None,
    cursor: int | None,
    rep: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Newest first, without what they say."""
    rows = await tx.driver_sql(_DELIVERIES, endpoint_id, state, assignment_id, cursor, rep, limit)
    return [dict(row) for row in rows.mappings()]


async def redeliver(tx: Transaction, delivery_id: UUID) -> dict[str, Any] | None:
    """Due again, with the same webhook-id and body."""
    again = (await tx.execute(_REDELIVER, {"delivery_id": delivery_id, "at": tx.now})).mappings().one_or_none()
    return None if again is None else dict(again)
