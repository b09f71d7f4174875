"""What sales' answers say of the playbook: why leads of each signal and criterion are rejected; a change. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from relevo.playbook import Playbook
from relevo.playbook.text import read
from scoring.kept import Answered

LEAST: Final = 20  # answers: of fewer, nothing is proposed


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(Part):
    """MQLs of one grade to which one signal or criterion gave points, and what sales said of them."""

    kind: Literal["signal", "criterion", "cell"]
    id: str
    name: str
    grade: str = Field(description="A, B, C; of a cell its own.")
    answered: int
    rejected: int
    reasons: dict[str, int]
    said: str = Field(description="The line in words.")


class Proposal(Part):
    """One change of scoring.yaml, and the documents with it, to be simulated and, if both teams want it, published."""

    because: str
    change: str
    documents: dict[str, str]


def lines(answers: Iterable[Answered]) -> list[Line]:
    """The worst first: by how sure it is that more than the usual share is rejected."""
    told = [each for each in answers if each.accepted is not None]
    usual = _share(told)
    groups: defaultdict[tuple[str, str, str, str], list[Answered]] = defaultdict(list)
    for each in told:
        groups["cell", each.cell, each.cell, each.cell[0]].append(each)
        for reason in each.contributions:
            if reason["points"] > 0:
                groups[reason["kind"], reason["id"], reason["name"], each.cell[0]].append(each)
    found = [_line(key, group) for key, group in groups.items()]
    return sorted(found, key=lambda line: (-_surely_above(line, usual), line.kind, line.id, line.grade))


def _share(answers: Sequence[Answered]) -> float:
    return sum(not each.accepted for each in answers) / len(answers) if answers else 0.0


def _line(key: tuple[str, str, str, str], group: Sequence[Answered]) -> Line:
    kind, id_, name, grade = key
    rejected = [each for each in group if not each.accepted]
    reasons = Counter(each.reason or "other" for each in rejected)
    said = f"{name} with fit {grade}" if kind != "cell" else f"cell {id_}"
    said += f": {len(rejected) / len(group):.0%} of {len(group)} rejected"
    if reasons:
        reason, times = reasons.most_common(1)[0]
        said += f", {times / len(group):.0%} as {reason.replace('_', ' ')}"
    return Line.model_validate(
        {
            "kind": kind, "id": id_, "name": name, "grade": grade, "answered": len(group), "rejected": len(rejected),
            "reasons": dict(reasons.most_common()), "said": said,
        }
    )  # fmt: skip


def _surely_above(line: Line, usual: float) -> float:
    """Lower end of the share of rejections (Wilson score interval, 90 %), above the usual share."""
    n, p, z = line.answered, line.rejected / line.answered, 1.645
    lower = (p + z * z / (2 * n) - z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return lower - usual


def propose(
    found: Sequence[Line], answers: Sequence[Answered], playbook: Playbook, documents: Mapping[str, str]
) -> Proposal | None:
    """The change that the worst line calls for: a signal is worth half, a cell no longer qualifies. None where no line
    is surely worse than usual, or is about fit: what a persona is, people must say."""
    usual = _share([each for each in answers if each.accepted is not None])
    for line in found:
        if line.answered < LEAST or _surely_above(line, usual) <= 0:
            continue
        text = None
        if line.kind == "signal":
            text = _half(documents["scoring.yaml"], line.id, playbook)
            change = f"signal {line.id}: half of its points"
        elif line.kind == "cell" and len(playbook.scoring.qualification.cells) > 1:
            text = _without(documents["scoring.yaml"], line.id)
            change = f"qualification: without cell {line.id}"
        if text is not None:
            because = f"{line.said}; of all answered leads {usual:.0%} are rejected"
            return Proposal(because=because, change=change, documents={**documents, "scoring.yaml": text})
    return None


def _half(text: str, signal_id: str, playbook: Playbook) -> str | None:
    """scoring.yaml with that signal's points halved, all else as it was written."""
    numbers = [n for n, signal in enumerate(playbook.scoring.signals) if signal.id == signal_id]
    if not numbers:
        return None
    points = playbook.scoring.signals[numbers[0]].points
    line = read("scoring.yaml", text).line(("signals", numbers[0], "points"))
    return _on_line(text, line, rf"(?<=points:)(\s*){re.escape(f'{points:g}')}\b", rf"\g<1>{points / 2:g}")


def _without(text: str, cell: str) -> str | None:
    """scoring.yaml without that cell, where the cells are written on one line."""
    line = read("scoring.yaml", text).line(("qualification", "cells"))
    return _on_line(text, line, rf"(\[\s*){cell}\s*,\s*|,\s*{cell}\b", r"\1")


def _on_line(text: str, number: int, pattern: str, replacement: str) -> str | None:
    written = text.splitlines(keepends=True)
    if not 1 <= number <= len(written):
        return None
    changed, times = re.subn(pattern, replacement, written[number - 1], count=1)
    written[number - 1] = changed
    return "".join(written) if times else None
