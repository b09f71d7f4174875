"""Set-based SQL of the commitments: what was decided in a period, and what was said of it last."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from relevo.events import LeadQualified
from relevo.playbook import Commitment
from relevo.stream import Transaction
from sla_monitor.commitments import COUNTS, Counted, Period
from sla_monitor.rows import columns

_TURN = "select pg_try_advisory_xact_lock(hashtext('sla_monitor.commitments'))"
_COUNT = """
select asked.n, count(found.kept) as total, count(*) filter (where found.kept) as kept
from unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    as asked (n, counts, team, since, until)
left join lateral (
    select kept from clock
    where kind = asked.counts and counted_at >= asked.since and counted_at < asked.until
        and (asked.team is null or team = asked.team)
    union all
    select complete from mql left join standing using (lead_id, cycle)
    where asked.counts = 'mql' and at >= asked.since and at < asked.until
        and (asked.team is null or team = asked.team)
    union all
    select accepted from standing
    where asked.counts = 'review' and reviewed_at >= asked.since and reviewed_at < asked.until
        and (asked.team is null or team = asked.team)
    union all
    select kept from counted
    where counts = asked.counts and at >= asked.since and at < asked.until
        and (asked.team is null or team = asked.team)
) as found on true
group by asked.n order by asked.n
"""
# Of each period what is open, and each commitment's last: the others are over and said.
_SAID = """
select commitment, period_from, period_to, state, actual, since, said_at from (
    select *, row_number() over (partition by commitment order by period_from desc) as age from commitment
) as each where age <= 2 or state in ('on_track', 'at_risk')
"""
_SAVE_SAID = """
insert into commitment (commitment, period_from, period_to, state, actual, since, said_at)
select * from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::float[], $6::timestamptz[],
    $7::timestamptz[])
on conflict (commitment, period_from) do update
set state = excluded.state, actual = excluded.actual, since = excluded.since, said_at = excluded.said_at
"""
_SAVE_MQLS = """
insert into mql (lead_id, cycle, at, complete)
select * from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::bool[]) on conflict do nothing
"""


class Said(NamedTuple):
    """What was said last of a commitment in a period."""

    commitment: str
    period_from: datetime
    period_to: datetime
    state: str
    actual: float
    since: datetime
    said_at: datetime


async def take_turn(tx: Transaction) -> bool:
    """Whether no other replica is at it; until the transaction ends."""
    return bool((await tx.driver_sql(_TURN)).scalar_one())


async def count(tx: Transaction, wanted: Sequence[tuple[Commitment, Period]]) -> list[Counted]:
    """What each commitment counts in its period."""
    asked = [
        (n, COUNTS[commitment.measure], commitment.team, period.start, period.end)
        for n, (commitment, period) in enumerate(wanted)
    ]
    if not asked:
        return []
    return [Counted(row.total, row.kept) for row in await tx.driver_sql(_COUNT, *columns(asked))]


async def said(tx: Transaction) -> dict[tuple[str, datetime], Said]:
    rows = [Said(*tuple(row)) for row in await tx.driver_sql(_SAID)]
    return {(row.commitment, row.period_from): row for row in rows}


async def save_said(tx: Transaction, said: Iterable[Said]) -> None:
    if rows := list(said):
        await tx.driver_sql(_SAVE_SAID, *columns(rows))


async def save_mqls(tx: Transaction, mqls: Sequence[tuple[LeadQualified, bool]]) -> None:
    """Each with whether its data were complete."""
    if mqls:
        rows = [(mql.lead_id, mql.cycle, mql.at, complete) for mql, complete in mqls]
        await tx.driver_sql(_SAVE_MQLS, *columns(rows))
