"""The agreement of marketing and sales, read from six YAML files and ready to decide with. PURE: text in, data out.

    playbook = load({"company.yaml": "…", "personas.yaml": "…", …})       # PlaybookError: every problem at once
    about = playbook.activation("lead", {"lead.country": "ES", "company.employees": 120})   # once per lead
    for criterion in playbook.personas[0].criteria:                       # asked by many conditions
        verdict = criterion.when.holds(about)                             # True | False | RuleFailed (falsy)

- `Playbook`: `version`, `company`, `personas`, `scoring`, `routing`, `sla`, `goals`, `warnings`; each part's fields are
  in the module of its name. Everything is frozen. `version` hashes the parsed content: comments, white space, quoting
  and the order of keys do not change it, the order of lists does.
- `Condition.holds(activation)`: a condition that cannot be answered is a `RuleFailed(file, line, message)`, which is
  falsy and names no personal value: count it, show it, never take it for true. Contexts are `lead` (criteria,
  exclusions), `touch` (signals, hand-raises; `when` may be left out, then every touchpoint of the type counts) and
  `mql` (routing rules, SLA policies); `variables.py` lists their variables. Values that are missing or of another type
  are the variable's default, names that are no variable are ignored.
- `attributes(company, fields)`: what a form's fields say, by variable name; `company.yaml` says which field fills what.
- `mql_values(snapshot, score, trigger=…, hand_raise=…, priority=…)`: the `mql` context's variables, out of an event.
- `playbook.scoring.signals_for(type)`, `.hand_raises_for(type)`, `.levels.level(points)`;
  `persona.thresholds.grade(points)`.
- `playbook.routing.team(id)`, `.rep(id)`, `.team_of(rep_id)`, `.calendar_of(team, rep)`.
- `playbook.sla.policies_for(clock)`, `.calendar(id)` → `relevo.calendar.Calendar`; `policy.target_of(version)`,
  `step.at.of(target)`.
"""

from relevo.playbook.attributes import AttributeValue, attributes
from relevo.playbook.company import Company, OwnField
from relevo.playbook.expressions import Activation, Condition, Language, RuleFailed, Verdict, language
from relevo.playbook.goals import Goal
from relevo.playbook.load import FILES, Playbook, load
from relevo.playbook.mql import mql_values
from relevo.playbook.personas import Criterion, Persona, Thresholds
from relevo.playbook.problems import PlaybookError, Problem
from relevo.playbook.routing import Manager, Needs, Relationship, Rep, Routing, Rule, Team, Window
from relevo.playbook.scoring import CompanySignal, Exclusion, HandRaise, Levels, Qualification, Scoring, Signal
from relevo.playbook.sla import Commitment, OpeningHours, Policy, Sla, Step
from relevo.playbook.values import At, format_duration, parse_at, parse_duration

__all__ = [
    "FILES",
    "Activation",
    "At",
    "AttributeValue",
    "Commitment",
    "Company",
    "CompanySignal",
    "Condition",
    "Criterion",
    "Exclusion",
    "Goal",
    "HandRaise",
    "Language",
    "Levels",
    "Manager",
    "Needs",
    "OpeningHours",
    "OwnField",
    "Persona",
    "Playbook",
    "PlaybookError",
    "Policy",
    "Problem",
    "Qualification",
    "Relationship",
    "Rep",
    "Routing",
    "Rule",
    "RuleFailed",
    "Scoring",
    "Signal",
    "Sla",
    "Step",
    "Team",
    "Thresholds",
    "Verdict",
    "Window",
    "attributes",
    "format_duration",
    "language",
    "load",
    "mql_values",
    "parse_at",
    "parse_duration",
]
