"""`relevo playbook simulate`: what a playbook would have made of the last weeks, beside the active one."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from relevo.cli.playbook import read_folder
from relevo.cli.simulated import show
from relevo.cli.simulated_page import page
from relevo.cli.simulation_parts import Found, batches, brief, owed, together
from relevo.outbound import Client, Limits, NoAnswer, own
from relevo.playbook import PlaybookError, load, parse_duration

LINES: Final = "application/x-ndjson"
_LIMITS: Final = Limits(total=6 * 3600, answer=1024 * 1024 * 1024)

Url = Annotated[str, typer.Option(envvar="RELEVO_SCORING_URL", help="Where scoring answers.")]
_err = Console(stderr=True, highlight=False)


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with the candidate's six files.")],
    since: Annotated[str, typer.Option(help="How far back by the system's clock: 90d, 12h.")] = "90d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots, whole in itself.")] = None,
    scoring: Url = "http://127.0.0.1:8002",
    handoff: Annotated[str, typer.Option(envvar="RELEVO_HANDOFF_URL")] = "http://127.0.0.1:8003",
    sla_monitor: Annotated[str, typer.Option(envvar="RELEVO_SLA_MONITOR_URL")] = "http://127.0.0.1:8004",
    token: Annotated[str, typer.Option(envvar="RELEVO_API_TOKEN", help="Of scope `playbook`.")] = "",
) -> None:
    """Recorded touchpoints and answers through the candidate, beside the active playbook. Nothing is written."""
    try:
        documents = read_folder(folder)
        load(documents)
        parse_duration(since)
    except (PlaybookError, ValueError) as error:
        raise _refusal(str(error)) from None
    wanted = {"documents": documents, "since": since}
    try:
        found = asyncio.run(_ask(wanted, token, scoring, handoff, sla_monitor))
    except NoAnswer as error:
        raise _refusal(f"a service does not answer: {error}") from None
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(found, Console(highlight=False))


async def _ask(wanted: Found, token: str, scoring: str, handoff: str, sla_monitor: str) -> Found:
    """Scoring's MQLs go on to handoff's simulation, and whom that one gives them to, to sla-monitor's."""
    client = own(scoring, handoff, sla_monitor, limits=_LIMITS)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    try:
        scored = await _scored(client, f"{scoring}/v1/simulations", headers, wanted)
        wanted |= {"since": scored["since"]}
        mqls, current = ([brief(mql) for mql in scored[side]["items"]] for side in ("candidate", "current"))
        given = await _also(client, handoff, "handoff", headers, wanted | {"mqls": mqls, "current": current})
        promised = None if given is None else owed(mqls, given["candidate"]["assignments"])
        timed = None if promised is None else await _timed(client, sla_monitor, headers, wanted["documents"], promised)
        return {"scoring": scored, "handoff": given, "sla-monitor": timed}
    finally:
        await client.aclose()


async def _timed(
    client: Client, url: str, headers: dict[str, str], documents: dict[str, str], promised: list[Found]
) -> Found | None:
    parts = []
    for some in batches(promised):
        part = await _also(client, url, "sla-monitor", headers, {"documents": documents, "assignments": some})
        if part is None:
            return None
        parts.append(part)
    return together(parts)


async def _scored(client: Client, url: str, headers: dict[str, str], wanted: Found) -> Found:
    columns = (TextColumn("leads"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    body = orjson.dumps(wanted)
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task("leads", total=None)
        async for status, line in client.lines("POST", url, headers=headers | {"accept": LINES}, content=body):
            said: Found = orjson.loads(line)
            if status != 200:
                raise _refusal(f"scoring refuses: {said.get('title')}. {said.get('detail', '')}")
            if "candidate" in said:
                return said
            bar.update(task, completed=said["done"], total=said["of"])
    raise NoAnswer("closed", "scoring broke off before the result")


async def _also(client: Client, url: str, name: str, headers: dict[str, str], wanted: Found) -> Found | None:
    """Another service's part; None where it is not there, or refuses, which is told."""
    try:
        answer = await client.send("POST", f"{url}/v1/simulations", headers=headers, content=orjson.dumps(wanted))
    except NoAnswer:
        return None
    found: Found = orjson.loads(answer.body)
    if answer.status == 200:
        return found
    _err.print(f"{name} refuses: {found.get('title')}. {found.get('detail', '')}")
    return None


def _refusal(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
