"""`make bench`: a table, or with --json an object {name: {value, unit, better, baseline, ratio}} on standard output."""

import argparse
import dataclasses
import json
import sys

import uvloop
from rich.console import Console
from rich.table import Table
from tests.bench import handoff, ingest, journey, scoring, sla, stream
from tests.bench.figures import FIGURES, Measured, measure

from relevo.service.main import collect_seldom

_ROOMS = (stream, ingest, scoring, handoff, sla, journey)  # imported for what they register
_err = Console(stderr=True, highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(FIGURES)}; all where none is named")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    measured: dict[str, Measured] = {}
    collect_seldom()  # collector and event loop as the services run; the baselines' too
    for name in arguments.names or FIGURES:
        measured[name] = uvloop.run(measure(FIGURES[name], arguments.rounds, _say))
    if arguments.json:
        sys.stdout.write(json.dumps({name: dataclasses.asdict(each) for name, each in measured.items()}) + "\n")
    else:
        Console().print(table(measured))
    missed = [name for name, each in measured.items() if not each.reaches(FIGURES[name].goal)]
    for name in missed:
        _err.print(f"[red]{name} misses its goal[/]")
    return 1 if missed else 0


def table(measured: dict[str, Measured]) -> Table:
    found = Table("figure", "value", "baseline", "ratio", "goal")
    for name, each in measured.items():
        goal, sign = FIGURES[name].goal, "≥" if each.better == "higher" else "≤"
        found.add_row(
            name,
            f"{each.value:,.4g} {each.unit}",
            "" if each.baseline is None else f"{each.baseline:,.4g}",
            "" if each.ratio is None else f"{each.ratio:.2f}",
            f"{sign} {goal:g}{'' if each.ratio is not None else ' ' + each.unit}",
        )
    return found


def _say(line: str) -> None:
    _err.print(f"[dim]{line}[/]")


if __name__ == "__main__":
    sys.exit(main())
