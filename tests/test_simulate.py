"""`relevo playbook simulate` on a running system: scoring's MQLs go on to handoff, whose assignments to sla-monitor."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from tests.people import Journey, journey

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGREED = Path(__file__).resolve().parents[1] / "deploy" / "playbook"
HAND_RAISE = """mql.hand_raise || mql.cell == 'A1'"
    team: comercial"""
LEADS = 5


@pytest_asyncio.fixture(loop_scope="session")
async def people(system: Mapping[str, str]) -> AsyncIterator[Journey]:
    async with journey(system, f"sales-{uuid4().hex[:6]}") as found:
        yield found


def mail_of(webhook: Any) -> Any:
    """Whom a notice of an assignment is about."""
    return webhook.data["snapshot"]["contact"].get("email") if webhook.type == "lead.assigned" else None


async def simulate(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("relevo")), "playbook", "simulate", *arguments, "--since", "30d",
        env={**environment, "COLUMNS": "200"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_a_candidate_that_moves_leads_to_another_team(people: Journey, tmp_path: Path) -> None:
    """People who ask for a demo; a candidate by which Exportación takes who asks for sales."""
    mails = [f"olga@{uuid4().hex[:10]}.example" for _ in range(LEADS)]
    for mail in mails:
        form = {
            "type": "form_submitted", "email": mail, "form": "demo", "consent": {"basis": "consent"},
            "fields": {"puesto": "Directora de operaciones", "empleados": "120", "pais": "ES"},
        }  # fmt: skip
        assert (await people.touch(**form)).status_code == 202
    found = await people.receiver.until(lambda each: mail_of(each) in mails, LEADS)
    ours = {each.data["lead_id"] for each in found}
    assert len(ours) == LEADS
    for file in AGREED.glob("*.yaml"):
        (tmp_path / file.name).write_text(
            file.read_text().replace(HAND_RAISE, HAND_RAISE.replace("comercial", "exportacion"))
        )

    status, said = await simulate(people.environment, str(tmp_path), "--json")
    assert status == 0, said
    simulated = orjson.loads(said)
    current, candidate = (
        {each["lead_id"]: each for each in simulated["handoff"][side]["assignments"] if each["lead_id"] in ours}
        for side in ("current", "candidate")
    )
    assert {each["team"] for each in current.values()} == {"comercial"}
    assert {each["team"] for each in candidate.values()} == {"exportacion"}
    assert simulated["handoff"]["moved"]["leads"] >= LEADS
    assert simulated["handoff"]["current"]["mqls"] == simulated["scoring"]["current"]["mqls"] >= LEADS
    promised = [row["promises"] for row in simulated["sla-monitor"]["candidate"] if row["team"] == "exportacion"]
    assert sum(promised) >= LEADS

    page = tmp_path / "page.html"
    status, said = await simulate(people.environment, str(tmp_path), "--html", str(page))
    assert status == 0, said
    assert "not simulated" not in said
    assert "leads off a fair share" in said
    assert "Leads by rep" in page.read_text(), "the plot"
    assert not any(word in page.read_text() for word in ("http:", "https:", "<script", "src=", "url(", "@import"))
