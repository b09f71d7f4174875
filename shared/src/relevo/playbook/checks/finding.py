"""What a check has to look at, and where it puts what it finds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from relevo.playbook.company import Company
from relevo.playbook.expressions import Language
from relevo.playbook.goals import Goals
from relevo.playbook.personas import Personas
from relevo.playbook.problems import Problem
from relevo.playbook.routing import Routing
from relevo.playbook.scoring import Scoring
from relevo.playbook.sla import Sla
from relevo.playbook.text import Document, Path


@dataclass(frozen=True)
class Parts:
    """The documents as far as they could be understood; None where one could not."""

    company: Company | None
    personas: Personas | None
    scoring: Scoring | None
    routing: Routing | None
    sla: Sla | None
    goals: Goals | None
    texts: Mapping[str, Document]
    language: Language


@dataclass
class Findings:
    """Of one file. `path` is the way to the place: ("teams", 0, "calendar")."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def wrong(self, path: Path, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.document.file, self.document.line(path), message, hint))

    def doubtful(self, path: Path, message: str, hint: str = "") -> None:
        self.warnings.append(Problem(self.document.file, self.document.line(path), message, hint))

    def unique(self, ids: Iterable[tuple[Path, str]], what: str) -> None:
        """`ids`: the way to each part, and its id."""
        first: dict[str, Path] = {}
        for path, name in ids:
            if name in first:
                line = self.document.line((*first[name], "id"))
                self.wrong((*path, "id"), f"the {what} {name!r} is there twice", f"the first is on line {line}")
            first.setdefault(name, path)
