"""Loop: how far the most unlucky rep of each team is from a fair share, for everybody to watch (`/metrics`)."""

from prometheus_client import Gauge

from handoff import counters
from handoff.eligible import NEW
from handoff.route import turn_of
from relevo.service import Service
from relevo.stream.transaction import is_infrastructure

DEVIATION = Gauge(
    "handoff_fairness_deviation",
    "Leads that a team's rep (of `rule:ID`: one of the teams that take turns) is off a fair share, at most",
    ["team"],
)
EVERY_SECONDS = 10.0


async def watch_fairness(service: Service) -> None:
    while True:
        try:
            await measure(service)
        except Exception as error:
            if not is_infrastructure(error):
                raise
        await service.until_any(seconds=EVERY_SECONDS)


async def measure(service: Service) -> None:
    """Of the reps whom the playbook knows: one who left is nobody's debt."""
    async with service.transaction() as tx:
        routing = tx.playbook.routing
        sharing = {turn_of(rule.id): rule.teams for rule in routing.rules if rule.teams}
        states = await counters.team_states(tx, routing.teams, sharing)
        sharing |= {team.id: tuple(rep.id for rep in team.reps) for team in routing.teams}
    for name, members in sharing.items():
        kept = (states[name].get(member, NEW) for member in members)
        DEVIATION.labels(name).set(max(abs(each.assigned - each.target) for each in kept))
