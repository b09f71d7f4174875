"""`relevo import` against a real ingest: every row once, refused ones with their reason, stopped and gone on."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relevo.cli import importing, main
from relevo.cli.leads_file import look
from relevo.events.identity import touchpoint_id
from relevo.outbound import own
from relevo.testing.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


def domain(folder: Path) -> str:
    return f"{folder.name.replace('_', '-')}.example"


def leads(folder: Path, count: int, bad: tuple[int, ...] = (), name: str = "leads.csv") -> Path:
    """A list of so many leads; the rows of these numbers have no address."""
    rows = [f"{'no address' if n in bad else f'p{n}@{domain(folder)}'};Ana {n};{n}" for n in range(count)]
    file = folder / name
    file.write_text("Correo;Nombre;Empleados\n" + "\n".join(rows) + "\n")
    return file


async def run(at: Any, file: Path, *options: str, url: str | None = None, key: str = "key-of-crm") -> dict[str, Any]:
    command = ["import", str(file), "--url", url or at.url, "--key", key, "--json", *options]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    told: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == bool(told["problem"] or told["refused"])
    return told


def ids_of(file: Path) -> set[str]:
    return {touchpoint_id("crm", row.event_id) for row in look(file).read()}


async def test_every_row_is_a_touchpoint_and_again_the_same_one(at: Any, tmp_path: Path) -> None:
    file = leads(tmp_path, 450)
    told = await run(at, file)
    assert (told["accepted"], told["refused"], told["rejects"], told["problem"]) == (450, 0, None, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leads.csv"]
    await run(at, file, "--type", "call")
    events = await at.recorded(900, ids_of(file))
    assert (len(events), {str(event.id) for event in events}) == (900, ids_of(file))
    first = next(event for event in events if event.touch == "imported" and event.fields["Empleados"] == "7")
    assert (first.subjects[0].value, first.names.full) == (f"p7@{domain(tmp_path)}", "Ana 7")


async def test_refused_rows_are_kept_with_their_reason_and_imported_once_mended(at: Any, tmp_path: Path) -> None:
    file = leads(tmp_path, 300, bad=(3, 250))
    with file.open("a") as more:
        more.write("x@empresa.es;Ana;1;zuviel\n")
    told = await run(at, file)
    assert (told["accepted"], told["refused"], told["rows"]) == (298, 3, 301)
    rejects = Path(told["rejects"])
    assert rejects.read_bytes().startswith(b"\xef\xbb\xbf")
    with rejects.open(encoding="utf-8-sig", newline="") as rejected:
        rows = list(csv.DictReader(rejected, delimiter=";"))
    assert [(row["Nombre"], row["relevo_line"], row["relevo_reason"].partition(":")[0]) for row in rows] == [
        ("Ana 3", "5", "email"),
        ("Ana 250", "252", "email"),
        ("Ana", "302", "1 cells more than there are columns"),
    ]
    rejects.write_text(rejects.read_text(encoding="utf-8-sig").replace("no address", "mended@empresa.es"))
    told = await run(at, rejects)
    assert (told["accepted"], told["refused"], told["columns"]["relevo_reason"]) == (3, 0, None)
    event, *_ = await at.recorded(1, ids_of(rejects))
    assert set(event.fields) == {"Empleados"}


async def test_an_import_that_is_stopped_goes_on_where_it_was(
    at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_TRIES", 1)
    monkeypatch.setattr(importing, "_MOST_ROWS", 50)
    file = leads(tmp_path, 500, bad=(10, 490))
    post, sent = importing._post, 0

    async def until_cut(*given: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 4:
            proxy.cut()
        return await post(*given)

    monkeypatch.setattr(importing, "_post", until_cut)
    async with Proxy(at.url.removeprefix("http://")) as proxy:
        stopped = await run(at, file, url=f"http://{proxy.address}")
        assert (stopped["accepted"], stopped["refused"]) == (149, 1)
        assert "does not answer" in stopped["problem"]
        assert (tmp_path / "leads.csv.import.json").exists()
        rejects = Path(stopped["rejects"])
        with rejects.open("a") as torn:
            torn.write("half a row;wri")  # as a kill in the middle leaves it
        proxy.heal()
        done = await run(at, file, url=f"http://{proxy.address}")
    assert (done["resumed_after"], done["accepted"], done["refused"], done["problem"]) == (150, 498, 2, None)
    assert sent == 4 + 7
    assert len(rejects.read_text(encoding="utf-8-sig").splitlines()) == 3
    assert "half a row" not in rejects.read_text()
    assert not (tmp_path / "leads.csv.import.json").exists()
    good = {touchpoint_id("crm", row.event_id) for row in look(file).read() if "no address" not in row.cells}
    assert len(await at.recorded(498, good)) == 498


async def test_while_ingest_is_away_it_says_what_it_waits_for(at: Any, tmp_path: Path) -> None:
    said: list[str] = []
    client = own(nobody := f"http://127.0.0.1:{at.free_port()}")
    waiting = asyncio.create_task(importing._post(client, nobody, "key-of-crm", [b"{}"], said.append))
    while not said:
        await asyncio.sleep(0.01)
    waiting.cancel()
    await client.aclose()
    assert said[0].startswith("ingest does not answer: ")
    assert said[0].endswith("; once more in 1 s")


async def test_another_file_under_the_same_name_begins_anew(at: Any, tmp_path: Path) -> None:
    file = leads(tmp_path, 3)
    (tmp_path / "leads.csv.import.json").write_text(json.dumps({"digest": "of another", "rows": 2, "accepted": 2}))
    assert (await run(at, file))["resumed_after"] == 0
    (tmp_path / "leads.csv.import.json").write_text("{torn")
    assert (await run(at, file))["accepted"] == 3


async def test_a_wrong_key_stops_it_at_once(at: Any, tmp_path: Path) -> None:
    told = await run(at, leads(tmp_path, 3), key="wrong")
    assert (told["accepted"], told["problem"].partition(".")[0]) == (0, "ingest refuses: Key missing or wrong")
