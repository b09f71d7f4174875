"""`relevo erase WHO`: a person is forgotten everywhere, over the console's API."""

import json
from contextlib import suppress
from typing import Annotated
from uuid import UUID

import typer

from relevo.cli.calling import call


def erase(
    who: Annotated[str, typer.Argument(metavar="WHO", help="An e-mail address, a name, or a lead's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON; asks nothing.")] = False,
) -> None:
    """Forget a person: their lead, those merged with it, and all that was recorded of them, in every service."""
    lead_id, shown = _find(who)
    if not (yes or as_json):
        typer.confirm(f"Erase {shown} for good?", abort=True)
    _, said = call("console", "POST", f"/v1/leads/{lead_id}/erase", {}, scope="erase")
    if as_json:
        typer.echo(json.dumps(said))
    elif said["state"] == "erased":
        typer.echo(f"{lead_id} was erased before")
    else:
        typer.echo(f"{lead_id} is being erased in every service; `GET /v1/leads/{lead_id}/timeline` answers 410 then")


def _find(who: str) -> tuple[str, str]:
    """The lead's id, and how to name it to who is asked. Raises SystemExit where it is nobody, or several."""
    with suppress(ValueError):
        return str(UUID(who)), f"lead {who}"
    _, found = call("console", "POST", "/v1/search", {"query": who}, scope="read` and `erase")
    people = [_person(card) for card in found["items"]]
    if not people:
        raise SystemExit(f"nobody is known as {who}")
    if len(people) > 1:
        listed = "\n".join(f"  {shown}" for _, shown in people)
        raise SystemExit(f"{len(people)} leads are known as {who}; give the id of one:\n{listed}")
    return people[0]


def _person(card: dict[str, str | None]) -> tuple[str, str]:
    told = ", ".join(filter(None, (card["name"], card["email"], card["company"])))
    return str(card["lead_id"]), f"{card['lead_id']} ({told or 'anonymous'})"
