"""Set-based SQL on leads, assignments and decisions: one statement per batch.

Locks are taken in one order everywhere, so that nobody waits in a circle: leads, then teams, then reps, each by id.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson

from handoff import assignment, counters
from handoff.assignment import COLUMNS, Assignment
from handoff.route import Decision
from relevo.stream import Transaction

# A conflicting row is locked by `do update` and, because of `where false`, not written.
_LOCK_LEADS = (
    "insert into lead (lead_id) select id from unnest($1::uuid[]) as id order by id"
    " on conflict (lead_id) do update set lead_id = excluded.lead_id where false"
)
A_COLUMNS = ", ".join(f"a.{column}" for column in COLUMNS)  # of `assignment a`, as `assignment.read` takes them
_KEPT = ("assignment_id", "lead_id", "cycle", "mql_at", "about")  # never change
_OPEN = "('assigned', 'accepted', 'contacted', 'opportunity')"
# Counted, by the index: for `exists` PostgreSQL would hash the whole table while it does not know yet how large it is.
_KNOWN = f"""
select (select count(*) > 0 from assignment where lead_id = asked.lead_id and cycle = asked.cycle)
    or (select count(*) > 0 from lead where lead_id = asked.lead_id and erased_at is not null) as before,
  (select rep from assignment where lead_id = asked.lead_id and stage in {_OPEN} order by cycle desc limit 1) as person,
  (select rep from unnest(asked.domains) as domain cross join lateral
     (select rep, assigned_at from assignment where company_domain = domain and rep is not null and not manager
        and (stage in {_OPEN} or stage = 'won') order by assigned_at desc limit 1) as last
   order by assigned_at desc limit 1) as company,
  (select count(*) > 0 from merge where lead_id = asked.lead_id and survivor <> merge.lead_id) as lost
from jsonb_to_recordset($1::jsonb) as asked (lead_id uuid, cycle int, domains text[], n int) order by n
"""  # noqa: S608  no value in it
SAVE = f"""
insert into assignment select * from jsonb_populate_recordset(null::assignment, cast($1::text as jsonb))
on conflict (assignment_id) do update set
  {", ".join(f"{c} = excluded.{c}" for c in COLUMNS if c not in _KEPT)}
"""  # noqa: S608  no value in it
SAVE_DECISIONS = "insert into decision select * from jsonb_populate_recordset(null::decision, cast($1::text as jsonb))"
_BY_ID = f"select {A_COLUMNS} from assignment a where assignment_id = any($1::uuid[])"  # noqa: S608
_BY_LEAD = f"""
select {A_COLUMNS} from assignment a join unnest($1::uuid[], $2::int[]) as asked (lead_id, cycle) using (lead_id, cycle)
"""  # noqa: S608
_IN_HUBSPOT = (
    "select a.assignment_id, a.version from delivery d join assignment a using (assignment_id)"
    " where d.remote is not null and d.remote->>'contact' = $1 order by d.seq desc limit 1"
)
_HEARD = (
    "insert into idempotency (key, body_sha256, at) values ($1, $2, clock_timestamp()) on conflict do nothing"
    " returning key"
)
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


# What is open gives its place back; targets and counts stay, since they say nothing of the person.
_ERASE = (
    "update lead set erased_at = $2 where lead_id = any($1::uuid[])",
    "delete from delivery where lead_id = any($1::uuid[])",
    "delete from link where lead_id = any($1::uuid[])",
    "delete from decision where lead_id = any($1::uuid[])",
    "delete from merge where lead_id = any($1::uuid[])",
)
_ERASE_ASSIGNMENTS = f"delete from assignment where lead_id = any($1::uuid[]) returning rep, stage in {_OPEN} as open"  # noqa: S608


class Known(NamedTuple):
    """What is known when an MQL comes: whether it came before (or was erased); whose this person's open lead is; whose
    the company; whether the lead lost a merge."""

    before: bool
    person: str | None
    company: str | None
    lost: bool


async def lock_leads(tx: Transaction, leads: Iterable[UUID]) -> None:
    await tx.driver_sql(_LOCK_LEADS, sorted(set(leads)))


async def known(tx: Transaction, new: Sequence[Assignment]) -> list[Known]:
    """In the order of `new`. Whose the company is, is asked where the playbook gives its leads to their owner."""
    ours, owners = tx.playbook.company, tx.playbook.routing.relationship.company_owner
    asked = [
        {
            "lead_id": each.lead_id,
            "cycle": each.cycle,
            "domains": ours.domains_of(domain) if owners and (domain := each.about.snapshot.company.domain) else (),
            "n": n,
        }
        for n, each in enumerate(new)
    ]
    rows = await tx.driver_sql(_KNOWN, counters.to_json(asked))
    return [Known(row.before, row.person, row.company, row.lost) for row in rows]


async def save_assignments(tx: Transaction, assignments: Sequence[Assignment]) -> None:
    """New ones and changed ones, whole; whose they are and what qualified them never changes."""
    await tx.driver_sql(SAVE, assignment.to_json(assignments))


def decided_rows(tx: Transaction, decided: Iterable[tuple[Assignment, Decision]]) -> str:
    """The argument of SAVE_DECISIONS."""
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
            "record": orjson.Fragment(record_of(decision)),
        }
        for placed, decision in decided
    ]
    return orjson.dumps(rows, default=str).decode()


def record_of(decision: Decision) -> bytes:
    """The decision as it is kept, in JSON; `explain.explained` unfolds it."""
    record: dict[str, Any] = {"failed_rules": decision.failed_rules, "reps": decision.considered}
    if decision.turn:
        record |= {"turn": decision.turn, "passed_over": decision.passed_over}
    return msgspec.json.encode(record)


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


async def erase(tx: Transaction, leads: Sequence[UUID]) -> None:
    """Delete what is kept of these leads, whose locks are held, and leave a tombstone of each."""
    gone = await tx.driver_sql(_ERASE_ASSIGNMENTS, leads)
    await counters.add_open(tx, {rep: -count for rep, count in Counter(row.rep for row in gone if row.open).items()})
    tombstone, *deletions = _ERASE
    await tx.driver_sql(tombstone, leads, tx.now)
    for deletion in deletions:
        await tx.driver_sql(deletion, leads)


async def decision(tx: Transaction, decision_id: UUID) -> Mapping[str, Any] | None:
    found = await tx.driver_sql("select * from decision where decision_id = $1", decision_id)
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


async def assignment_in_hubspot(tx: Transaction, contact: str) -> tuple[UUID, int] | None:
    """(id, version now) of the newest assignment that became this contact; None where it is no lead of ours."""
    row = (await tx.driver_sql(_IN_HUBSPOT, contact)).one_or_none()
    return None if row is None else (row.assignment_id, row.version)


async def first_heard(tx: Transaction, message: str, body: bytes) -> bool:
    """Whether this message is heard for the first time, within three days."""
    return (await tx.driver_sql(_HEARD, message, sha256(body).digest())).first() is not None
