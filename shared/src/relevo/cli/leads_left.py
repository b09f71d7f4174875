"""What an import leaves beside its file: how far it came, and the rows that were refused, with the reason."""

import csv
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from relevo.cli.leads_file import Row, Table


@dataclass
class State:
    """How far an import came. It lies beside the file until all is done."""

    digest: str  # of the file, and of how its rows are read
    rows: int = 0  # done with, from the top
    accepted: int = 0
    refused: int = 0
    rejects: int = 0  # bytes of the rejects file that belong to these rows


def rejects_of(path: Path) -> Path:
    return path.with_name(path.name + ".rejects.csv")


def _state_of(path: Path) -> Path:
    return path.with_name(path.name + ".import.json")


def found(path: Path, digest: str) -> State:
    """Where an import of this file, read in this way, was stopped; else the beginning."""
    try:
        state = State(**json.loads(_state_of(path).read_text()))
    except (OSError, ValueError, TypeError):
        return State(digest)
    return state if state.digest == digest else State(digest)


class Left:
    """The state and the rejects of an import that runs. The rejects file is cut back to what the state counts, so that
    a row stands in it once, however often the import was stopped."""

    def __init__(self, table: Table, state: State) -> None:
        self._table, self.state = table, state
        self._rejects: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        path = rejects_of(self._table.path)
        if self.state.rejects == 0 or not path.exists():
            path.unlink(missing_ok=True)
            self.state.rejects = 0
        else:
            os.truncate(path, self.state.rejects)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rejects is not None:
            self._rejects.close()
        if kind is None:
            _state_of(self._table.path).unlink(missing_ok=True)

    def refuse(self, row: Row, because: str) -> None:
        if self._rejects is None:
            self._open()
        width = len(self._table.columns.names)
        cells = [*row.cells[:width], *[""] * (width - len(row.cells))]
        self._writer.writerow([*cells, row.line, because])
        self.state.refused += 1

    def done(self, rows: int) -> None:
        """So many more rows are done with, and written down."""
        self.state.rows += rows
        if self._rejects is not None:
            self._rejects.flush()
            self.state.rejects = os.fstat(self._rejects.fileno()).st_size
        path = _state_of(self._table.path)
        new = path.with_name(f".{path.name}.new")
        new.write_text(json.dumps(asdict(self.state)))
        new.replace(path)

    def _open(self) -> None:
        path, fresh = rejects_of(self._table.path), self.state.rejects == 0
        # With a byte order mark, without which spreadsheets take UTF-8 for something else.
        self._rejects = path.open("w" if fresh else "a", encoding="utf-8-sig" if fresh else "utf-8", newline="")
        self._writer = csv.writer(self._rejects, delimiter=self._table.delimiter)
        if fresh:
            self._writer.writerow([*self._table.columns.names, "relevo_line", "relevo_reason"])
