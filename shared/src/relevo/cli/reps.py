"""`relevo reps …`: a rep's day, over handoff's API (RELEVO_HANDOFF_URL and RELEVO_API_TOKEN say where and who)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from relevo.cli.calling import AsJson, call

reps = typer.Typer(help="A rep's day: away, back, hand their leads over.", no_args_is_help=True)

Rep = Annotated[str, typer.Argument(metavar="REP", help="The rep's id in routing.yaml.")]
Moment = Annotated[str | None, typer.Option(help="Like 2026-08-03T09:00+02:00; without a zone, this machine's.")]


@reps.command()
def away(
    rep: Rep,
    start: Annotated[str | None, typer.Option("--from", help="From when; from now on if left out.")] = None,
    until: Moment = None,
    as_json: AsJson = False,
) -> None:
    """REP takes no leads: from now on, or from a moment; until another, or until `relevo reps back`."""
    body = {"state": "away", "from": _moment(start), "until": _moment(until), "source": "cli"}
    _say(_post(rep, "availability", body), as_json, f"{rep} is away" + (f" until {until}" if until else ""))


@reps.command()
def back(rep: Rep, as_json: AsJson = False) -> None:
    """REP takes leads again; absences that were planned are dropped."""
    _say(_post(rep, "availability", {"state": "available", "source": "cli"}), as_json, f"{rep} is back")


@reps.command()
def capacity(
    rep: Rep,
    leads: Annotated[int, typer.Argument(min=0)],
    until: Annotated[str, typer.Option()],
    as_json: AsJson = False,
) -> None:
    """REP has at most so many open leads until then, whatever the playbook says."""
    body = {"capacity": leads, "until": _moment(until), "source": "cli"}
    _say(_post(rep, "capacity", body), as_json, f"{rep} has at most {leads} open leads until {until}")


@reps.command()
def calendar(
    rep: Rep, file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: AsJson = False
) -> None:
    """Read REP's absences out of an iCalendar file; what the file before said is forgotten."""
    found = _post(rep, "calendar", file.read_bytes())
    skipped = f"; {found['recurring_not_read']} recurring ones not read" if found["recurring_not_read"] else ""
    _say(found, as_json, f"{rep}: {len(found['absences'])} absences{skipped}")


@reps.command("hand-over")
def hand_over(rep: Rep, as_json: AsJson = False) -> None:
    """All open leads of REP go to others, by the rules; those nobody can take now wait."""
    total = {"handed_over": 0, "waiting": 0}
    left = True
    while left:
        found = _post(rep, "hand-over", {})
        total = {name: number + found[name] for name, number in total.items()}
        left = found["left"]
    _say({"rep": rep, **total}, as_json, f"{rep}: {total['handed_over']} handed over, {total['waiting']} wait")


def _post(rep: str, what: str, body: dict[str, Any] | bytes) -> dict[str, Any]:
    path = f"/v1/reps/{quote(rep, safe='')}/{what}"
    if isinstance(body, bytes):
        return call("handoff", "POST", path, body, scope="manage", kind="text/calendar")[1]
    given = {name: value for name, value in body.items() if value is not None}
    return call("handoff", "POST", path, given, scope="manage")[1]


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SystemExit("write a moment like 2026-08-03T09:00+02:00") from None
    return (at if at.tzinfo else at.astimezone()).isoformat()


def _say(found: dict[str, Any], as_json: bool, line: str) -> None:
    typer.echo(json.dumps(found, indent=2) if as_json else line)
