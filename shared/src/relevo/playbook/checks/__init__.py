"""What no single value can show: names that lead nowhere, ladders out of order, promises nobody could keep."""

from relevo.playbook.checks import company, quality, routing, sla
from relevo.playbook.checks.company import own_variable
from relevo.playbook.checks.finding import Findings, Parts
from relevo.playbook.problems import Problem

__all__ = ["Parts", "check", "own_variable"]

CHECKS = {
    "company.yaml": company.check,
    "personas.yaml": quality.check_personas,
    "scoring.yaml": quality.check_scoring,
    "routing.yaml": routing.check,
    "sla.yaml": sla.check,
    "goals.yaml": quality.check_goals,
}


def check(parts: Parts) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of all files that could be understood."""
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for file, document in parts.texts.items():
        findings = Findings(document)
        CHECKS[file](parts, findings)
        problems += findings.problems
        warnings += findings.warnings
    return problems, warnings
