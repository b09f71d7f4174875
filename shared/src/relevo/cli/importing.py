"""`relevo import leads.csv`: a list of leads through the same door as everything else, `POST /v1/touchpoints`.

It may be stopped and started again: beside the file lies how far it came, and a row sent twice is the same touchpoint.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from relevo.cli.leads_file import Row, Table, Unreadable, look, touchpoint
from relevo.cli.leads_left import Left, State, found, rejects_of
from relevo.events.vocabulary import TOUCHPOINT_TYPES
from relevo.outbound import Client, NoAnswer, own

_MOST_ROWS, _MOST_BYTES = 200, 400 * 1024  # of one request
_TRIES = 8  # of one request, before the import is given up for now
_BUSY = (429, 502, 503, 504)

Told = tuple[Row, bytes | str]  # a row, and its body or why it has none


class Stopped(Exception):
    """It cannot go on; the message says why."""


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV with a header line.")],
    key: Annotated[str, typer.Option(envvar="RELEVO_SOURCE_KEY", help="A key of the source it comes from.")],
    url: Annotated[str, typer.Option(envvar="RELEVO_INGEST_URL", help="Where ingest is.")] = "http://localhost:8001",
    touch: Annotated[str, typer.Option("--type", help="What each row is: imported, event_attended, …")] = "imported",
    column: Annotated[
        list[str] | None, typer.Option("--map", help="COLUMN=MEANING before any guess; COLUMN= for a plain field.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="utf-8 or cp1252, where the guess is wrong.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character; \\t for a tab.")] = None,
    date_format: Annotated[str | None, typer.Option(help="Of dates that are not ISO, as in %d/%m/%Y.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be made of it, send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output; asks nothing.")] = False,
) -> None:
    """Import a list of leads. Shows what its columns mean, asks, and sends; may be stopped and started again.

    What ingest refuses goes to FILE.rejects.csv with the reason; mended, that file is imported like any other. Exits
    with 1 when anything was refused or it could not finish.
    """
    say = Console(stderr=True, highlight=False, soft_wrap=True, quiet=as_json)
    if touch not in TOUCHPOINT_TYPES:
        raise _refusal(f"{touch} is no type of touchpoint; known are {', '.join(TOUCHPOINT_TYPES)}")
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if delimiter is not None and len(delimiter) != 1:
        raise _refusal("a delimiter is one character; \\t is a tab")
    try:
        table = look(file, encoding=encoding, delimiter=delimiter, mapping=_mapping(column or []))
    except (Unreadable, OSError) as error:
        raise _refusal(str(error)) from None
    becomes = {name: table.columns.becomes(name) for name in table.columns.names}
    told: dict[str, Any] = {"rows": table.rows, "encoding": table.encoding, "delimiter": table.delimiter}
    told["columns"] = becomes
    say.print(_preview(table, becomes))
    if preview:
        _tell(told, as_json)
        return
    state = found(file, _reading(table, touch, date_format, becomes))
    ask = f"Send {table.rows - state.rows} rows to {url} as {touch}?"
    if not (yes or as_json) and not typer.confirm(ask, err=True):
        raise typer.Exit(1)
    told["resumed_after"], problem = state.rows, None
    try:
        with _progress(say) as progress:
            asyncio.run(_run(table, state, progress, url, key, touch, date_format))
    except Stopped as reason:
        problem = str(reason)
        say.print(f"[red]{escape(problem)}[/]\nThe same command goes on after row {state.rows}.")
    rejects = str(rejects_of(file)) if state.refused else None
    say.print(f"{state.accepted} accepted, {state.refused} refused{f': {rejects}' if rejects else ''}")
    told |= {"accepted": state.accepted, "refused": state.refused, "rejects": rejects, "problem": problem}
    _tell(told, as_json)
    raise typer.Exit(1 if problem or state.refused else 0)


async def _run(
    table: Table, state: State, progress: Progress, url: str, key: str, touch: str, date_format: str | None
) -> None:
    """Every row from where the state is; the state follows. Raises Stopped."""
    shown = progress.add_task("rows", total=table.rows, completed=state.rows)

    def say(what: str) -> None:
        progress.update(shown, description=escape(what))

    client = own(url)
    try:
        with Left(table, state) as left:
            rows = islice(table.read(), state.rows, None)
            for batch in _batches((row, _body(table, row, touch, date_format)) for row in rows):
                bodies = [body for _, body in batch if isinstance(body, bytes)]
                answers = iter(await _post(client, url, key, bodies, say) if bodies else ())
                for row, body in batch:
                    because = body if isinstance(body, str) else next(answers)
                    if because is None:
                        state.accepted += 1
                    else:
                        left.refuse(row, because)
                left.done(len(batch))
                progress.update(shown, completed=state.rows)
    finally:
        await client.aclose()


def _body(table: Table, row: Row, touch: str, date_format: str | None) -> bytes | str:
    """What is sent of a row, or why nothing is."""
    try:
        body = json.dumps(touchpoint(table.columns, row, touch, date_format)).encode()
    except ValueError as error:
        return str(error)
    return body if len(body) < _MOST_BYTES else "longer than ingest takes"


def _batches(told: Iterable[Told]) -> Iterator[list[Told]]:
    """Rows in their order, as many as one request takes."""
    batch: list[Told] = []
    size = 0
    for row, body in told:
        if batch and (len(batch) == _MOST_ROWS or size + len(body) >= _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((row, body))
        size += len(body) + 1
    if batch:
        yield batch


async def _post(
    client: Client, url: str, key: str, bodies: Sequence[bytes], say: Callable[[str], None]
) -> list[str | None]:
    """None for each that was accepted, else why it was not. Tries again while ingest is away, and says so. Raises
    Stopped."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    content = b"[" + b",".join(bodies) + b"]"
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            pause = min(0.5 * 2**attempt, 30)
            say(f"{problem}; once more in {pause:.0f} s")
            await asyncio.sleep(pause)
        try:
            answer = await client.send("POST", f"{url.rstrip('/')}/v1/touchpoints", headers=headers, content=content)
        except NoAnswer as none:
            problem = f"ingest does not answer: {none}"
            continue
        if answer.status == 207:
            say("rows")
            return [_because(item) for item in json.loads(answer.body)["items"]]
        problem = f"ingest refuses: {_problem(answer.body) or answer.status}"
        if answer.status not in _BUSY:
            break
        if (told := answer.headers.get("retry-after", "")).isdigit():
            await asyncio.sleep(min(int(told), 60))
    raise Stopped(problem)


