"""The API over a real PostgreSQL: what lists show and hide, pages, previews with every interval, bad input refused."""

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
from sla_monitor.handlers import keep_clocks, note_mqls
from sla_monitor.main import service
from sla_monitor.reckoning import say_changes

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def iso(hour: float, day: int = 0) -> str:
    return at(hour, day).isoformat().replace("+00:00", "Z")


@pytest_asyncio.fixture
async def api(kept: Any, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service without a worker: what it shows, the tests put there by its handlers."""
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(
        "tokens:\n"
        f"  - {{name: reader, sha256: {sha256(b'r').hexdigest()}, scopes: [read]}}\n"
        f"  - {{name: bea, sha256: {sha256(b'b').hexdigest()}, scopes: [read], rep: bea}}\n"
        f"  - {{name: form, sha256: {sha256(b'f').hexdigest()}, scopes: [touchpoints]}}\n"
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


async def test_clocks_are_shown_as_they_stand_now(kept, api, make):
    met, breached, paused, waiting = make(), make(), make(), make()
    await kept.handle(
        keep_clocks, met.assigned(at(10)), breached.assigned(at(10)), paused.assigned(at(10)), waiting.waiting(at(10)),
        met.accepted(at(11)), paused.paused(at(12)),
    )  # fmt: skip
    await kept.stop_the_clock(at(14.5))
    await kept.fire(breached)

    async def of(lead: Any, kind: str) -> dict[str, Any]:
        answer = (await api.get("/v1/clocks", params={"lead_id": str(lead.lead_id), "kind": kind})).json()
        (item,) = answer["items"]
        assert answer["next"] is None
        return item

    answered = await of(met, "answer")
    assert answered | {"clock_id": "", "assignment_id": "", "lead_id": ""} == {
        "clock_id": "", "kind": "answer", "policy": "answer", "calendar": "office", "lead_id": "", "cycle": 1,
        "assignment_id": "", "version": 1, "rep": "ana", "team": "north", "state": "met", "started_at": iso(10),
        "due_at": iso(14), "next_step": None, "target_seconds": 14400.0, "elapsed_seconds": 3600.0,
        "closed_at": iso(11), "late": False, "problem": None,
    }  # fmt: skip
    running_on = await of(breached, "answer")
    assert (running_on["state"], running_on["elapsed_seconds"], running_on["next_step"]) == ("breached", 16200.0, None)
    contact = await of(breached, "first_contact")
    assert contact["next_step"] == {"do": "warn_rep", "breach": False, "due_at": iso(16)}
    stands_still = await of(paused, "answer")
    assert (stands_still["state"], stands_still["due_at"], stands_still["elapsed_seconds"]) == ("paused", None, 7200.0)
    nobody = await of(waiting, "wait")
    assert (nobody["version"], nobody["rep"], nobody["due_at"]) == (None, None, iso(12))

    states = {}
    for state in ("running", "paused", "breached", "met", "ended", "open"):
        states[state] = len((await api.get("/v1/clocks", params={"state": state})).json()["items"])
    assert states == {"running": 4, "paused": 2, "breached": 1, "met": 1, "ended": 0, "open": 7}


async def test_lists_come_in_pages(kept, api, make):
    leads = [make() for _ in range(7)]
    await kept.handle(keep_clocks, *(lead.assigned(at(10)) for lead in leads))
    seen, cursor, pages = [], 0, 0
    while cursor is not None:
        page = (await api.get("/v1/clocks", params={"cursor": cursor, "limit": 4})).json()
        seen += [item["clock_id"] for item in page["items"]]
        cursor, pages = page["next"], pages + 1
    assert (len(seen), len(set(seen)), pages) == (14, 14, 4)


async def test_breaches_stay_and_corrected_ones_are_marked(kept, api, make):
    wrong, right = make(), make()
    await kept.handle(keep_clocks, wrong.assigned(at(10)), right.assigned(at(10)))
    await kept.stop_the_clock(at(14.5))
    fired = await kept.fire(wrong, right)
    await kept.handle(keep_clocks, wrong.accepted(at(13)))
    answer = (await api.get("/v1/breaches")).json()
    assert answer["next"] is None
    assert {item["lead_id"]: item["corrected_at"] for item in answer["items"]} == {
        str(wrong.lead_id): iso(14.5), str(right.lead_id): None,
    }  # fmt: skip
    (item,) = (await api.get("/v1/breaches", params={"lead_id": str(right.lead_id)})).json()["items"]
    assert item["event_id"] in {str(event.id) for event in fired}
    assert [item[name] for name in ("kind", "do", "target", "rep", "lateness_seconds", "elapsed_seconds")] == [
        "answer", "reassign", True, "ana", 1800.0, 16200.0,
    ]  # fmt: skip


async def test_a_rep_sees_only_what_is_theirs(kept, api, make):
    anas, beas = make(), make()
    await kept.handle(keep_clocks, anas.assigned(at(9)), beas.assigned(at(9), rep="bea"))
    await kept.stop_the_clock(at(16, day=9))
    await kept.fire(anas, beas)
    api.headers["Authorization"] = "Bearer b"
    for path in ("/v1/clocks", "/v1/breaches"):
        assert {item["lead_id"] for item in (await api.get(path)).json()["items"]} == {str(beas.lead_id)}
        assert (await api.get(path, params={"lead_id": str(anas.lead_id)})).json()["items"] == []
    api.headers["Authorization"] = "Bearer f"
    assert (await api.get("/v1/clocks")).status_code == 403


async def test_a_preview_counts_each_interval(api):
    asked = {"policy": "answer", "rep": "bea", "start": "2026-06-01T10:30:00+02:00", "pauses": [[iso(9.5), iso(10)]]}
    answer = await api.post("/v1/clocks/preview", json=asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["kind"], found["calendar"], found["target_seconds"], found["due_at"]) == (
        "answer", "mornings", 14400.0, iso(9.5, day=2),
    )  # fmt: skip
    assert [(step["do"], step["due_at"], step["after_seconds"]) for step in found["steps"]] == [
        ("warn_rep", iso(9.5, day=1), 7200.0), ("warn_manager", iso(10.5, day=1), 10800.0),
        ("reassign", iso(9.5, day=2), 14400.0),
    ]  # fmt: skip
    assert [(each["from"], each["to"], each["elapsed_seconds"]) for each in found["intervals"]] == [
        (iso(9), iso(9.5), 1800.0), (iso(10), iso(11), 5400.0), (iso(9, day=1), iso(11, day=1), 12600.0),
        (iso(9, day=2), iso(9.5, day=2), 14400.0),
    ]  # fmt: skip
    assert found["words"] == [
        "Mon 1 Jun 2026 09:00 UTC to 09:30: 30 min, 30 min in all",
        "Mon 1 Jun 2026 09:30 UTC to 10:00: paused, 30 min do not count",
        "Mon 1 Jun 2026 10:00 UTC to 11:00: 1 h, 1 h 30 min in all",
        "Tue 2 Jun 2026 09:00 UTC to 11:00: 2 h, 3 h 30 min in all",
        "Tue 2 Jun 2026 09:30 UTC: 2 h have passed, on the way: warn_rep",
        "Tue 2 Jun 2026 10:30 UTC: 3 h have passed, on the way: warn_manager",
        "Wed 3 Jun 2026 09:00 UTC to 09:30: 30 min, 4 h in all",
        "Wed 3 Jun 2026 09:30 UTC: 4 h have passed, the target: reassign",
    ]
    again = (await api.post("/v1/clocks/preview", json=asked | {"version": 2})).json()
    assert (again["target_seconds"], again["due_at"]) == (7200.0, iso(9.5, day=1))


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"policy": "nope"}, 422, "policy"),
        ({"policy": "answer"}, 422, "team"),
        ({"policy": "answer", "team": "nowhere"}, 422, "team"),
        ({"policy": "answer", "rep": "nobody"}, 422, "rep"),
        ({"policy": "demo", "start": "1926-06-01T10:00:00Z"}, 422, "start"),
        ({"policy": "demo", "start": "2026-06-01T10:00:00"}, 422, "start"),
        ({"policy": "demo", "start": "9999-12-31T23:59:59Z"}, 422, "start"),
        ({"policy": "demo", "version": 0}, 422, "version"),
        ({"policy": "demo", "pauses": [[iso(11), iso(10)]]}, 422, "pauses"),
        ({"policy": "demo", "owner": "x"}, 422, "owner"),
        ({"policy": "de\0mo"}, 422, "policy"),
    ],
)
async def test_a_preview_that_cannot_be_is_refused_with_its_field(api, asked, status, field):
    answer = await api.post("/v1/clocks/preview", json={"start": iso(10)} | asked)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nobody" not in answer.text, "never an echo of the value"


@pytest.mark.parametrize(
    "query",
    [
        {"lead_id": "x"}, {"state": "late"}, {"kind": "tea"}, {"cursor": "-1"}, {"cursor": str(2**63)}, {"limit": "0"},
        {"limit": "501"}, {"limit": "many"},
    ],
)  # fmt: skip
async def test_a_wrong_filter_is_refused(api, query):
    answer = await api.get("/v1/clocks", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_nobody_knows_a_lead_that_is_not_there(api):
    for path in ("/v1/clocks", "/v1/breaches"):
        assert (await api.get(path, params={"lead_id": str(uuid4())})).json() == {"items": [], "next": None}


async def test_commitments_show_where_each_side_stands(kept, api, make, documents):
    written = (
        "commitments:\n"
        "  - {id: mqls, name: MQLs, side: marketing, measure: mqls, period: week, target: 2}\n"
        "  - {id: answered, name: In time, side: sales, measure: answered_in_time, period: week, target: 90%}\n"
    )
    await kept.publish(sla=documents["sla.yaml"] + written)
    lead = make()
    await kept.handle(note_mqls, lead.qualified(at(10)))
    await kept.handle(keep_clocks, lead.assigned(at(10)), lead.accepted(at(11)))
    await kept.stop_the_clock(at(11.5))
    await kept.said(say_changes)
    mqls, answered = (await api.get("/v1/commitments")).json()["items"]
    gone = mqls.pop("gone")
    assert gone == pytest.approx((2.5 + 11.5) / (40 + 168)), "of the hours of both teams"
    assert mqls == {
        "commitment": "mqls", "name": "MQLs", "side": "marketing", "team": None, "measure": "mqls", "period": "week",
        "period_from": iso(0), "period_to": iso(0, day=7), "counted": 1, "kept": 0, "target": 2, "actual": 1,
        "pace": pytest.approx(2 * gone), "projection": pytest.approx(1 / gone), "state": "on_track",
        "since": iso(11.5),
    }  # fmt: skip
    assert (answered["counted"], answered["kept"], answered["actual"], answered["state"]) == (1, 1, 1, "on_track")
    before = (await api.get("/v1/commitments", params={"back": 1})).json()["items"]
    assert [(each["counted"], each["state"], each["period_to"]) for each in before] == [
        (0, "missed", iso(0)), (0, "met", iso(0)),
    ]  # fmt: skip
    assert (await api.get("/v1/commitments", params={"back": -1})).status_code == 422
