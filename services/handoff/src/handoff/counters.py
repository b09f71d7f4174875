"""Set-based SQL on teams, their counters and their reps' load: whoever gives a team's leads away holds its row."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from handoff.eligible import RepState, TeamState
from relevo.playbook import Rep, Team
from relevo.stream import Transaction

# A conflicting row is locked by `do update` and, because of `where false`, not written.
_LOCK_TEAMS = (
    "insert into team (team_id) select id from unnest($1::text[]) as id order by id"
    " on conflict (team_id) do update set team_id = excluded.team_id where false"
)
_LOCK_REP = (
    "insert into rep (rep_id) values ($1) on conflict (rep_id) do update set rep_id = excluded.rep_id where false"
)
# What a statement is given, it is given as JSON: of an array PostgreSQL reckons with its length, and plans anew each
# time, which takes longer than the statement itself.
_TEAMS = """
select w.team, w.rep, coalesce(c.assigned, 0), coalesce(c.target, 0), c.last_at, coalesce(r.open_leads, 0),
  case when w.per is null then 0 else
    (select count(*) from decision where rep = w.rep and at > $2 - make_interval(secs => w.per)) end,
  gone.rep is not null, gone.until, spare.capacity
from jsonb_to_recordset($1::jsonb) as w (team text, rep text, per float)
left join counter c on c.team = w.team and c.rep = w.rep
left join rep r on r.rep_id = w.rep
left join spare on spare.rep = w.rep and spare.until_at > $2
left join (
  select rep, case when bool_or(until_at is null) then null else max(until_at) end as until
  from away where from_at <= $2 and (until_at is null or until_at > $2) group by rep) as gone on gone.rep = w.rep
"""
SAVE = (
    "insert into counter select * from jsonb_populate_recordset(null::counter, $1::jsonb)"
    " on conflict (team, rep) do update"
    " set assigned = excluded.assigned, target = excluded.target, last_at = excluded.last_at"
)
ADD_OPEN = (
    "insert into rep (rep_id, open_leads) select rep, greatest(0, more)"
    " from jsonb_to_recordset($1::jsonb) as load (rep text, more int) order by rep"
    " on conflict (rep_id) do update set open_leads = greatest(0, rep.open_leads + (select more from"
    " jsonb_to_recordset($1::jsonb) as load (rep text, more int) where load.rep = excluded.rep_id))"
)


async def lock_rep(tx: Transaction, rep: str) -> None:
    await tx.driver_sql(_LOCK_REP, rep)


Turns = Mapping[str, Iterable[str]]  # by `turn_of` rule: the ids of the teams that take turns


async def lock_teams(
    tx: Transaction, teams: Iterable[Team], turns: Turns = MappingProxyType({})
) -> dict[str, TeamState]:
    """The state of these teams and turns; nobody else gives their leads away until this transaction ends."""
    by_id = {team.id: team for team in teams}
    if not by_id:
        return {}
    await tx.driver_sql(_LOCK_TEAMS, sorted((*by_id, *turns)))
    # A second statement, so that it sees what those committed for whom the lock was waited.
    return await team_states(tx, by_id.values(), turns)


async def team_states(
    tx: Transaction, teams: Iterable[Team], turns: Turns = MappingProxyType({})
) -> dict[str, TeamState]:
    """The state of these teams and turns as it is just now, not locked."""
    asked: list[dict[str, Any]] = [
        {"team": turn, "rep": team_id} for turn, team_ids in turns.items() for team_id in team_ids
    ]
    for team in teams:
        asked += ({"team": team.id, "rep": rep.id, "per": _per(rep)} for rep in team.reps)
        asked.append({"team": team.id, "rep": team.manager.id})
    if not asked:
        return {}
    states: dict[str, dict[str, RepState]] = {each["team"]: {} for each in asked}
    for team_id, rep, *state in await tx.driver_sql(_TEAMS, to_json(asked), tx.now):
        states[team_id][rep] = RepState(*state)
    return dict(states)


def saved(before: Mapping[str, TeamState], after: Mapping[str, TeamState]) -> str:
    """The argument of SAVE: what has changed."""
    rows = [
        {"team": team, "rep": rep, "assigned": state.assigned, "target": state.target, "last_at": state.last_at}
        for team, states in after.items()
        for rep, state in states.items()
        if before[team].get(rep) is not state
    ]
    return to_json(rows)


async def add_open(tx: Transaction, more: Mapping[str, int]) -> None:
    """Add to the reps' open leads (or take away)."""
    if any(more.values()):
        await tx.driver_sql(ADD_OPEN, added(more))


def added(more: Mapping[str, int]) -> str:
    """The argument of ADD_OPEN."""
    return to_json([{"rep": rep, "more": number} for rep, number in more.items() if number])


def _per(rep: Rep) -> float | None:
    return rep.window.per.total_seconds() if rep.window else None


def to_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the recordset functions take them; what JSON does not know, in its own words."""
    return orjson.dumps(rows, default=str).decode()


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes; as many empty ones where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
