"""Pages of clocks and breaches, in the order they came to be."""

from typing import Any, NamedTuple
from uuid import UUID

from relevo.stream import Transaction
from sla_monitor import rows
from sla_monitor.queries import WATCHED, names
from sla_monitor.shown import BreachShown
from sla_monitor.watched import Watched


class Wanted(NamedTuple):
    """What a list is narrowed to; None: all."""

    lead_id: UUID | None = None
    state: str | None = None  # `open` is all that still run
    kind: str | None = None
    rep: str | None = None


_OPEN = ("running", "paused", "breached")
_BREACH = {**rows.BREACH, "corrected_at": "timestamptz", "acted_at": "timestamptz"}


async def clocks(tx: Transaction, wanted: Wanted, after: int, at_most: int) -> list[tuple[int, Watched]]:
    """Up to `at_most` after that place, each with its own."""
    found = await _page(tx, "clock", WATCHED, wanted, after, at_most)
    return [(row.seq, rows.to_clock(row)) for row in found]


async def breaches(tx: Transaction, wanted: Wanted, after: int, at_most: int) -> list[tuple[int, BreachShown]]:
    found = await _page(tx, "breach", names(_BREACH, "breach"), wanted, after, at_most)
    return [(row.seq, BreachShown(**{name: getattr(row, name) for name in _BREACH})) for row in found]


async def _page(tx: Transaction, table: str, columns: str, wanted: Wanted, after: int, at_most: int) -> list[Any]:
    """Conditions only where something is asked for, so that each finds its index."""
    args: list[Any] = [after, at_most]
    conditions = ["seq > $1"]
    if wanted.state == "open":
        args.append(list(_OPEN))
        conditions.append(f"state = any(${len(args)}::text[])")
    exact = {"lead_id": wanted.lead_id, "kind": wanted.kind, "rep": wanted.rep}
    exact |= {"state": wanted.state} if wanted.state != "open" else {}
    for name, value in exact.items():
        if value is not None:
            args.append(value)
            conditions.append(f"{name} = ${len(args)}")
    where = " and ".join(conditions)
    sql = f"select {columns}, seq from {table} where {where} order by seq limit $2"  # noqa: S608  no value in it
    return list(await tx.driver_sql(sql, *args))
