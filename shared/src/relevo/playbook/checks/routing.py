"""routing.yaml: every rule leads to somebody, every lead meets a rule, everybody has hours."""

from collections.abc import Iterator
from itertools import product

from relevo.playbook.checks.finding import Findings, Parts
from relevo.playbook.checks.quality import never_equal
from relevo.playbook.expressions import Condition
from relevo.playbook.problems import did_you_mean
from relevo.playbook.routing import Manager, Rep, Routing, Rule
from relevo.playbook.text import Path


def check(parts: Parts, findings: Findings) -> None:
    routing = parts.routing
    if routing is None:
        return
    findings.unique(((("teams", n), team.id) for n, team in enumerate(routing.teams)), "team")
    findings.unique(((path, rep.id) for path, rep in _reps(routing)), "rep")
    findings.unique(((("rules", n), rule.id) for n, rule in enumerate(routing.rules)), "rule")
    _check_managers(routing, findings)
    _check_calendars(parts, routing, findings)
    for number, rule in enumerate(routing.rules):
        _check_rule(parts, routing, number, rule, findings)
    _check_order(routing, findings)


def _reps(routing: Routing) -> Iterator[tuple[Path, Rep]]:
    for team_number, team in enumerate(routing.teams):
        for number, rep in enumerate(team.reps):
            yield ("teams", team_number, "reps", number), rep


def _check_managers(routing: Routing, findings: Findings) -> None:
    """A manager takes what nobody answered, so takes no part in any team's turns."""
    reps = {rep.id for _, rep in _reps(routing)}
    known: dict[str, Manager] = {}
    for number, team in enumerate(routing.teams):
        path = ("teams", number, "manager")
        if team.manager.id in reps:
            message = f"{team.manager.id!r} is manager and rep"
            findings.wrong(path, message, "give the manager an id of their own; a manager takes no turns")
        if known.setdefault(team.manager.id, team.manager) != team.manager:
            findings.wrong(path, f"{team.manager.id!r} is somebody else in another team", "write name and e-mail alike")


def _check_calendars(parts: Parts, routing: Routing, findings: Findings) -> None:
    if parts.sla is None:
        return
    known = {calendar.id for calendar in parts.sla.calendars} | {"always"}
    named: list[tuple[Path, str]] = [(("teams", n), team.calendar) for n, team in enumerate(routing.teams)]
    named += [(path, rep.calendar) for path, rep in _reps(routing) if rep.calendar is not None]
    for path, calendar in named:
        if calendar not in known:
            hint = did_you_mean(calendar, known)
            findings.wrong((*path, "calendar"), f"sla.yaml has no calendar {calendar!r}", hint)


def _check_rule(parts: Parts, routing: Routing, number: int, rule: Rule, findings: Findings) -> None:
    path: Path = ("rules", number)
    teams = {team.id for team in routing.teams}
    people = {rep.id for _, rep in _reps(routing)} | {team.manager.id for team in routing.teams}
    if (rule.team is not None) + bool(rule.teams) + (rule.rep is not None) != 1:
        message = f"the rule {rule.id!r} must name a team, teams or a rep"
        findings.wrong(path, message, "exactly one of them")
    if rule.team is not None and rule.team not in teams:
        findings.wrong((*path, "team"), f"there is no team {rule.team!r}", did_you_mean(rule.team, teams))
    for place, team_id in enumerate(rule.teams):
        if team_id not in teams:
            findings.wrong((*path, "teams", place), f"there is no team {team_id!r}", did_you_mean(team_id, teams))
        elif team_id in rule.teams[:place]:
            findings.wrong((*path, "teams", place), f"the team {team_id!r} is there twice", "each gets its turn once")
    if len(rule.teams) == 1:
        findings.wrong((*path, "teams"), "one team has no turns to take", f"write team: {rule.teams[0]}")
    if rule.rep is not None and rule.rep not in people:
        findings.wrong((*path, "rep"), f"there is no rep {rule.rep!r}", did_you_mean(rule.rep, people))
    texts = {variable.name for variable in parts.language.variables["mql"] if variable.type == "string"}
    for need, variable in (("language", rule.needs.language), ("territory", rule.needs.territory)):
        if variable is not None and variable not in texts:
            hint = did_you_mean(variable, texts) or f"such as lead.{'language' if need == 'language' else 'region'}"
            findings.wrong((*path, "needs", need), f"{variable!r} is no text variable of a lead", hint)
    asked = [team for team_id in rule.team_ids if (team := routing.team(team_id)) is not None]
    for team, skill in product(asked, rule.needs.skills):
        if not any(skill in rep.skills for rep in team.reps):
            skills = {skill for rep in team.reps for skill in rep.skills}
            message = f"nobody in {team.id!r} has the skill {skill!r}"
            findings.wrong((*path, "needs", "skills"), message, did_you_mean(skill, skills))
    doubt(parts, rule.when, (*path, "when"), findings)


def _check_order(routing: Routing, findings: Findings) -> None:
    last = len(routing.rules) - 1
    if routing.rules[last].when.source != "true":
        message, hint = "the last rule must match every lead", 'write when: "true", or add such a rule below'
        findings.wrong(("rules", last, "when"), message, hint)
    for number, rule in enumerate(routing.rules[:-1]):
        if rule.when.source == "true":
            message = f"the rule {rule.id!r} matches every lead, so those below it are never asked"
            return findings.doubtful(("rules", number, "when"), message, "move it to the end")
    return None


def doubt(parts: Parts, condition: Condition, path: Path, findings: Findings) -> None:
    """A comparison with something that the variable never is."""
    personas = frozenset(persona.id for persona in parts.personas.personas) if parts.personas else frozenset()
    for variable, text, known in never_equal(condition, personas):
        findings.doubtful(path, f"{variable} is never {text!r}", did_you_mean(text, known))
