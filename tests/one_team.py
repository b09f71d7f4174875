"""The agreement of `deploy/playbook` with one team that takes every lead, at any hour."""

from collections.abc import Iterable
from pathlib import Path

AGREED = Path(__file__).resolve().parents[1] / "deploy" / "playbook"


def one_team(*reps: str) -> dict[str, str]:
    """`reps`: of each what goes beside its id, name and address: "id: r1, weight: 2, capacity: 7"."""
    routing = f"""
relationship: {{open_assignment: false, company_owner: false}}
teams:
  - id: team
    name: Team
    manager: {{id: boss, name: Boss, email: boss@forja.example}}
    calendar: madrid
    outside_hours: assign
    reps:
{_lines(reps)}
rules: [{{id: all, name: All, when: "true", team: team}}]
"""
    return {file.name: file.read_text() for file in AGREED.glob("*.yaml")} | {"routing.yaml": routing}


def _lines(reps: Iterable[str]) -> str:
    return "\n".join(f"      - {{name: Rep, email: rep@forja.example, {rep}}}" for rep in reps)
