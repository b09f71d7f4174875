"""`relevo playbook …`: what a person does with the written agreement."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from relevo.playbook import Playbook, PlaybookError, Problem, load

LARGEST = 2 * 1024 * 1024  # bytes read of a file; a playbook's are a few pages each

playbook = typer.Typer(
    help="The agreement of marketing and sales: check it, see what it would have done, publish it.",
    no_args_is_help=True,
)


@playbook.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with the six YAML files.")] = Path(
        "deploy/playbook"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Read the six files and say every mistake: file, line, what to write instead. Exits with 1 if there is one."""
    try:
        loaded: Playbook | None = load(read_folder(folder))
        problems: tuple[Problem, ...] = ()
    except PlaybookError as error:
        loaded, problems = None, error.problems
    warnings = loaded.warnings if loaded else ()
    if as_json:
        answer = {
            "ok": loaded is not None,
            "version": loaded.version if loaded else None,
            "problems": [asdict(problem) for problem in problems],
            "warnings": [asdict(warning) for warning in warnings],
        }
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        show_problems(folder, problems, warnings)
        if loaded is not None:
            _show_sound(loaded)
    raise typer.Exit(0 if loaded else 1)


def read_folder(folder: Path) -> dict[str, str]:
    """The YAML files of a folder as text, for `relevo.playbook.load`; PlaybookError if there is no such folder.

    What is no UTF-8 or far too long is handed on so, for `load` to refuse it with its line beside all other mistakes.
    """
    if not folder.is_dir():
        raise PlaybookError([Problem(str(folder), 0, "there is no such folder", "give the folder of the six files")])
    texts: dict[str, str] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file()):
        with path.open("rb") as file:
            texts[path.name] = file.read(LARGEST).decode(errors="surrogateescape")
    return texts


def show_problems(folder: Path, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
    """To standard output, each with file and line, and how many there are to mend."""
    console = Console(soft_wrap=True, highlight=False)
    for kind, style, found in (("", "red", problems), ("warning: ", "yellow", warnings)):
        for problem in found:
            where = folder if problem.file == str(folder) else folder / problem.file
            line = f":{problem.line}" if problem.line else ""
            hint = (f" ({problem.hint})", "cyan") if problem.hint else ""
            console.print(Text.assemble((f"{where}{line}", "bold"), ": ", (kind + problem.message, style), hint))
    if problems:
        console.print(Text(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}: mend and check again", "red"))


def _show_sound(loaded: Playbook) -> None:
    signals, rules = len(loaded.scoring.signals), len(loaded.routing.rules)
    reps = sum(len(team.reps) for team in loaded.routing.teams)
    Console(soft_wrap=True, highlight=False).print(
        Text.assemble(
            ("the playbook is sound", "green"),
            f": version {loaded.version}, {len(loaded.personas)} personas, {signals} signals, {reps} reps, "
            f"{rules} routing rules, {len(loaded.sla.policies)} promises",
        )
    )
