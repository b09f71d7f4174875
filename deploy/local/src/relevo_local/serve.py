"""`python -m relevo_local.serve SERVICE GO`: brings one service up to date, then runs it, in one process.

The same as `python -m SERVICE migrate && python -m SERVICE run`, but the interpreter starts and imports once, and
while PostgreSQL and the broker start: with five services on a small machine that is half of the whole start.
"""

import sys
import time
from importlib import import_module
from pathlib import Path

from relevo.service.main import command_line


def main(name: str, go: Path) -> None:
    """Import the service, wait until the file `go` is there, migrate, run."""
    commands = command_line(import_module(f"{name}.main").service)
    while not go.exists():
        time.sleep(0.01)
    for command in ("migrate", "run"):
        commands([command], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
