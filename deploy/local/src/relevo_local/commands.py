"""`relevo up`, `relevo exec`, `relevo clock`, `relevo demo`: the whole system on this machine."""

import asyncio
import os
import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from relevo.playbook.values import format_duration
from relevo.usual import PORTS
from relevo_local import clock, home, interrupts
from relevo_local.command import run_command
from relevo_local.demo import demo
from relevo_local.system import System, Wanted, running

NO_SUCH_COMMAND = 127  # as shells say

_err = Console(stderr=True, highlight=False)  # standard output belongs to what a command prints


class Broker(StrEnum):
    embedded = "embedded"
    apache = "apache"


Folder = Annotated[Path, typer.Option(help="Where the system keeps its data.", file_okay=False)]
Kind = Annotated[Broker, typer.Option("--broker", envvar="BROKER", help="apache: a real one, by Maven and Java 17.")]
Dsn = Annotated[str | None, typer.Option(help="DSN of a real PostgreSQL's owner, instead of the embedded one.")]
Address = Annotated[str | None, typer.Option(help="host:port of a real Apache Kafka, instead of a broker of our own.")]


def add_to(app: typer.Typer) -> None:
    """Join the commands of this package to `relevo`."""
    app.command("up")(up)
    app.command("exec", context_settings={"allow_interspersed_args": False})(execute)
    app.command("clock")(move_clock)
    app.command("demo")(demo)


def up(
    folder: Folder = Path(".relevo"), broker: Kind = Broker.embedded, postgres: Dsn = None, kafka: Address = None
) -> None:
    """Run the whole system here until ctrl-C: PostgreSQL, broker, five services."""
    wanted = Wanted(folder.resolve(), lasting=True, broker=broker.value, postgres=postgres, kafka=kafka)

    async def work() -> int:
        async with running(wanted, _say) as system:
            _introduce(system, wanted)
            await interrupts.until_interrupted(system.watch())
            _say("stopping: what was taken in is handled first")
        _say(f"stopped; the data stays in {wanted.folder}")
        return 0

    raise typer.Exit(interrupts.run(work()))


def execute(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    broker: Kind = Broker.embedded,
    postgres: Dsn = None,
    kafka: Address = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder with its logs.")] = False,
) -> None:
    """Start a fresh system, run a command in it with RELEVO_… set, stop; ends with the command's status."""
    if shutil.which(command[0]) is None:
        print(f"{command[0]}: there is no such command", file=sys.stderr)
        raise typer.Exit(NO_SUCH_COMMAND)
    folder = Path(tempfile.mkdtemp(prefix="relevo-"))
    wanted = Wanted(folder, broker=broker.value, postgres=postgres, kafka=kafka)

    async def work() -> int:
        async with running(wanted, _say) as system:
            return await run_command(command, system)

    try:
        status = interrupts.run(work())
    finally:
        if keep:
            _say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(status)


def move_clock(
    to: Annotated[str, typer.Argument(help="+2h, +1d12h, +20m: further ahead; reset: back to the real time.")],
    folder: Folder = Path(".relevo"),
) -> None:
    """Move the clock of the running system (inside `relevo exec`: of that one)."""
    inside = {name: os.environ[name] for name in ("RELEVO_POSTGRES", "RELEVO_CLOCK_FILE") if name in os.environ}
    environment = inside if len(inside) == 2 else home.read_env(folder)
    if not environment:
        raise SystemExit(f"no Relevo runs in {folder}: start one with `relevo up`")
    try:
        ahead = asyncio.run(clock.travel(environment, to))
    except ValueError as problem:
        raise SystemExit(str(problem)) from None
    print(f"the clock is {format_duration(ahead)} ahead" if ahead else "the clock shows the real time")


def _introduce(system: System, wanted: Wanted) -> None:
    for note in system.notes:
        _say(note)
    _err.print(f"\n  [bold]The console: {system.setting.url('console')}[/]\n")
    for name in PORTS:
        _err.print(f"  {name.replace('_', '-'):12} {system.setting.url(name)}")
    _err.print(f"  {'PostgreSQL':12} {system.server.dsn.rpartition('@')[2].partition('/')[0]}")
    _err.print(f"  {'Kafka':12} {system.setting.kafka}{' (in memory)' if wanted.forgets else ''}")
    _err.print(f"\n  Keys and addresses for your shell: [bold]. {_short(wanted.folder / 'env')}[/]")
    _err.print("  ctrl-C stops it all\n")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _say(line: str) -> None:
    _err.print(f"[dim]relevo[/] {line}", soft_wrap=True)