def _because(item: Mapping[str, Any]) -> str | None:
    if item["status"] == 202:
        return None
    said = str(item.get("detail") or item.get("title") or item["status"])
    return f"{item['field']}: {said}" if item.get("field") else said


def _problem(body: bytes) -> str | None:
    try:
        problem = json.loads(body)
        return f"{problem['title']}. {problem.get('detail', '')}".strip()
    except (ValueError, KeyError, TypeError):
        return None


def _mapping(given: Sequence[str]) -> dict[str, str]:
    pairs = [one.rpartition("=") for one in given]
    if not all(equals for _, equals, _ in pairs):
        raise _refusal("write --map COLUMN=MEANING, as in --map 'Correo 2=email'")
    return {column: meaning for column, _, meaning in pairs}


def _reading(table: Table, touch: str, date_format: str | None, becomes: Mapping[str, str | None]) -> str:
    """What a state must agree in: the file, and how its rows are read."""
    how = [table.digest, table.encoding, table.delimiter, touch, date_format, becomes]
    return sha256(json.dumps(how).encode()).hexdigest()


def _preview(table: Table, becomes: Mapping[str, str | None]) -> Grid:
    named = {",": "commas", ";": "semicolons", "\t": "tabs"}
    grid = Grid("column", "for example", "becomes", title_justify="left")
    grid.title = (
        f"{table.path.name}: {table.rows} rows, {table.encoding}, {named.get(table.delimiter, table.delimiter)}"
    )
    for name in table.columns.names:
        grid.add_row(
            escape(name), escape(table.columns.examples.get(name, "")[:40]), escape(becomes[name] or "left out")
        )
    return grid


def _progress(say: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=say)


def _tell(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))


def _refusal(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
