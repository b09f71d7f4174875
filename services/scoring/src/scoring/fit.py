"""Fit: how well a lead matches the agreed personas, and which exclusions hold. Pure; never decays."""

from typing import Final

from relevo.events.vocabulary import Grade
from relevo.playbook import Playbook, RuleFailed
from scoring.rules import REMEMBERED, About, Fit, Rules, Values, rules_of

_BEST: Final[dict[Grade, int]] = {"A": 2, "B": 1, "C": 0}


def fit(variables: Values, playbook: Playbook, failed: list[RuleFailed]) -> Fit:
    """The best persona: highest grade, then most points, then the order of the file. A condition that fails counts as
    not holding, and is appended to `failed`."""
    rules = rules_of(playbook)
    key = tuple([variables.get(name) for name in rules.about_leads])
    if (known := rules.fits.get(key)) is not None:
        return known
    spoilt: list[RuleFailed] = []
    found = _fit(variables, rules, spoilt)
    if spoilt:
        failed += spoilt
        return found
    if len(rules.fits) >= REMEMBERED:
        rules.fits.clear()
    rules.fits[key] = found
    return found


def _fit(variables: Values, rules: Rules, failed: list[RuleFailed]) -> Fit:
    about = About(rules.playbook, "lead", variables)
    best: Fit | None = None
    for persona, criteria in rules.personas:
        points, held = 0.0, []
        for criterion, rule in criteria:
            if rule.holds(about, failed):
                points += criterion.points
                held.append(criterion.id)
        grade = persona.thresholds.grade(round(points, 6))
        if best is None or (_BEST[grade], points) > (_BEST[best.grade], best.points):
            best = Fit(persona.id, grade, points, tuple(held), ())
    excluded = tuple(each.id for each, rule in rules.exclusions if rule.holds(about, failed))
    return (best or Fit(None, "C", 0.0, (), ()))._replace(excluded=excluded)
