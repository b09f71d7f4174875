"""SQL on endpoints and deliveries: written with what they announce, claimed in batches, recorded in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from handoff.counters import columns
from handoff.message import Notice
from relevo.stream import Transaction

IN_FLIGHT = 10  # of one endpoint, however many replicas send
LEASE_SECONDS = 30  # by the real clock: a request ends after 15 s; if its sender died, another one takes over then

WRITE = """
insert into delivery (webhook_id, endpoint_id, lead_id, cycle, assignment_id, version, type, body, state, due_at,
  created_at, trace)
select n.webhook_id, e.endpoint_id, n.lead_id, n.cycle, n.assignment_id, n.version, n.type, n.body, 'pending', $11, $11,
  n.trace
from unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::uuid[], $6::int[], $7::text[], $8::text[], $9::text[],
  $10::text[]) with ordinality
  as n (type, webhook_id, lead_id, cycle, assignment_id, version, rep, team, body, trace, n)
join endpoint e on e.removed_at is null and n.type = any(e.types)
  and case e.target when 'rep' then e.target_id = n.rep when 'team' then e.target_id = n.team else true end
order by n.n
on conflict (endpoint_id, webhook_id) do nothing
"""
# An endpoint whose row another sender has locked just now is skipped: that one claims for it. Its own room is what is
# left of ten, so that one that hangs fills its own ten places and nobody else's.
_CLAIM = """
with open as materialized (
  select endpoint_id, url, secrets from endpoint
  where disabled_at is null and removed_at is null and exists (
    select from delivery d where d.endpoint_id = endpoint.endpoint_id and state = 'pending' and due_at <= $1
      and (leased_until is null or leased_until < clock_timestamp()))
  order by endpoint_id for update skip locked),
due as materialized (
  select picked.delivery_id from open, lateral (
    select delivery_id from delivery d
    where d.endpoint_id = open.endpoint_id and state = 'pending' and due_at <= $1
      and (leased_until is null or leased_until < clock_timestamp())
    order by due_at, seq
    limit (select greatest(0, $2 - count(*)) from delivery busy
      where busy.endpoint_id = open.endpoint_id and state = 'pending' and leased_until >= clock_timestamp())
    for update skip locked) as picked
  limit $3)
update delivery set tries = tries + 1, leased_until = clock_timestamp() + make_interval(secs => $4),
  first_try_at = coalesce(first_try_at, $1), last_try_at = $1
from open where delivery.endpoint_id = open.endpoint_id and delivery_id in (select delivery_id from due)
returning delivery_id, webhook_id, open.endpoint_id, open.url, open.secrets, lead_id, cycle, assignment_id, body,
  tries, first_try_at, trace
"""
_NEXT_DUE = """
select min(due_at) from delivery join endpoint using (endpoint_id)
where state = 'pending' and leased_until is null and due_at > $1 and disabled_at is null and removed_at is null
"""
_RECORD = """
update delivery set state = r.state, due_at = coalesce(r.due_at, delivery.due_at), status = r.status, error = r.error,
  leased_until = null
from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::int[], $5::text[]) as r (id, state, due_at, status, error)
where delivery_id = r.id and delivery.state = 'pending'
returning delivery_id
"""
_DISABLE = (
    "update endpoint set disabled_at = $2, disabled_because = $3"
    " where endpoint_id = any($1::uuid[]) and disabled_at is null"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send, for as long as the lease lasts. `tries` counts this one."""

    delivery_id: UUID
    webhook_id: str
    endpoint_id: UUID
    url: str
    secrets: tuple[str, ...]
    lead_id: UUID | None
    cycle: int | None
    assignment_id: UUID | None
    body: str
    tries: int
    first_try_at: datetime
    trace: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: the status, or why there was none; `wish`: how long it asked us to wait."""

    claimed: Claimed
    status: int | None
    error: str | None
    wish: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a try comes to: `made`, `failed`, or `pending` with the next `due_at`."""

    tried: Tried
    state: Literal["made", "failed", "pending"]
    due_at: datetime | None


async def write(tx: Transaction, notices: Sequence[Notice]) -> None:
    """A row for every endpoint that wants a notice, due at once."""
    if notices:
        await tx.driver_sql(WRITE, *written(notices, tx.now))


def written(notices: Sequence[Notice], now: datetime) -> list[Any]:
    """The arguments of WRITE."""
    return [*columns(notices, 10), now]


async def claim(tx: Transaction, most: int) -> list[Claimed]:
    """Up to `most` due deliveries, leased to us, at most IN_FLIGHT of an endpoint including those that others send."""
    rows = await tx.driver_sql(_CLAIM, tx.now, IN_FLIGHT, most, LEASE_SECONDS)
    return [Claimed(**{**row, "secrets": tuple(row["secrets"])}) for row in rows.mappings()]


async def next_due(tx: Transaction) -> datetime | None:
    """When the next delivery that is not due yet will be."""
    due: datetime | None = (await tx.driver_sql(_NEXT_DUE, tx.now)).scalar_one()
    return due


async def record(tx: Transaction, recorded: Sequence[Recorded]) -> frozenset[UUID]:
    """Keep these outcomes; the ids of those that were still open (another sender may have been quicker)."""
    rows = ((r.tried.claimed.delivery_id, r.state, r.due_at, r.tried.status, r.tried.error) for r in recorded)
    kept = await tx.driver_sql(_RECORD, *columns(rows, 5))
    return frozenset(row.delivery_id for row in kept)


async def disable(tx: Transaction, endpoints: Sequence[UUID], because: str) -> None:
    await tx.driver_sql(_DISABLE, endpoints, tx.now, because)
