"""`relevo playbook publish …`, `relevo erase`, `relevo doctor`: what people do at the command line with a console that
runs, and what they are told where they cannot."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from typer.testing import CliRunner

from relevo.cli import main
from relevo.playbook import load

EXAMPLE = Path(__file__).parents[3] / "deploy" / "playbook"
BOTH = ("--for", "marketing", "--for", "sales")
NOWHERE = "http://127.0.0.1:9"

Relevo = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def running(served):
    return await served()


@pytest.fixture
def relevo(running, monkeypatch: pytest.MonkeyPatch) -> Relevo:
    """`await relevo("admin", "erase", …, code=0)`: what the command says to the holder of that token."""
    for name in ("INGEST", "SCORING", "HANDOFF", "SLA_MONITOR"):
        monkeypatch.setenv(f"RELEVO_{name}_URL", NOWHERE)
    monkeypatch.setenv("RELEVO_CONSOLE_URL", running.url)

    async def run(who: str, *arguments: str, code: int = 0, answer: str | None = None) -> str:
        monkeypatch.setenv("RELEVO_API_TOKEN", running.tokens[who])
        found = await asyncio.to_thread(CliRunner().invoke, main, list(arguments), answer)
        assert found.exit_code == code, found.output
        return found.output

    return run


async def sent(console, kind: str) -> list[str]:
    async with console.service.transaction() as tx:
        rows = await tx.execute(text("select value from outbox where type = :kind order by id"), {"kind": kind})
        return [row.value for row in rows]


async def test_a_playbook_is_proposed_approved_and_reverted(running, relevo: Relevo, tmp_path: Path) -> None:
    documents = {file.name: file.read_text() for file in sorted(EXAMPLE.glob("*.yaml"))}
    version = load(documents).version

    def folder(name: str, **other: str) -> str:
        (tmp_path / name).mkdir()
        for file, written in documents.items():
            (tmp_path / name / file).write_text(other.get(file.removesuffix(".yaml"), written))
        return str(tmp_path / name)

    first = folder("first")
    second = folder("second", company=documents["company.yaml"].replace("Forja", "Fragua"))
    broken = folder("broken", sla="policies: 3")
    said = await relevo("marketing", "playbook", "publish", first, "--for", "marketing")
    assert f"relevo playbook approve {version} --for sales" in said
    assert "waits" in await relevo("sales", "playbook", "revisions")
    said = await relevo("marketing", "playbook", "approve", version, "--for", "sales", code=1)
    assert "May not approve" in said
    assert "revision 1 is in force" in await relevo("sales", "playbook", "approve", version, "--for", "sales")
    assert "in force already" in await relevo("admin", "playbook", "publish", first)
    assert "revision 2 is in force" in await relevo("admin", "playbook", "publish", second, *BOTH)
    said = json.loads(await relevo("admin", "playbook", "revert", "1", *BOTH, "--json"))
    assert (said["revision"], said["version"]) == (3, version)
    assert "No such revision" in await relevo("admin", "playbook", "revert", "9", *BOTH, code=1)
    assert "sla.yaml:1" in await relevo("admin", "playbook", "publish", broken, *BOTH, code=1)
    assert [json.loads(value)["revision"] for value in await sent(running, "playbook.published.v1")] == [1, 2, 3]


async def test_a_person_is_erased_by_address_once_somebody_says_yes(running, relevo: Relevo, story) -> None:
    ana, another = story(), story(email="ana@otra.es", company="Otra")
    await running.hear(*ana.to_rep(), *another.to_rep())
    assert "nobody is known as" in await relevo("admin", "erase", "nobody@acme.es", code=1)
    said = await relevo("admin", "erase", "Ana García", code=1)
    assert "2 leads are known" in said
    assert str(ana.lead_id) in said
    assert str(another.lead_id) in said
    assert "Aborted" in await relevo("admin", "erase", "ana@acme.es", code=1, answer="n\n")
    assert await sent(running, "lead.erased.v1") == []
    assert "Scope missing" in await relevo("sales", "erase", str(ana.lead_id), "--yes", code=1)
    said = await relevo("admin", "erase", "ana@acme.es", answer="y\n")
    assert "Ana García, ana@acme.es" in said
    assert "in every service" in said
    (erased,) = await sent(running, "lead.erased.v1")
    assert json.loads(erased)["lead_id"] == str(ana.lead_id)
    await running.hear(ana.erased())
    assert "was erased before" in await relevo("admin", "erase", str(ana.lead_id), "--yes")


async def test_the_doctor_says_what_is_ill_and_what_waits_for_a_person(running, relevo: Relevo) -> None:
    said = await relevo("admin", "doctor", code=1)
    assert f"✓ console at {running.url}: ready" in said
    assert f"✗ scoring at {NOWHERE}" in said
    assert "RELEVO_SCORING_URL" in said
    async with running.service.transaction() as tx:
        await tx.execute(
            text(
                'insert into dead_letter (event_id, topic, partition, "offset", header_names, header_values, error,'
                " tries, at) values (gen_random_uuid(), 'leads', 0, 7, '{}', '{}', 'KeyError', 3, now())"
            )
        )
    found = json.loads(await relevo("admin", "doctor", "--json", code=1))
    assert found["console"]["ills"] == []
    # Other services of this test run share the process, and so its metrics.
    assert "dead letters that wait for a person: 1; `python -m console dead list`" in found["console"]["worries"]
    assert [bool(found[name]["ills"]) for name in ("ingest", "handoff", "sla_monitor")] == [True] * 3


@pytest.mark.parametrize("arguments", [("erase", "ana@acme.es"), ("playbook", "revisions"), ("reps", "back", "lucia")])
def test_without_a_token_one_is_told_which_to_set(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.delenv("RELEVO_API_TOKEN", raising=False)
    found = CliRunner().invoke(main, list(arguments))
    assert found.exit_code == 1
    assert "set RELEVO_API_TOKEN to a token of scope" in found.output
