"""The queue drains by itself: when a shift starts, a lead ends, a rep comes back, a team changes."""

from collections.abc import Iterable
from datetime import datetime

from handoff import counters, queries
from handoff.eligible import anybody, next_chance
from handoff.place import Placing, place, relations
from relevo.service import Next, Service, again_and_again
from relevo.stream import Transaction

BATCH = 200  # leads per transaction: the teams' locks are held that long


async def drain(service: Service) -> None:
    """Loop: give waiting leads to whoever can take them by now."""
    revision = 0

    async def work() -> Next:
        nonlocal revision
        async with service.transaction() as tx:
            queued, able, chance = await look(tx)
            # By a new playbook a lead may belong to another team: then all that wait are looked at.
            new, revision = tx.stamp.revision != revision, tx.stamp.revision
            upcoming = Next(chance, tx.now)
        worth = queued if new else able
        if worth:
            await drain_teams(service, worth)
        return upcoming

    await again_and_again(service, work, at_most=5.0, at_least=0.1)


async def look(tx: Transaction) -> tuple[list[str], list[str], datetime | None]:
    """Teams for which leads wait; those of them whose leads somebody could take now; when time alone makes it more."""
    queued = await queries.queues(tx)
    takers = {name: tx.playbook.routing.in_turn_with(name) for name in queued}
    teams = list({team.id: team for each in takers.values() for team in each}.values())
    states = await counters.team_states(tx, teams)
    free = {team.id for team in teams if anybody(tx.playbook, team, states[team.id], tx.now)}
    able = [name for name, each in takers.items() if not free.isdisjoint(team.id for team in each)]
    chances = (next_chance(tx.playbook, team, states[team.id], tx.now) for team in teams)
    return queued, able, min((at for at in chances if at is not None), default=None)


async def drain_teams(service: Service, teams: Iterable[str]) -> None:
    """Try every lead that waits for `teams`, first come first, some at a time."""
    teams, left_behind, looked_at = list(teams), 0, BATCH
    while looked_at == BATCH:
        async with service.transaction() as tx:
            looked_at, given = await drain_some(tx, teams, left_behind)
        left_behind += looked_at - given


async def drain_some(tx: Transaction, teams: Iterable[str], left_behind: int) -> tuple[int, int]:
    """Try the next BATCH that wait for `teams`, after those `left_behind`: how many were looked at, and how many of
    them wait no longer."""
    found = await queries.queue(tx, teams, BATCH, left_behind)
    if not found:
        return 0, 0
    locked = await queries.lock_cycles(tx, found)
    waiting = [of for key in found if (of := locked.get(key)) is not None and of.stage == "waiting"]
    related = [reps for _, reps in await relations(tx, waiting)]
    placed = await place(tx, [Placing(of, "drained", related=reps) for of, reps in zip(waiting, related, strict=True)])
    tx.emit(*(event for _, event in placed))
    return len(found), len(found) - len(waiting) + sum(of.stage != "waiting" for of, _ in placed)
