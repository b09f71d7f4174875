"""Set-based SQL on teams, their counters and their reps' load: whoever gives a team's leads away holds its row."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handoff.eligible import RepState, TeamState
from relevo.playbook import Team
from relevo.stream import Transaction

# A conflicting row is locked by `do update` and, because of `where false`, not written.
_LOCK_TEAMS = (
    "insert into team (team_id) select id from unnest($1::text[]) as id order by id"
    " on conflict (team_id) do update set team_id = excluded.team_id where false"
)
_LOCK_REP = (
    "insert into rep (rep_id) values ($1) on conflict (rep_id) do update set rep_id = excluded.rep_id where false"
)
_TEAMS = """
select w.team, w.rep, coalesce(c.assigned, 0), coalesce(c.target, 0), c.last_at, coalesce(r.open_leads, 0), gone.away,
  gone.until, case when w.per is null then 0 else
    (select count(*) from decision where rep = w.rep and at > $4 - make_interval(secs => w.per)) end, spare.capacity
from unnest($1::text[], $2::text[], $3::float[]) as w (team, rep, per)
left join counter c on c.team = w.team and c.rep = w.rep
left join rep r on r.rep_id = w.rep
left join spare on spare.rep = w.rep and spare.until_at > $4
cross join lateral (
  select count(*) > 0 as away, case when bool_or(until_at is null) then null else max(until_at) end as until
  from away where away.rep = w.rep and from_at <= $4 and (until_at is null or until_at > $4)) as gone
"""
SAVE = (
    "insert into counter (team, rep, assigned, target, last_at)"
    " select * from unnest($1::text[], $2::text[], $3::bigint[], $4::float[], $5::timestamptz[])"
    " on conflict (team, rep) do update"
    " set assigned = excluded.assigned, target = excluded.target, last_at = excluded.last_at"
)
ADD_OPEN = (
    "insert into rep (rep_id, open_leads) select rep, greatest(0, more)"
    " from unnest($1::text[], $2::int[]) as load (rep, more) order by rep"
    " on conflict (rep_id) do update set open_leads = greatest(0, rep.open_leads + (select more from"
    " unnest($1::text[], $2::int[]) as load (rep, more) where load.rep = excluded.rep_id))"
)


async def lock_rep(tx: Transaction, rep: str) -> None:
    await tx.driver_sql(_LOCK_REP, rep)


async def lock_teams(tx: Transaction, teams: Iterable[Team]) -> dict[str, TeamState]:
    """The state of these teams; nobody else gives their leads away until this transaction ends."""
    by_id = {team.id: team for team in teams}
    if not by_id:
        return {}
    await tx.driver_sql(_LOCK_TEAMS, sorted(by_id))
    # A second statement, so that it sees what those committed for whom the lock was waited.
    return await team_states(tx, by_id.values())


async def team_states(tx: Transaction, teams: Iterable[Team]) -> dict[str, TeamState]:
    """The state of these teams as it is just now, not locked."""
    asked: list[tuple[str, str, float | None]] = []
    for team in teams:
        asked += ((team.id, rep.id, rep.window.per.total_seconds() if rep.window else None) for rep in team.reps)
        asked.append((team.id, team.manager.id, None))
    if not asked:
        return {}
    states: dict[str, dict[str, RepState]] = {team: {} for team, _, _ in asked}
    for row in await tx.driver_sql(_TEAMS, *map(list, zip(*asked, strict=True)), tx.now):
        team_id, rep, assigned, target, last_at, open_leads, away, until, taken, spare = tuple(row)
        states[team_id][rep] = RepState(assigned, target, last_at, open_leads, taken, away, until, spare)
    return dict(states)


def saved(before: Mapping[str, TeamState], after: Mapping[str, TeamState]) -> list[list[Any]]:
    """The arguments of SAVE: what has changed."""
    return columns(
        (
            (team, rep, state.assigned, state.target, state.last_at)
            for team, states in sorted(after.items())
            for rep, state in sorted(states.items())
            if before[team].get(rep) != state
        ),
        5,
    )


async def add_open(tx: Transaction, more: Mapping[str, int]) -> None:
    """Add to the reps' open leads (or take away)."""
    if any(more.values()):
        await tx.driver_sql(ADD_OPEN, *added(more))


def added(more: Mapping[str, int]) -> list[list[Any]]:
    """The arguments of ADD_OPEN."""
    return columns(((rep, number) for rep, number in sorted(more.items()) if number), 2)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes; as many empty ones where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
