"""What is wrong with a playbook, said so that its author can mend it: file, line, message, hint."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

ALIKE = 0.6  # as in difflib.get_close_matches
FEW = 24  # names worth listing in a hint


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. `line` counts from 1; 0 means the file as a whole. `hint` says what to do next, or is empty."""

    file: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PlaybookError(ValueError):
    """The documents are no valid playbook. `problems` holds every mistake found, by file and line, never just one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to this one; else, if there are few, all of them; else nothing."""
    names = sorted(set(known))
    likeness, near = max(((_alike(word, name), name) for name in names), default=(0.0, ""))
    if likeness >= ALIKE:
        return f"did you mean {near!r}?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= FEW else ""


def _alike(word: str, name: str) -> float:
    """As wholes and in what follows the last dot: a common `company.` makes no two names alike."""
    word, name = word.casefold(), name.casefold()
    whole = SequenceMatcher(None, word, name).ratio()
    return min(whole, SequenceMatcher(None, word.rpartition(".")[2], name.rpartition(".")[2]).ratio())
