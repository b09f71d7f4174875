"""personas.yaml, scoring.yaml, goals.yaml: grades and levels are in order and can be reached."""

import re
from collections.abc import Iterator

from relevo.playbook.checks.finding import Findings, Parts
from relevo.playbook.expressions import Condition
from relevo.playbook.text import Path


def check_personas(parts: Parts, findings: Findings) -> None:
    if parts.personas is None:
        return
    personas = parts.personas.personas
    findings.unique(((("personas", n), persona.id) for n, persona in enumerate(personas)), "persona")
    for number, persona in enumerate(personas):
        path: Path = ("personas", number)
        criteria = (((*path, "criteria", n), criterion.id) for n, criterion in enumerate(persona.criteria))
        findings.unique(criteria, "criterion")
        if persona.thresholds.A <= persona.thresholds.B:
            findings.wrong((*path, "thresholds"), "A must need more points than B", "such as {A: 60, B: 30}")
        most = sum(criterion.points for criterion in persona.criteria if criterion.points > 0)
        if most < persona.thresholds.A:
            hint = f"its criteria give {most:g} points at most, an A needs {persona.thresholds.A:g}"
            findings.doubtful((*path, "thresholds"), f"nobody can be an A of {persona.id!r}", hint)


def check_scoring(parts: Parts, findings: Findings) -> None:
    scoring = parts.scoring
    if scoring is None:
        return
    raises = scoring.qualification.hand_raises
    signals = [(("signals", n), signal.id) for n, signal in enumerate(scoring.signals)]
    signals += [(("companies", n), signal.id) for n, signal in enumerate(scoring.companies)]
    findings.unique(iter(signals), "signal")
    findings.unique(((("qualification", "hand_raises", n), each.id) for n, each in enumerate(raises)), "hand-raise")
    findings.unique(((("exclusions", n), each.id) for n, each in enumerate(scoring.exclusions)), "exclusion")
    if scoring.levels.one <= scoring.levels.two:
        findings.wrong(("levels",), "level 1 must need more points than level 2", "such as {1: 60, 2: 25}")
    if not scoring.qualification.cells and not raises:
        hint = "name cells such as [A1, A2, B1], or a hand-raise"
        findings.wrong(("qualification",), "nothing can ever qualify a lead", hint)
    most = sum(signal.cap for signal in scoring.signals if signal.points > 0)
    most += sum(signal.points for signal in scoring.companies if signal.points > 0)
    if most < scoring.levels.one:
        hint = f"all caps together give {most:g} points, level 1 needs {scoring.levels.one:g}"
        findings.doubtful(("levels",), "no lead can reach level 1", hint)


def check_goals(parts: Parts, findings: Findings) -> None:
    if parts.goals is not None:
        findings.unique(((("goals", n), goal.id) for n, goal in enumerate(parts.goals.goals)), "goal")


_COMPARED = re.compile(r"\b(mql\.(?:persona|cell|fit|engagement)|lead\.consent)\s*[!=]=\s*(['\"])(.*?)\2")
_GRADES, _LEVELS = "ABC", "123"
_KNOWN = {
    "mql.cell": frozenset(grade + level for grade in _GRADES for level in _LEVELS),
    "mql.fit": frozenset(_GRADES),
    "mql.engagement": frozenset(_LEVELS),
    "lead.consent": frozenset(("", "consent", "contract", "legitimate_interest", "none")),
}


def never_equal(condition: Condition, personas: frozenset[str]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Comparisons that can never hold, the text being none of what the variable can be: (variable, text, known)."""
    for variable, _, text in _COMPARED.findall(condition.source):
        known = personas if variable == "mql.persona" else _KNOWN[variable]
        if known and text not in known:
            yield variable, text, known
