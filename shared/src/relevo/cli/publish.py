"""`relevo playbook publish|approve|revert|revisions`: how an agreement comes into force, over the console's API."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Column, Table

from relevo.cli.calling import AsJson, call
from relevo.cli.playbook import read_folder, show_problems
from relevo.playbook import PlaybookError, load


class Team(StrEnum):
    MARKETING = "marketing"
    SALES = "sales"


For = Annotated[list[Team], typer.Option("--for", help="The team you approve for; again for the other one.")]


def publish(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with the six YAML files.")],
    teams: For = [],  # noqa: B006 - typer's way of saying none; nobody changes it
    as_json: AsJson = False,
) -> None:
    """Propose the playbook, with your team's approval if you give it. In force once both teams approve."""
    try:
        documents = read_folder(folder)
        load(documents)
    except PlaybookError as error:
        show_problems(folder, error.problems)
        raise typer.Exit(1) from None
    _propose(documents, teams, as_json)


def approve(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As `relevo playbook revisions` lists it.")],
    teams: For,
    as_json: AsJson = False,
) -> None:
    """Approve a playbook that waits. With the second team's approval it is published at once."""
    path = f"/v1/playbooks/{quote(version, safe='')}/approve"
    _say(*call("console", "POST", path, {"approvals": teams}, scope="playbook"), as_json)


def revert(
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1)],
    teams: For = [],  # noqa: B006 - typer's way of saying none; nobody changes it
    as_json: AsJson = False,
) -> None:
    """Propose what was in force as REVISION again: a new revision of that version, once both teams approve."""
    _, found = call("console", "GET", f"/v1/playbooks/{revision}", scope="playbook")
    _propose(found["documents"], teams, as_json)


def revisions(as_json: AsJson = False) -> None:
    """The newest revisions, and what waits for an approval."""
    _, found = call("console", "GET", "/v1/playbooks", scope="playbook")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("revision", Column("version", no_wrap=True), "at", "by", "approved by")
    for waiting in found["drafts"]:
        table.add_row("waits", waiting["version"], waiting["at"][:16], waiting["by"], _approvals(waiting))
    for one in found["items"]:
        table.add_row(str(one["revision"]), one["version"], one["at"][:16], one["by"], _approvals(one))
    Console().print(table)


def _propose(documents: dict[str, str], teams: list[Team], as_json: bool) -> None:
    proposal = {"documents": documents, "approvals": teams}
    _say(*call("console", "POST", "/v1/playbooks", proposal, scope="playbook"), as_json)


def _say(status: int, said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said, indent=2))
    elif status == 202:
        teams = " and of ".join(said["missing"])
        typer.echo(f"{said['version']} waits for an approval of {teams}")
        for team in said["missing"]:
            typer.echo(f"  relevo playbook approve {said['version']} --for {team}")
    elif status == 201:
        typer.echo(f"revision {said['revision']} is in force: version {said['version']}")
    else:
        typer.echo(f"{said['version']} is in force already, as revision {said['revision']}")


def _approvals(one: dict[str, Any]) -> str:
    return ", ".join(f"{each['by']} for {each['side']}" for each in one["approvals"])
