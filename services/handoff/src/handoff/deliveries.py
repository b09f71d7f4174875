"""SQL on endpoints and deliveries: written with what they announce, claimed in batches, recorded in batches."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from handoff.counters import columns, to_json
from handoff.message import Notice
from handoff.schedule import Outcome
from relevo.stream import Transaction

Kind = Literal["webhook", "slack", "email", "hubspot"]

IN_FLIGHT = 10  # of one endpoint, however many replicas send
BROKEN = 5  # failures in a row, after which an endpoint is spared: one try now and then, until one succeeds
GIVEN_UP = timedelta(days=5)  # of failures, after which it is disabled
LEASE_SECONDS = 30  # by the real clock: a request ends after 15 s; if its sender died, another one takes over then

WRITE = """
insert into delivery (webhook_id, endpoint_id, lead_id, cycle, assignment_id, version, type, body, state, due_at,
  created_at, trace, rep)
select n.webhook_id, e.endpoint_id, n.lead_id, n.cycle, n.assignment_id, n.version, n.type, n.body, 'pending', $2, $2,
  n.trace, n.rep
from rows from (jsonb_to_recordset($1::jsonb) as (type text, webhook_id text, lead_id uuid, cycle int,
  assignment_id uuid, version int, rep text, team text, body text, trace text)) with ordinality
  as n (type, webhook_id, lead_id, cycle, assignment_id, version, rep, team, body, trace, n)
join endpoint e on e.removed_at is null and n.type = any(e.types)
  and case e.target when 'rep' then e.target_id = n.rep when 'team' then e.target_id = n.team else true end
order by n.n
on conflict (endpoint_id, webhook_id) do nothing
"""
# An endpoint whose row another sender has locked just now is skipped: that one claims for it. Its own room is what is
# left of ten, so that one that hangs fills its own ten places and nobody else's; of one, while it is spared or while
# what it missed is replayed in order. One whose ten places are taken costs no more than seeing that.
# Locked before the room of the others is counted: a statement that waits for a lock still counts as of when it began,
# and would not see what the one before it has just leased.
_OPEN = """
select endpoint_id from endpoint
where disabled_at is null and removed_at is null and (spared_until is null or spared_until <= $1) and exists (
  select from delivery d where d.endpoint_id = endpoint.endpoint_id and state = 'pending' and due_at <= $1
    and (leased_until is null or leased_until < clock_timestamp()))
  and $2 > (select count(*) from delivery busy
    where busy.endpoint_id = endpoint.endpoint_id and state = 'pending' and leased_until >= clock_timestamp())
order by endpoint_id for update skip locked
"""
_CLAIM = f"""
with open as materialized (
  select endpoint_id, kind, url, options, replay_to, failures,
    case when overlap_until > $1 then secrets else secrets[1:1] end as secrets
  from endpoint where endpoint_id = any($5::uuid[])),
due as materialized (
  select picked.delivery_id from open, lateral (
    select delivery_id from delivery d
    where d.endpoint_id = open.endpoint_id and state = 'pending' and due_at <= $1
      and (leased_until is null or leased_until < clock_timestamp())
    order by due_at, seq
    limit (select greatest(0, case when open.failures >= {BROKEN} or open.replay_to is not null and exists (
          select from delivery held where held.endpoint_id = open.endpoint_id and state = 'pending'
            and held.seq <= open.replay_to and held.due_at <= $1)
        then 1 else $2 end - count(*)) from delivery busy
      where busy.endpoint_id = open.endpoint_id and state = 'pending' and leased_until >= clock_timestamp())
    for update skip locked) as picked
  limit $3)
update delivery set tries = tries + 1, leased_until = clock_timestamp() + make_interval(secs => $4),
  first_try_at = coalesce(first_try_at, $1), last_try_at = $1
from open where delivery.endpoint_id = open.endpoint_id and delivery_id in (select delivery_id from due)
returning delivery_id, webhook_id, open.endpoint_id, open.kind, open.url, open.options, open.secrets, lead_id, cycle,
  assignment_id, version, type, rep, body, tries, first_try_at, trace
"""  # noqa: S608  a number of ours
_NEXT_DUE = """
select min(greatest(upcoming.due_at, spared_until)) from endpoint cross join lateral (
  select due_at from delivery where delivery.endpoint_id = endpoint.endpoint_id and state = 'pending'
    and leased_until is null and due_at > case when spared_until > $1 then '-infinity' else $1 end
  order by due_at limit 1) as upcoming
where disabled_at is null and removed_at is null
"""
_RECORD = """
with r as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::int[], $5::text[], $6::jsonb[], $7::timestamptz[],
    $8::int[], $9::jsonb[], $10::jsonb[], $11::text[])
    as r (id, state, due_at, status, error, remote, at, took_ms, sent, answered, answer)),
logged as (
  insert into attempt (delivery_id, at, took_ms, status, error, sent, answered, answer)
  select id, at, took_ms, status, r.error, sent, answered, answer from r
  where exists (select from delivery where delivery_id = r.id) on conflict do nothing),
