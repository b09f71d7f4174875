"""A file with one list of named entries (sources.yaml, tokens.yaml), which services read while they run.

It is rewritten whole, in one step, so that nobody reads half of it; comments do not survive that, so the version before
is kept beside it, with a `~`.
"""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

Entry = dict[str, Any]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Named = Annotated[str, typer.Argument(metavar="NAME")]

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read(file: Path, what: str) -> list[Entry]:
    """The entries of the list `what` (sources, tokens); none where there is no file. Raises the refusal of one that
    holds something else."""
    if not file.exists():
        return []
    try:
        entries = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get(what) or []
    except (OSError, UnicodeDecodeError, AttributeError, yaml.YAMLError):
        raise refusal(f"{file} cannot be read as {what}.yaml; mend it first") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise refusal(f"{file} has no list of {what}; mend it first")
    return entries


def write(file: Path, what: str, entries: list[Entry]) -> None:
    file = file.resolve()  # a symbolic link stays one
    if file.exists():
        file.with_name(file.name + "~").write_bytes(file.read_bytes())
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        yaml.safe_dump({what: entries}, out, sort_keys=False, allow_unicode=True)
        out.flush()
        os.fsync(out.fileno())
    if file.exists():
        new.chmod(file.stat().st_mode & 0o777)
    new.replace(file)


def change(file: Path, what: str, name: str, changed: Callable[[list[Entry]], list[Entry]]) -> None:
    """The entries of this name become what `changed` makes of them, where they stood. Raises the refusal of a name
    that is not there."""
    entries = read(file, what)
    named = [entry for entry in entries if entry.get("name") == name]
    if not named:
        known = ", ".join(sorted({str(entry.get("name")) for entry in entries})) or "none"
        raise refusal(f"{file} has no {what.removesuffix('s')} {name}; it has {known}")
    at = entries.index(named[0])
    others = [entry for entry in entries[at:] if entry.get("name") != name]
    write(file, what, [*entries[:at], *changed(named), *others])


def span(written: str, what: str) -> timedelta:
    """`30m`, `12h` or `7d`. Raises the refusal of anything else."""
    if (found := _SPAN.fullmatch(written)) is None:
        raise refusal(f"write {what} as 30m, 12h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def refusal(message: str) -> typer.Exit:
    """Says it, and is to be raised."""
    typer.echo(message, err=True)
    return typer.Exit(1)
