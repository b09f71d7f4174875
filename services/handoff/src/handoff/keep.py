"""One statement keeps all that a batch of decisions changes: owners, decisions, counters, load, webhooks."""

import re
from collections.abc import Mapping, Sequence

from handoff import assignment, counters, deliveries, queries
from handoff.assignment import Assignment
from handoff.eligible import TeamState
from handoff.message import Notice
from handoff.route import Decision
from relevo.stream import Transaction


def _together(*statements: tuple[str, int]) -> str:
    """Statements (with the number of their parameters) as parts of one: one round trip instead of one for each."""
    parts, before = [], 0
    for number, (statement, parameters) in enumerate(statements):
        # re.split leaves the parameters' numbers at the odd places
        words = re.split(r"\$(\d+)", statement)
        moved = (f"${int(word) + before}" if place % 2 else word for place, word in enumerate(words))
        parts.append(f"part{number} as ({''.join(moved)})")
        before += parameters
    return f"with {', '.join(parts)} select 1"


_KEEP = _together(
    (queries.SAVE, 1), (queries.SAVE_DECISIONS, 1), (counters.SAVE, 1), (counters.ADD_OPEN, 1), (deliveries.WRITE, 2)
)


async def keep(
    tx: Transaction,
    assignments: Sequence[Assignment],
    decided: Sequence[tuple[Assignment, Decision]],
    before: Mapping[str, TeamState],
    after: Mapping[str, TeamState],
    load: Mapping[str, int],
    notices: Sequence[Notice],
) -> None:
    """`before` and `after`: the teams' states; `load`: how many open leads more each rep has, or fewer."""
    await tx.driver_sql(
        _KEEP,
        assignment.to_json(assignments),
        queries.decided_rows(tx, decided),
        counters.saved(before, after),
        counters.added(load),
        *deliveries.written(notices, tx.now),
    )
