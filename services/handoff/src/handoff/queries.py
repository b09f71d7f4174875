"""Set-based SQL on leads, assignments, decisions, teams and reps: one statement per batch.

Locks are taken in one order everywhere, so that nobody waits in a circle: leads, then teams, then reps, each by id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from handoff import assignment
from handoff.assignment import COLUMNS, Assignment
from handoff.eligible import RepState, TeamState
from handoff.route import Decision
from relevo.playbook import Team
from relevo.stream import Transaction

# A conflicting row is locked by `do update` and, because of `where false`, not written.
_LOCK_LEADS = (
    "insert into lead (lead_id) select id from unnest($1::uuid[]) as id order by id"
    " on conflict (lead_id) do update set lead_id = excluded.lead_id where false"
)
_LOCK_TEAMS = (
    "insert into team (team_id) select id from unnest($1::text[]) as id order by id"
    " on conflict (team_id) do update set team_id = excluded.team_id where false"
)
_LOCK_REP = (
    "insert into rep (rep_id) values ($1) on conflict (rep_id) do update set rep_id = excluded.rep_id where false"
)
_COLUMNS = ", ".join(f"a.{column}" for column in COLUMNS)
_KEPT = ("assignment_id", "lead_id", "cycle", "mql_at", "about")  # never change
_OPEN = "('assigned', 'accepted', 'contacted', 'opportunity')"
_KNOWN = f"""
select exists (select from assignment where lead_id = asked.lead_id and cycle = asked.cycle) as before,
  (select rep from assignment where lead_id = asked.lead_id and stage in {_OPEN} order by cycle desc limit 1) as person,
  (select rep from assignment where company_domain = asked.domain and rep is not null and not manager
     and (stage in {_OPEN} or stage = 'won') order by assigned_at desc limit 1) as company
from unnest($1::uuid[], $2::int[], $3::text[]) with ordinality as asked (lead_id, cycle, domain, n) order by n
"""  # noqa: S608  no value in it
_TEAMS = """
select w.team, w.rep, coalesce(c.assigned, 0), coalesce(c.target, 0), c.last_at, coalesce(r.open_leads, 0), gone.away,
  gone.until, case when w.per is null then 0 else
    (select count(*) from decision where rep = w.rep and at > $4 - make_interval(secs => w.per)) end
from unnest($1::text[], $2::text[], $3::float[]) as w (team, rep, per)
left join counter c on c.team = w.team and c.rep = w.rep
left join rep r on r.rep_id = w.rep
cross join lateral (
  select count(*) > 0 as away, case when bool_or(until_at is null) then null else max(until_at) end as until
  from away where away.rep = w.rep and from_at <= $4 and (until_at is null or until_at > $4)) as gone
"""
_SAVE = f"""
insert into assignment select * from jsonb_populate_recordset(null::assignment, cast($1::text as jsonb))
on conflict (assignment_id) do update set
  {", ".join(f"{c} = excluded.{c}" for c in COLUMNS if c not in _KEPT)}
"""  # noqa: S608  no value in it
_SAVE_DECISIONS = "insert into decision select * from jsonb_populate_recordset(null::decision, cast($1::text as jsonb))"
_SAVE_COUNTERS = (
    "insert into counter (team, rep, assigned, target, last_at)"
    " select * from unnest($1::text[], $2::text[], $3::bigint[], $4::float[], $5::timestamptz[])"
    " on conflict (team, rep) do update"
    " set assigned = excluded.assigned, target = excluded.target, last_at = excluded.last_at"
)
_ADD_OPEN = (
    "insert into rep (rep_id, open_leads) select rep, greatest(0, more)"
    " from unnest($1::text[], $2::int[]) as load (rep, more) order by rep"
    " on conflict (rep_id) do update set open_leads = greatest(0, rep.open_leads + (select more from"
    " unnest($1::text[], $2::int[]) as load (rep, more) where load.rep = excluded.rep_id))"
)
_BY_ID = f"select {_COLUMNS} from assignment a where assignment_id = any($1::uuid[])"  # noqa: S608
_BY_LEAD = f"""
select {_COLUMNS} from assignment a join unnest($1::uuid[], $2::int[]) as asked (lead_id, cycle) using (lead_id, cycle)
"""  # noqa: S608
_LEAD_OF = "select lead_id from assignment where assignment_id = $1"
_QUEUE = (
    "select lead_id, cycle from assignment where stage = 'waiting' and team = any($1::text[])"
    " order by priority desc, mql_at, assignment_id limit $2 offset $3"
)
_QUEUES = "select distinct team from assignment where stage = 'waiting'"
_POSITIONS = (
    "select assignment_id, position from (select assignment_id, row_number() over"
    " (partition by team order by priority desc, mql_at, assignment_id) as position"
    " from assignment where stage = 'waiting' and team = any($1::text[])) as queues"
    " where assignment_id = any($2::uuid[])"
)


class Known(NamedTuple):
    """What is known when an MQL comes: whether it came before; whose this person's open lead is; whose the company."""

    before: bool
    person: str | None
    company: str | None


async def lock_leads(tx: Transaction, leads: Iterable[UUID]) -> None:
    await tx.driver_sql(_LOCK_LEADS, sorted(set(leads)))


