"""A candidate playbook over assignments: what the reps really did decides, where lead and rep agree; else unknown."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from relevo.service import Settings
from relevo.testing.services import running
from relevo_local.ports import Ports
from sla_monitor.handlers import keep_clocks
from sla_monitor.main import service

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
NOBODY = str(uuid4())


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def iso(hour: float, day: int = 0) -> str:
    return at(hour, day).isoformat().replace("+00:00", "Z")


@pytest_asyncio.fixture
async def api(kept: Any, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(
        f"tokens:\n  - {{name: reader, sha256: {sha256(b'r').hexdigest()}, scopes: [read]}}\n"
        f"  - {{name: bea, sha256: {sha256(b'b').hexdigest()}, scopes: [read], rep: bea}}\n"
    )
    ports = Ports()
    settings = Settings(
        database=kept.dsn, kafka="127.0.0.1:1", topics="local", local=True, tokens=tokens, http_port=ports.take()
    )
    try:
        async with running(service, settings, "api") as up:
            headers = {"Authorization": "Bearer r"}
            async with httpx.AsyncClient(base_url=up.url, headers=headers, trust_env=False) as http:
                yield http
    finally:
        ports.release()


@pytest_asyncio.fixture
async def week(kept: Any, make: Any) -> list[dict[str, Any]]:
    """What ana got on Monday at ten: answered after one hour, after five, and not at all; one waited for an hour. It is
    Tuesday noon."""
    quick, slow, silent, waited = (make() for _ in range(4))
    await kept.handle(
        keep_clocks, quick.assigned(at(10)), slow.assigned(at(10)), silent.assigned(at(10)), waited.waiting(at(10)),
        quick.accepted(at(11)), quick.contacted(at(11)), slow.accepted(at(15)), slow.contacted(at(16)),
        waited.assigned(at(11)), waited.rejected(at(12)),
    )  # fmt: skip
    await kept.stop_the_clock(at(12, day=1))
    await kept.fire(quick, slow, silent, waited)
    return [given(lead) for lead in (quick, slow, silent)] + [given(waited, rep=None), given(waited, at=iso(11))]


def given(lead: Any, **more: Any) -> dict[str, Any]:
    return {
        "lead_id": str(lead.lead_id), "at": iso(10), "mql_at": iso(10), "team": "north", "rep": "ana",
    } | more  # fmt: skip


def counts(tallies: list[dict[str, Any]]) -> dict[tuple[str, str | None], dict[str, int]]:
    names = ("kept", "broken", "open", "unknown", "never_due")
    return {(t["clock"], t["rep"]): {name: t[name] for name in names if t[name]} for t in tallies}


async def ask(api: httpx.AsyncClient, week: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = await api.post("/v1/simulations", json={"assignments": week} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_active_playbook_gives_what_was_recorded(api, week):
    found = await ask(api, [*week[:3], week[4]])
    assert counts(found["candidate"]) == {
        ("answer", "ana"): {"kept": 2, "broken": 2},
        ("first_contact", "ana"): {"kept": 2, "broken": 1, "unknown": 1},  # rejected: that promise ended
    }
    real = counts(found["recorded"])
    assert {key: real[key] for key in counts(found["candidate"])} == counts(found["candidate"])
    assert [t["warnings"] for t in found["candidate"]] == [4, 1], "the slow and the silent, two each; the silent"


async def test_a_candidate_is_judged_by_what_reps_really_did(api, kept, week, documents):
    longer = documents["sla.yaml"].replace("target: 4h", "target: 6h").replace("target: 2h", "target: 30m")
    found = await ask(api, week, documents=documents | {"sla.yaml": longer}, details=True)
    assert counts(found["candidate"]) == {
        ("answer", "ana"): {"kept": 3, "broken": 1},
        ("wait", None): {"broken": 1},
        ("first_contact", "ana"): {"kept": 2, "broken": 1, "unknown": 1},
        ("first_contact", None): {"unknown": 1},
    }
    assert [(p["due_at"], p["outcome"]) for p in found["promises"] if p["clock"] in ("answer", "wait")] == [
        (iso(16), "kept"), (iso(16), "kept"), (iso(16), "broken"), (iso(10.5), "broken"), (iso(17), "kept"),
    ]  # fmt: skip
    assert await kept.sql("select 1 from clock where due_at = $1", at(16)) == [], "nothing is kept"


async def test_another_rep_and_a_lead_nobody_knows_are_unknown(api, week):
    elsewhere = [
        week[0] | {"rep": "bea"},
        week[1] | {"team": "south", "rep": "dora"},
        week[2] | {"lead_id": str(uuid4())},
    ]
    found = await ask(api, elsewhere)
    assert {outcome for counted in counts(found["candidate"]).values() for outcome in counted} == {"unknown"}


async def test_conditions_ask_what_was_sent_or_else_what_was_known(api, week, documents):
    large = documents["sla.yaml"].replace('when: "mql.hand_raise"', 'when: "company.employees > 70"')
    candidate = documents | {"sla.yaml": large}
    known = await ask(api, week[:1], documents=candidate)
    assert known["candidate"][0]["policy"] == "demo", "80 employees, as its assignment said"
    sent = await ask(api, [week[0] | {"mql": {"company.employees": 3}}], documents=candidate)
    assert sent["candidate"][0]["policy"] == "answer"
    failing = documents["sla.yaml"].replace('when: "mql.hand_raise"', 'when: "1 / company.employees > 7"')
    line = next(n for n, text in enumerate(failing.splitlines(), 1) if "1 / company" in text)
    failed = await ask(api, [week[0] | {"mql": {}}], documents=documents | {"sla.yaml": failing})
    assert failed["failed_rules"] == [f"sla.yaml:{line}: rule failed: divide by zero"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"documents": {"sla.yaml": "policies: ["}}, 422, "documents"),
        ({"documents": {}}, 422, "documents"),
        ({"assignments": [{"lead_id": "x"}]}, 422, "assignments.0.lead_id"),
        ({"assignments": "many"}, 422, "assignments"),
        (
            {"assignments": [{"lead_id": str(uuid4()), "at": "1926-01-01T00:00:00Z", "team": "north"}]},
            422,
            "assignments",
        ),
        ({"assignments": [], "since": "90d"}, 422, "since"),
    ],
)
async def test_what_makes_no_sense_is_refused(api, body, status, field):
    answer = await api.post("/v1/simulations", json={"assignments": []} | body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


async def test_a_mistake_in_the_candidate_names_its_line(api, documents):
    wrong = documents | {"sla.yaml": documents["sla.yaml"].replace("calendar: rep", "calendar: reps", 1)}
    answer = await api.post("/v1/simulations", json={"documents": wrong, "assignments": []})
    (problem,) = answer.json()["problems"]
    line = wrong["sla.yaml"].splitlines().index("    calendar: reps") + 1
    assert (problem["file"], problem["line"]) == ("sla.yaml", line)


async def test_a_rep_may_not_ask(api):
    answer = await api.post("/v1/simulations", json={"assignments": []}, headers={"Authorization": "Bearer b"})
    assert answer.status_code == 403
