"""Who plays what, found in the playbook: all of sales, one who answers nothing, one who is hard to please. PURE."""

from dataclasses import dataclass

from relevo.calendar import Calendar
from relevo.playbook import Playbook, Policy
from relevo_local.trouble import Trouble


@dataclass(frozen=True)
class Cast:
    """`names` of all reps and managers by id; `hours` and `answer` are those of the silent rep's team."""

    names: dict[str, str]
    silent: str
    critic: str
    zone: str
    hours: Calendar
    answer: Policy


def cast(playbook: Playbook) -> Cast:
    """The silent rep and the critic are the first and the last of the first team who work its ordinary hours for an
    ordinary share. Raises Trouble where there are none."""
    sla, teams = playbook.sla, playbook.routing.teams
    team = teams[0]
    ordinary = [rep for rep in team.reps if rep.calendar in (None, team.calendar) and rep.weight == 1]
    answer = next((policy for policy in sla.policies_for("answer")), None)
    if len(ordinary) < 2 or answer is None:
        raise Trouble(
            "the demo's story needs two ordinary reps in the first team of routing.yaml, and an answer policy"
        )
    names = {rep.id: rep.name for each in teams for rep in each.reps}
    return Cast(
        names=names | {each.manager.id: each.manager.name for each in teams},
        silent=ordinary[0].id,
        critic=ordinary[-1].id,
        zone=next(hours.zone for hours in sla.calendars if hours.id == team.calendar),
        hours=sla.calendar(team.calendar),
        answer=answer,
    )
