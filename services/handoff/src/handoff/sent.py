"""SQL on what was sent: the log, sending it again, forgetting what is long over."""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import text

from handoff.settings import Settings
from relevo.service import Service
from relevo.stream import Transaction
from relevo.stream.transaction import is_infrastructure

STEP = 1_000

_LISTED = """
select seq, delivery_id, webhook_id, endpoint_id, type, state, lead_id, assignment_id, version, tries,
  case when state = 'pending' then due_at end as due_at, created_at, first_try_at, last_try_at, status, error
from delivery
where ($1::uuid is null or endpoint_id = $1) and ($2::text is null or state = $2)
  and ($3::uuid is null or assignment_id = $3) and ($4::bigint is null or seq < $4)
  and ($5::text is null or assignment_id in (select assignment_id from assignment where rep = $5))
order by seq desc limit $6
"""
_ONE = """
select delivery_id, webhook_id, endpoint_id, type, state, lead_id, assignment_id, version, tries,
  case when state = 'pending' then due_at end as due_at, created_at, status, error, remote, body
from delivery
where delivery_id = $1 and ($2::text is null or assignment_id in (select assignment_id from assignment where rep = $2))
"""
_TRIES = "select at, took_ms, status, error, sent, answered, answer from attempt where delivery_id = $1 order by at"
_REDELIVER = text(
    "update delivery set state = 'pending', tries = 0, due_at = :at, leased_until = null, error = null"
    " from endpoint e where delivery_id = :delivery_id and e.endpoint_id = delivery.endpoint_id and removed_at is null"
    " returning delivery_id, webhook_id, e.disabled_at is not null as held"
)
_REDELIVER_RANGE = text(
    "with again as (update delivery set state = 'pending', tries = 0, due_at = :at, leased_until = null, error = null"
    " where endpoint_id = :endpoint_id and created_at >= :start and created_at < :until"
    " and (state = 'failed' or :whole and state = 'made')"
    " and exists (select from endpoint where endpoint_id = :endpoint_id and removed_at is null) returning seq)"
    " update endpoint set replay_to = greatest(replay_to, (select max(seq) from again))"
    " where endpoint_id = :endpoint_id and removed_at is null returning (select count(*) from again)"
)
_FORGET = (
    text(
        "delete from delivery where delivery_id in (select delivery_id from delivery"
        " where state <> 'pending' and created_at < :before order by seq limit :step)"
    ),
    text("delete from link where token_sha256 in (select token_sha256 from link where until_at < :before limit :step)"),
)


async def listed(
    tx: Transaction,
    endpoint_id: UUID | None,
    state: str | None,
    assignment_id: UUID | None,
    cursor: int | None,
    rep: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Newest first, without what they say."""
    rows = await tx.driver_sql(_LISTED, endpoint_id, state, assignment_id, cursor, rep, limit)
    return [dict(row) for row in rows.mappings()]


async def one(tx: Transaction, delivery_id: UUID, rep: str | None) -> dict[str, Any] | None:
    """With its body and the log of its tries; None where there is none, or it is of no lead of `rep`."""
    row = (await tx.driver_sql(_ONE, delivery_id, rep)).mappings().one_or_none()
    if row is None:
        return None
    log = [dict(each) for each in (await tx.driver_sql(_TRIES, delivery_id)).mappings()]
    return {**row, "body": orjson.loads(row["body"]), "log": log}


async def redeliver(tx: Transaction, delivery_id: UUID) -> dict[str, Any] | None:
    """Due again, with the same webhook-id and body."""
    again = (await tx.execute(_REDELIVER, {"delivery_id": delivery_id, "at": tx.now})).mappings().one_or_none()
    return None if again is None else dict(again)


async def redeliver_range(
    tx: Transaction, endpoint_id: UUID, start: datetime, until: datetime, state: Literal["failed", "all"]
) -> int | None:
    """Due again, one at a time, in order; how many. None where there is no such endpoint."""
    values = {"endpoint_id": endpoint_id, "start": start, "until": until, "whole": state == "all", "at": tx.now}
    count: int | None = (await tx.execute(_REDELIVER_RANGE, values)).scalar_one_or_none()
    return count


async def forget_deliveries(service: Service) -> None:
    """Loop: what is over for longer than the settings say goes, and with it the log of its tries."""
    while True:
        try:
            more = await forget_some(service)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            more = False
        await service.until_any(seconds=0.5 if more else 60.0)


async def forget_some(service: Service) -> bool:
    """At most one step; whether there is more."""
    settings = service.settings
    assert isinstance(settings, Settings)
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=settings.deliveries_kept_days)
        gone = [(await tx.execute(each, {"before": before, "step": STEP})).rowcount for each in _FORGET]
    return STEP in gone