works as (
  update endpoint set failures = 0, failing_since = null, spared_until = null
  where endpoint_id = any($12::uuid[]) and failures > 0)
update delivery set state = r.state, due_at = coalesce(r.due_at, delivery.due_at), status = r.status, error = r.error,
  remote = coalesce(r.remote, delivery.remote), leased_until = null
from r where delivery_id = r.id and delivery.state = 'pending'
returning delivery_id
"""
# 5 s, 10 s, 20 s … at most 5 minutes.
_FAILS = f"""
update endpoint set failures = failures + f.count, failing_since = coalesce(failing_since, $3),
  spared_until = case when failures + f.count >= {BROKEN}
    then $3 + make_interval(secs => least(300, 5 * 2 ^ least(failures + f.count - {BROKEN}, 10))) end
from unnest($1::uuid[], $2::int[]) as f (id, count)
where endpoint_id = f.id
returning endpoint_id, failing_since
"""  # noqa: S608  a number of ours
_DISABLE = (
    "update endpoint set disabled_at = $2, disabled_because = $3"
    " where endpoint_id = any($1::uuid[]) and disabled_at is null returning endpoint_id, name, target, target_id"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send, while the lease lasts. `tries` counts this one, `secrets` are sealed."""

    delivery_id: UUID
    webhook_id: str
    endpoint_id: UUID
    kind: Kind
    url: str | None
    options: Mapping[str, Any]
    secrets: tuple[str, ...]
    lead_id: UUID | None
    cycle: int | None
    assignment_id: UUID | None
    version: int | None
    type: str
    rep: str | None
    body: str
    tries: int
    first_try_at: datetime
    trace: str | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What went over the wire, as far as it may be kept: no secrets, no more than 4 KiB of an answer."""

    at: datetime
    took_ms: int
    sent: Mapping[str, str]
    answered: Mapping[str, str]
    answer: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: the outcome, the status or why there was none; `wish`: how long it asked us to wait;
    `remote`: what it became there."""

    claimed: Claimed
    outcome: Outcome
    status: int | None
    error: str | None
    exchange: Exchange
    wish: timedelta | None = None
    remote: Mapping[str, str] | None = None


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
    return [to_json([notice._asdict() for notice in notices]), now]


async def claim(tx: Transaction, most: int) -> list[Claimed]:
    """Up to `most` due deliveries, leased to us, at most IN_FLIGHT of an endpoint including those that others send."""
    open_ = [row[0] for row in await tx.driver_sql(_OPEN, tx.now, IN_FLIGHT)]
    if not open_:
        return []
    rows = await tx.driver_sql(_CLAIM, tx.now, IN_FLIGHT, most, LEASE_SECONDS, open_)
    return [Claimed(**{**row, "secrets": tuple(row["secrets"])}) for row in rows.mappings()]


async def commit_at_once(tx: Transaction) -> None:
    """Without waiting for the disk: if the machine dies, what was claimed is claimed again, and sent at least once."""
    await tx.driver_sql("select set_config('synchronous_commit', 'off', true)")


async def next_due(tx: Transaction) -> datetime | None:
    """When the next delivery that is not due yet will be."""
    due: datetime | None = (await tx.driver_sql(_NEXT_DUE, tx.now)).scalar_one()
    return due


async def record(tx: Transaction, recorded: Sequence[Recorded]) -> frozenset[UUID]:
    """Keep these outcomes, and which endpoints work; the ids of those that were still open (another sender may have
    been quicker)."""
    works = sorted(_working(each.tried for each in recorded))
    kept = await tx.driver_sql(_RECORD, *columns(map(_kept, recorded), 11), works)
    return frozenset(row.delivery_id for row in kept)


def _working(tried: Iterable[Tried]) -> set[UUID]:
    return {each.claimed.endpoint_id for each in tried if each.outcome in ("made", "refused")}


def _kept(each: Recorded) -> tuple[Any, ...]:
    tried, exchange = each.tried, each.tried.exchange
    return (
        tried.claimed.delivery_id, each.state, each.due_at, tried.status, tried.error,
        None if tried.remote is None else orjson.dumps(tried.remote).decode(),
        exchange.at, exchange.took_ms,
        orjson.dumps(exchange.sent).decode(), orjson.dumps(exchange.answered).decode(), exchange.answer,
    )  # fmt: skip


async def judge_endpoints(tx: Transaction, tried: Sequence[Tried]) -> list[UUID]:
    """Note which endpoints fail; returns those that have failed for GIVEN_UP."""
    works = _working(tried)
    failed = Counter(each.claimed.endpoint_id for each in tried if each.claimed.endpoint_id not in works)
    if not failed:
        return []
    rows = await tx.driver_sql(_FAILS, *columns(sorted(failed.items()), 2), tx.now)
    return [row.endpoint_id for row in rows if row.failing_since <= tx.now - GIVEN_UP]


async def disable(tx: Transaction, endpoints: Sequence[UUID], because: str) -> list[Any]:
    """Those that were not disabled yet, with name and target."""
    return list(await tx.driver_sql(_DISABLE, endpoints, tx.now, because))
