"""`relevo tokens …`: who may call the APIs, in the file every service reads while it runs. Tokens are shown once."""

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table

from relevo.cli import entries
from relevo.cli.entries import AsJson, Entry, Named, refusal
from relevo.scopes import Role, Scope

tokens = typer.Typer(help="Who may call the APIs, and for what.", no_args_is_help=True)

_SCOPES = get_args(Scope)
_NAME = re.compile(r"[\w.@+-]{1,80}")

File = Annotated[Path, typer.Option("--file", envvar="RELEVO_TOKENS", help="The file the services read.")]
_DEFAULT = Path("tokens.yaml")


@tokens.command()
def add(
    name: Named,
    scope: Annotated[list[str], typer.Option(help=f"What it may do, again for more: {', '.join(_SCOPES)}.")],
    rep: Annotated[str | None, typer.Option(help="The rep it belongs to: sees and answers own leads only.")] = None,
    role: Annotated[Role | None, typer.Option(help="For whom its holder speaks: who approves a playbook.")] = None,
    expires: Annotated[str | None, typer.Option(help="After so long: 12h, 90d. Never where not given.")] = None,
    file: File = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A new token, which is shown now and never again: the file holds its SHA-256."""
    if _NAME.fullmatch(name) is None:
        raise refusal("a name has letters, digits and . @ + - _, 80 at most: it stands in the events its holder causes")
    if unknown := set(scope) - set(_SCOPES):
        raise refusal(f"no scope is called {min(unknown)}: there are {', '.join(_SCOPES)}")
    if rep is not None and (role not in (None, "rep") or "act-for" in scope):
        raise refusal("a rep's token speaks for that rep alone: leave --role and the scope act-for out")
    known = entries.read(file, "tokens")
    if any(entry.get("name") == name for entry in known):
        raise refusal(f"{name} is there already; `relevo tokens rotate {name}` gives it a new token")
    until = _now() + entries.span(expires, "--expires") if expires else None
    token = secrets.token_urlsafe(32)
    entry: Entry = {"name": name, "sha256": entries.hashed(token), "scopes": list(dict.fromkeys(scope))}
    entry |= {field: told for field, told in (("rep", rep), ("role", role), ("expires", until)) if told}
    entries.write(file, "tokens", [*known, entry])
    _tell(as_json, name, token, f"{name} stands in {file}")


@tokens.command()
def rotate(
    name: Named,
    overlap: Annotated[str, typer.Option(help="How long the old one still works: 30m, 12h, 7d.")] = "7d",
    file: File = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A new token for the same; the old one works on for a while, so that its holder can change over."""
    now = _now()
    until = now + entries.span(overlap, "the overlap")
    token = secrets.token_urlsafe(32)

    def renewed(named: list[Entry]) -> list[Entry]:
        old = [each | {"expires": min(each.get("expires") or until, until)} for each in named if _works(each, now)]
        if not old:
            raise refusal(f"{name} has expired: remove it, and add it anew with the scopes it is to have")
        return [named[0] | {"sha256": entries.hashed(token)}, *old]

    entries.change(file, "tokens", name, renewed)
    _tell(as_json, name, token, f"{name} has a new token; the old one works until {until:%F %H:%M} UTC at most")


@tokens.command("list")
def list_(file: File = _DEFAULT, as_json: AsJson = False) -> None:
    """All of them, without the tokens. Those of one name are a token and the ones it replaces."""
    known, now = entries.read(file, "tokens"), _now()
    if as_json:
        shown = [{**each, "works": _works(each, now)} for each in known]
        typer.echo(json.dumps({"tokens": shown}, ensure_ascii=False, indent=2, default=str))
        return
    table = Table("name", "scopes", "rep", "role", "expires")
    for each in known:
        until = each.get("expires")
        ends = "" if until is None else f"{until:%F %H:%M} UTC" if _works(each, now) else "has expired"
        scopes = " ".join(map(str, each.get("scopes", [])))
        table.add_row(str(each.get("name")), scopes, each.get("rep", ""), each.get("role", ""), ends)
    Console().print(table)


@tokens.command()
def remove(name: Named, file: File = _DEFAULT) -> None:
    """It may do nothing more, at once; sessions that were opened with it end."""
    entries.change(file, "tokens", name, lambda named: [])
    typer.echo(f"{name} may do nothing more")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _works(entry: dict[str, Any], now: datetime) -> bool:
    until = entry.get("expires")
    return until is None or until > now


def _tell(as_json: bool, name: str, token: str, said: str) -> None:
    if as_json:
        typer.echo(json.dumps({"name": name, "token": token}))
    else:
        typer.echo(f"{said}\nthe token, shown only this once: {token}")
