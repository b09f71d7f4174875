"""Set-based SQL: one statement per batch, never per row.

Whoever changes a lead's clocks has locked its row in `lead` first; so nothing else is locked, and what is read after
the lock stays true. Handlers wait for locks in the order of the ids, the timer never waits: nobody waits in a circle.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import orjson

from relevo.events import LeadErased, LeadMerged, SlaBreached, SlaCorrected
from relevo.playbook import Playbook, PlaybookError, load
from relevo.stream import Transaction
from sla_monitor import rows
from sla_monitor.agreement import Agreement
from sla_monitor.trip import Trip
from sla_monitor.watched import Watched

Key = tuple[UUID, int]  # a lead in one cycle


def _unnest(types: Mapping[str, str]) -> str:
    return "unnest(" + ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types.values(), 1)) + ")"


def _update(table: str, types: Mapping[str, str], key: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = new.{name}" for name in types if name not in key)
    same = " and ".join(f"{table}.{name} = new.{name}" for name in key)
    return (
        f"update {table} set {changes} from {_unnest(types)} as new ({', '.join(types)})"  # noqa: S608  no value in it
        f" where {same}"
    )


def names(types: Mapping[str, str], table: str) -> str:
    """Columns to select; JSON as its text, since pydantic reads text."""
    return ", ".join(
        f"{table}.{name}" + (f"::text as {name}" if kind == "json" else "") for name, kind in types.items()
    )


WATCHED = names({name: rows.CLOCK[name] for name in rows.WATCHED}, "clock")  # as `rows.to_clock` takes it

# A conflicting row is locked by `do update` and, because of `where false`, not written.
_LOCK_LEADS = (
    "insert into lead (lead_id) select id from unnest($1::uuid[]) as id order by id"
    " on conflict (lead_id) do update set lead_id = excluded.lead_id where false"
)
_LOCK_FREE = (
    "select lead_id from lead where lead_id = any($1::uuid[]) and erased_at is null order by lead_id"
    " for update skip locked"
)
_ERASED = "select lead_id from lead where lead_id = any($1::uuid[]) and erased_at is not null"
_TRIPS = (
    f"select {names(rows.STANDING, 'standing')} from standing"  # noqa: S608
    " join unnest($1::uuid[], $2::int[]) as asked (lead_id, cycle) using (lead_id, cycle)"
)
_CLOCKS = (
    f"select {WATCHED} from clock"  # noqa: S608
    " join unnest($1::uuid[], $2::int[]) as asked (lead_id, cycle) using (lead_id, cycle) order by seq"
)
_DOCUMENTS = (
    "select distinct on (version) version, documents::text from playbook where version = any($1::text[])"
    " and problem is null"
)
_CHANGE_TRIPS = _update("standing", rows.STANDING, ("lead_id", "cycle"))
_CHANGE_CLOCKS = _update("clock", rows.CLOCK, ("clock_id",))
_CHANGE_FIRED = _update("clock", {name: rows.CLOCK[name] for name in rows.FIRED}, ("clock_id",))
_SAVE_BREACHES = f"insert into breach ({', '.join(rows.BREACH)}) select * from {_unnest(rows.BREACH)}"  # noqa: S608
_CORRECT = (
    "update breach set corrected_at = $1, acted_at = wrong.acted_at"
    " from unnest($2::uuid[], $3::timestamptz[]) as wrong (event_id, acted_at)"
    " where breach.event_id = wrong.event_id"
)


async def lock_leads(tx: Transaction, leads: Iterable[UUID]) -> None:
    await tx.driver_sql(_LOCK_LEADS, list(set(leads)))


async def lock_free(tx: Transaction, leads: Iterable[UUID]) -> list[UUID]:
    """Lock those of the leads that nobody else is working at just now, and that are not erased."""
    return list((await tx.driver_sql(_LOCK_FREE, list(set(leads)))).scalars())


async def erased(tx: Transaction, leads: Collection[UUID]) -> set[UUID]:
    return set((await tx.driver_sql(_ERASED, list(leads))).scalars())


async def trips(tx: Transaction, keys: Collection[Key]) -> dict[Key, Trip]:
    """Those that are known, with all their clocks, open or not: late knowledge may concern any."""
    if not keys:
        return {}
    asked = rows.columns(keys)
    clocks: dict[Key, list[Watched]] = defaultdict(list)
    for row in await tx.driver_sql(_CLOCKS, *asked):
        clocks[row.lead_id, row.cycle].append(rows.to_clock(row))
    found = await tx.driver_sql(_TRIPS, *asked)
    return {
        (row.lead_id, row.cycle): rows.to_trip(row, tuple(clocks.get((row.lead_id, row.cycle), ()))) for row in found
    }


async def agreement(tx: Transaction, clocks: Iterable[Watched]) -> Agreement:
    """The active playbook, with the earlier ones that these clocks run, or ran, under."""
    stamp, playbook = tx.stamp, tx.playbook
    wanted = {watched.playbook for watched in clocks} - {stamp.version}
    if not wanted:
        return Agreement(stamp, playbook)
    found = await tx.driver_sql(_DOCUMENTS, sorted(wanted))
    books = {row.version: _compiled(row.documents) for row in found}
    earlier = {version: book for version, book in books.items() if book is not None}
    return Agreement(stamp, playbook, earlier)


@lru_cache(maxsize=16)
def _compiled(documents: str) -> Playbook | None:
    """None: a playbook that was good once and is no more, since what we accept has changed."""
    try:
        return load(orjson.loads(documents))
    except PlaybookError:
        return None


async def save(tx: Transaction, before: Mapping[Key, Trip], now: Mapping[Key, Trip]) -> None:
    """What is new and what has changed of these trips and their clocks; `before` is all that was kept of them."""
    new = [trip for key, trip in now.items() if key not in before]
    changed = [trip for key, trip in now.items() if key in before and trip is not before[key]]
    kept = {watched.clock.id: watched for trip in before.values() for watched in trip.clocks}
    clocks = [watched for trip in (*new, *changed) for watched in trip.clocks]
    if new:
        await tx.copy("standing", tuple(rows.STANDING), [rows.trip_row(trip) for trip in new])
    if changed:
        await tx.driver_sql(_CHANGE_TRIPS, *rows.columns(rows.trip_row(trip) for trip in changed))
    if begun := [rows.clock_row(watched) for watched in clocks if watched.clock.id not in kept]:
        await tx.copy("clock", tuple(rows.CLOCK), begun)
    if moved := [w for w in clocks if w.clock.id in kept and w is not kept[w.clock.id]]:
        await tx.driver_sql(_CHANGE_CLOCKS, *rows.columns(map(rows.clock_row, moved)))


async def save_fired(tx: Transaction, clocks: Sequence[Watched]) -> None:
    """What firing has changed of clocks that are kept."""
    if clocks:
        await tx.driver_sql(_CHANGE_FIRED, *rows.columns(map(rows.fired_row, clocks)))


async def save_breaches(tx: Transaction, breaches: Sequence[tuple[SlaBreached, bool]]) -> None:
    """Each with whether its target passed there."""
    if breaches:
        await tx.driver_sql(_SAVE_BREACHES, *rows.of_breaches(breaches))


async def correct(tx: Transaction, corrections: Sequence[SlaCorrected]) -> None:
    """Nothing is deleted: a breach that was taken back is marked."""
    if corrections:
        wrong = [(each.retracts, each.acted_at) for each in corrections]
        await tx.driver_sql(_CORRECT, tx.now, *rows.columns(wrong))


# The timer's.

_DUE = (
    "(select lead_id, clock_id, next_due from clock where next_due <= $1"
    " and (next_due, clock_id) > ($2, $3) order by next_due, clock_id limit $4)"
    " union all (select lead_id, clock_id, next_due from clock where next_due > $1 order by next_due limit 1)"
)
_DUE_OF = (
    f"select {WATCHED} from clock"  # noqa: S608
    " where lead_id = any($1::uuid[]) and next_due <= $2"
)
_OPEN_UNDER = "select lead_id, cycle from clock where state in ('running', 'paused', 'breached') and playbook"
_STALE = (  # two looks into an index, which "not equal" would be none
    f"({_OPEN_UNDER} < $1 order by playbook limit $2)"
    f" union all ({_OPEN_UNDER} > $1 order by playbook limit $2) limit $2"
)


class Due(NamedTuple):
    lead_id: UUID
    clock_id: UUID
    at: datetime


_START = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


async def due(tx: Transaction, after: Due | None, at_most: int) -> tuple[list[Due], datetime | None]:
    """The first `at_most` steps that are due by now, in due order, from the one after `after`; and when the first one
    is due that is not. One look into an index."""
    start = (after.at, after.clock_id) if after is not None else _START
    found = [Due(*tuple(row)) for row in await tx.driver_sql(_DUE, tx.now, *start, at_most)]
    coming = next((each.at for each in found if each.at > tx.now), None)
    return [each for each in found if each.at <= tx.now], coming


async def due_of(tx: Transaction, leads: Collection[UUID], until: datetime) -> list[Watched]:
    """The clocks of these locked leads with a step due by `until`."""
    return [rows.to_clock(row) for row in await tx.driver_sql(_DUE_OF, list(leads), until)]


async def stale(tx: Transaction, at_most: int) -> list[Key]:
    """Trips with open clocks under another version of the playbook; not locked."""
    found = await tx.driver_sql(_STALE, tx.stamp.version, at_most)
    return list({(row.lead_id, row.cycle): None for row in found})


# Merges and erasure.

_NOTE_MERGES = (
    "insert into merge (merge_id, lead_id, cycle, survivor)"
    " select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::uuid[]) on conflict do nothing"
)
_JOINED = (
    "select own.survivor, own.cycle, min(mql.at) as since from merge as own"
    " join merge as other using (merge_id) join mql on (mql.lead_id, mql.cycle) = (other.lead_id, other.cycle)"
    " where merge_id = any($1::uuid[]) and own.lead_id = own.survivor and other.lead_id <> own.survivor group by 1, 2"
)


async def note_merges(tx: Transaction, merges: Sequence[LeadMerged]) -> dict[Key, datetime]:
    """Keep these halves; of the merges that are whole now: the survivor's trip, and when the loser's began."""
    halves = [(each.merge_id, each.lead_id, each.cycle, each.survivor) for each in merges]
    await tx.driver_sql(_NOTE_MERGES, *rows.columns(halves))
    found = await tx.driver_sql(_JOINED, list({each.merge_id for each in merges}))
    return {(row.survivor, row.cycle): row.since for row in found}


_FORGET = (
    "with gone as (select unnest($1::uuid[]) as lead_id),"
    " b as (delete from breach using gone where breach.lead_id = gone.lead_id),"
    " c as (delete from clock using gone where clock.lead_id = gone.lead_id returning clock.*),"
    " s as (delete from standing using gone where standing.lead_id = gone.lead_id returning standing.*),"
    " q as (delete from mql using gone where mql.lead_id = gone.lead_id returning mql.*),"
    " m as (delete from merge using gone where merge.lead_id = gone.lead_id),"
    " n as (insert into counted (counts, at, team, kept)"
    "  select kind, counted_at, team, kept from c where counted_at is not null"
    "  union all select 'review', reviewed_at, team, accepted from s where reviewed_at is not null"
    "  union all select 'mql', q.at, s.team, q.complete from q left join s using (lead_id, cycle)),"
    " d as (delete from dead_letter where key = any($2::bytea[]))"
    " update lead set erased_at = $3 from gone where lead.lead_id = gone.lead_id and erased_at is null"
)


async def forget(tx: Transaction, erasures: Sequence[LeadErased]) -> None:
    """Delete all that is kept of locked leads, dead letters too; the tombstone stays, and figures without a person."""
    keys = [erasure.key().encode() for erasure in erasures]
    await tx.driver_sql(_FORGET, [erasure.lead_id for erasure in erasures], keys, tx.now)