async def lock_rep(tx: Transaction, rep: str) -> None:
    await tx.driver_sql(_LOCK_REP, rep)


async def known(tx: Transaction, new: Sequence[Assignment]) -> list[Known]:
    """In the order of `new`."""
    domains = [each.about.snapshot.company.domain for each in new]
    rows = await tx.driver_sql(_KNOWN, [each.lead_id for each in new], [each.cycle for each in new], domains)
    return [Known(row.before, row.person, row.company) for row in rows]


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
        team_id, rep, assigned, target, last_at, open_leads, away, until, taken = tuple(row)
        states[team_id][rep] = RepState(assigned, target, last_at, open_leads, taken, away, until)
    return dict(states)


async def save_assignments(tx: Transaction, assignments: Sequence[Assignment]) -> None:
    """New ones and changed ones, whole; whose they are and what qualified them never changes."""
    await tx.driver_sql(_SAVE, assignment.to_json(assignments))


async def save_decisions(tx: Transaction, decided: Sequence[tuple[Assignment, Decision]]) -> None:
    rows = [
        {
            "decision_id": placed.decision_id,
            "assignment_id": placed.assignment_id,
            "lead_id": placed.lead_id,
            "cycle": placed.cycle,
            "version": placed.version,
            "team": decision.team,
            "rule": decision.rule,
            "rep": decision.rep,
            "because": placed.because,
            "at": tx.now,
            "revision": tx.stamp.revision,
            "playbook_version": tx.stamp.version,
            "record": record_of(decision),
        }
        for placed, decision in decided
    ]
    await tx.driver_sql(_SAVE_DECISIONS, orjson.dumps(rows, default=str).decode())


def record_of(decision: Decision) -> dict[str, Any]:
    """The decision as it is kept; `explain.explained` unfolds it."""
    return {
        "failed_rules": decision.failed_rules,
        "reps": [
            {
                "rep": each.rep,
                "weight": each.weight,
                "assigned": each.assigned,
                "target": each.target,
                "share": each.share,
                "failed": dict(each.failed),
            }
            for each in decision.considered
        ],
    }


async def save_counters(tx: Transaction, before: Mapping[str, TeamState], after: Mapping[str, TeamState]) -> None:
    changed = [
        (team, rep, state.assigned, state.target, state.last_at)
        for team, states in sorted(after.items())
        for rep, state in sorted(states.items())
        if before[team].get(rep) != state
    ]
    if changed:
        await tx.driver_sql(_SAVE_COUNTERS, *map(list, zip(*changed, strict=True)))


async def add_open(tx: Transaction, more: Mapping[str, int]) -> None:
    """Add to the reps' open leads (or take away)."""
    changed = [(rep, number) for rep, number in sorted(more.items()) if number]
    if changed:
        await tx.driver_sql(_ADD_OPEN, *map(list, zip(*changed, strict=True)))


async def assignment_of(tx: Transaction, assignment_id: UUID) -> Assignment | None:
    """The assignment, not locked."""
    row = (await tx.driver_sql(_BY_ID, [assignment_id])).one_or_none()
    return None if row is None else assignment.read(row)


async def lock_assignment(tx: Transaction, assignment_id: UUID) -> Assignment | None:
    """The assignment as it is under its lead's lock."""
    lead = (await tx.driver_sql(_LEAD_OF, assignment_id)).scalar_one_or_none()
    if lead is None:
        return None
    await lock_leads(tx, [lead])
    return assignment.read((await tx.driver_sql(_BY_ID, [assignment_id])).one())


async def lock_cycles(tx: Transaction, cycles: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], Assignment]:
    """The assignments of these (lead, cycle), as they are under their leads' locks; unknown ones are left out."""
    asked = list(dict.fromkeys(cycles))
    await lock_leads(tx, (lead for lead, _ in asked))
    rows = await tx.driver_sql(_BY_LEAD, [lead for lead, _ in asked], [cycle for _, cycle in asked])
    return {(each.lead_id, each.cycle): each for each in map(assignment.read, rows)}


async def queues(tx: Transaction) -> list[str]:
    """Teams for which leads wait; also ones that are gone from the playbook."""
    return [row.team for row in await tx.driver_sql(_QUEUES)]


async def queue(tx: Transaction, teams: Iterable[str], most: int, after: int = 0) -> list[tuple[UUID, int]]:
    """(lead, cycle) of the leads that wait for these teams, first come first, from place `after` on."""
    rows = await tx.driver_sql(_QUEUE, list(teams), most, after)
    return [(row.lead_id, row.cycle) for row in rows]


async def positions(tx: Transaction, waiting: Sequence[Assignment]) -> dict[UUID, int]:
    """Their places in their teams' queues, from 1."""
    if not waiting:
        return {}
    rows = await tx.driver_sql(_POSITIONS, [each.team for each in waiting], [each.assignment_id for each in waiting])
    return {row.assignment_id: row.position for row in rows}


async def decision(tx: Transaction, decision_id: UUID) -> Mapping[str, Any] | None:
    found = await tx.driver_sql("select * from decision where decision_id = $1", decision_id)
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)
