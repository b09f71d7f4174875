"""SQL of the live page: the funnel, the figures beside it, the newest of everything, the running clocks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, extract, func, literal, or_, select, text

from console import clocks, tables
from console.clocks import Clock, State
from console.leads import Known, fold_text, value
from console.store import of_row
from console.trips import FUNNEL, Trip
from relevo.stream import Transaction

_lead, _trip, _clock = tables.lead.c, tables.trip.c, tables.clock.c
_STEPS = list(FUNNEL.items())
_NONE = timedelta(0)

_trips = tables.lead.join(tables.trip, _trip.lead_id == _lead.lead_id)
_standing = tables.lead.outerjoin(tables.trip, and_(_trip.lead_id == _lead.lead_id, _trip.cycle == _lead.cycle))
_clocks = tables.clock.join(tables.lead, _lead.lead_id == _clock.lead_id).outerjoin(
    tables.trip, and_(_trip.lead_id == _clock.lead_id, _trip.cycle == _clock.cycle)
)

# A lead that was merged away, or whose subjects all moved to another before anything came of it, is none of its own.
_own = and_(_lead.merged_into.is_(None), or_(_lead.subjects > 0, _lead.stage != "lead"))


def _median(column: Any, before: Any) -> Any:
    took = case((column.is_not(None), func.greatest(column - before, _NONE)))  # greatest() alone passes over nulls
    return func.percentile_cont(0.5).within_group(took)


_FUNNEL = (
    select(
        *(func.count(_trip[column]).label(stage) for stage, column in _STEPS),
        *(_median(_trip[c], _trip[before]).label(f"{stage}_after") for (_, before), (stage, c) in pairwise(_STEPS)),
        func.count(case((_trip.stage == "recycled", 1))).label("recycled"),
        func.count(case((_trip.stage == "disqualified", 1))).label("disqualified"),
        func.count(_trip.rejected_at).label("rejected"),
    )
    .select_from(_trips)
    .where(_own)
)
_FIGURES = text(
    "select c.running, c.overdue, c.soon, b.breaches, w.waiting, w.oldest, s.speed, s.assigned from"
    " (select count(*) as running, count(*) filter (where due_at <= :now) as overdue,"
    "  count(*) filter (where due_at > :now and due_at <= :now + (due_at - clock.started_at) * 0.25) as soon"
    "  from clock join lead using (lead_id) where not over and merged_into is null) as c,"
    " (select count(*) as breaches from clock where breached_at > :yesterday) as b,"
    " (select count(*) as waiting, min(waiting_at) as oldest from trip join lead using (lead_id)"
    "  where trip.stage = 'mql' and waiting_at is not null and (owner_at is null or waiting_at > owner_at)"
    "  and merged_into is null) as w,"
    " (select percentile_cont(0.5) within group (order by greatest(assigned_at - mql_at, interval '0')) as speed,"
    "  count(*) as assigned from trip where assigned_at > :yesterday and mql_at is not null) as s"
)
_CARD = select(tables.lead, _trip.rep_name, _trip.trigger)
_NEWEST = _CARD.add_columns(_lead.first_at.label("moment")).select_from(_standing).where(_own)
_MQLS = _CARD.add_columns(_trip.mql_at.label("moment"), _trip.cell.label("mql_cell")).select_from(_trips)
_ASSIGNED = _CARD.add_columns(_trip.owner_at.label("moment"), _trip.mql_at).select_from(_trips)
_PROMISE = (
    select(
        tables.clock,
        _lead.known,
        _lead.cell,
        _trip.rep_name,
        _trip.started_at.label("trip_at"),
        _trip.version.label("trip_version"),
        _trip.paused_at,
        _trip.resumed_at,
    )
    .select_from(_clocks)
    .where(_lead.merged_into.is_(None))
)


@dataclass(frozen=True)
class Step:
    """One stage of the funnel: how many trips reached it, and the median time from the stage before."""

    stage: str
    count: int
    after: timedelta | None = None


@dataclass(frozen=True)
class Funnel:
    steps: tuple[Step, ...]
    recycled: int
    disqualified: int
    rejected: int


@dataclass(frozen=True)
class Figures:
    """The state of the promises at this moment; breaches, speed and assigned of the last 24 hours."""

    running: int
    overdue: int
    soon: int
    breaches: int
    waiting: int
    oldest: datetime | None
    speed: timedelta | None
    assigned: int


@dataclass(frozen=True)
class Card:
    """A lead in a list, with the moment and the detail that put it there."""

    lead_id: UUID
    known: Known
    stage: str
    cell: str | None
    at: datetime
    rep: str | None = None
    detail: str | None = None
    took: timedelta | None = None

    def told(self, name: str) -> str | None:
        return value(self.known, name)


@dataclass(frozen=True)
class Promise:
    """A clock in a list, with its lead and its state at the moment it was read."""

    clock: Clock
    known: Known
    cell: str | None
    owner: str | None
    state: State
    share: float

    def told(self, name: str) -> str | None:
        return value(self.known, name)


async def funnel(tx: Transaction, since: datetime | None) -> Funnel:
    """Of the trips begun since then (None: of all): how many reached each stage; of those that left, how."""
    statement = _FUNNEL if since is None else _FUNNEL.where(_trip.started_at >= since)
    row = (await tx.execute(statement)).one()
    steps = tuple(Step(stage, getattr(row, stage), getattr(row, f"{stage}_after", None)) for stage in FUNNEL)
    return Funnel(steps, row.recycled, row.disqualified, row.rejected)


async def figures(tx: Transaction) -> Figures:
    about = {"now": tx.now, "yesterday": tx.now - timedelta(days=1)}
    return of_row(Figures, (await tx.execute(_FIGURES, about)).one())


# Of the lists: `rep` leaves only what this rep has or had; None leaves all.


async def newest_leads(tx: Transaction, limit: int, rep: str | None = None) -> list[Card]:
    return await _cards(tx, _NEWEST.order_by(_lead.first_at.desc()), limit, rep)


async def latest_mqls(tx: Transaction, limit: int, rep: str | None = None) -> list[Card]:
    statement = _MQLS.where(_trip.mql_at.is_not(None), _lead.merged_into.is_(None))
    return await _cards(tx, statement.order_by(_trip.mql_at.desc()), limit, rep)


async def latest_assignments(tx: Transaction, limit: int, rep: str | None = None) -> list[Card]:
    statement = _ASSIGNED.where(_trip.owner_at.is_not(None), _lead.merged_into.is_(None))
    return await _cards(tx, statement.order_by(_trip.owner_at.desc()), limit, rep)


async def search(tx: Transaction, words: str, limit: int, rep: str | None = None) -> list[Card]:
    """Leads whose name, e-mail or company hold every one of these words (at most eight); the latest activity first."""
    wanted = [_lead.search.contains(word, autoescape=True) for word in fold_text(words).split()[:8]]
    statement = _NEWEST.where(_lead.merged_into.is_(None), *(wanted or [literal(False)]))
    return await _cards(tx, statement.order_by(_lead.newest_at.desc()), limit, rep)


async def running_clocks(tx: Transaction, limit: int, rep: str | None = None) -> list[Promise]:
    """Those that can still be kept, the next due first; then the overdue, the latest first."""
    late = _clock.due_at <= tx.now
    statement = _PROMISE.where(_clock.over.is_(False)).order_by(
        late, func.abs(extract("epoch", _clock.due_at - tx.now))
    )
    return await _promises(tx, _of_rep(statement, rep).limit(limit))


async def latest_breaches(tx: Transaction, limit: int, rep: str | None = None) -> list[Promise]:
    statement = _PROMISE.where(_clock.breached_at.is_not(None)).order_by(_clock.breached_at.desc())
    return await _promises(tx, _of_rep(statement, rep).limit(limit))


async def clocks_of(tx: Transaction, leads: list[UUID]) -> list[Promise]:
    """All clocks of these leads, the newest first."""
    statement = _PROMISE.where(_clock.lead_id.in_(leads))
    return await _promises(tx, statement.order_by(_clock.cycle.desc(), _clock.started_at.desc().nulls_last()))


def _of_rep(statement: Select[Any], rep: str | None) -> Select[Any]:
    return statement if rep is None else statement.where(_trip.rep == rep)


async def _cards(tx: Transaction, statement: Select[Any], limit: int, rep: str | None) -> list[Card]:
    return [_card(row) for row in await tx.execute(_of_rep(statement, rep).limit(limit))]


async def _promises(tx: Transaction, statement: Select[Any]) -> list[Promise]:
    return [_promise(row, tx.now) for row in await tx.execute(statement)]


def _card(row: Row[Any]) -> Card:
    given = row._mapping
    mql_at = given.get("mql_at")
    return Card(
        lead_id=row.lead_id,
        known=row.known,
        stage=row.stage,
        cell=given.get("mql_cell") or row.cell,
        at=row.moment,
        rep=row.rep_name,
        detail=row.trigger,
        took=max(row.moment - mql_at, _NONE) if mql_at else None,
    )


def _promise(row: Row[Any], now: datetime) -> Promise:
    clock = of_row(Clock, row)
    trip = None
    if row.trip_at is not None:
        times = {"paused_at": row.paused_at, "resumed_at": row.resumed_at}
        trip = Trip(clock.lead_id, clock.cycle, row.trip_at, version=row.trip_version, **times)
    owner = row.rep_name if clock.version in (None, row.trip_version) or clock.kind != "answer" else clock.rep
    return Promise(clock, row.known, row.cell, owner, clocks.state(clock, trip, now), clocks.share(clock, now))
