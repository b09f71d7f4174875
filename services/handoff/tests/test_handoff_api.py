"""Shows the HTTP surface: who may do what, what is answered to whom, and that nothing sent is ever echoed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from handoff.handlers import assign_leads
from relevo.events import LeadAssigned, LeadQualified

Mql = Callable[..., LeadQualified]


@pytest_asyncio.fixture
async def assigned(kept: Any, mql: Mql) -> LeadAssigned:
    """A lead that ana owns."""
    (found,) = await kept.handle(assign_leads, mql(employees=600, trace="00-a"))
    assert isinstance(found, LeadAssigned)
    assert found.rep.id == "ana"
    return found


async def test_won_by_one_who_never_accepted_says_each_stage_once(api: Any, assigned: LeadAssigned) -> None:
    won = await api.answer(assigned, "won", "ana", amount="1200.50")
    assert won.status_code == 200
    assert (won.json()["stage"], won.json()["amount"], won.json()["currency"]) == ("won", "1200.50", "EUR")
    said = (await api.said())[1:]
    assert [kind for kind, _ in said] == [
        "lead.accepted.v1", "lead.contacted.v1", "opportunity.opened.v1", "opportunity.won.v1",
    ]  # fmt: skip
    assert [data.get("channel") for _, data in said] == ["implied", "implied", None, None]
    assert {data["by"] for _, data in said} == {"rep:ana"}
    assert said[-1][1]["amount"] == "1200.50"
    again = await api.answer(assigned, "accept", "ana")
    assert (again.status_code, again.json()["stage"]) == (200, "won")
    assert len(await api.said()) == 5


async def test_an_answer_to_an_old_version_or_against_a_final_one_says_who_owns_it(
    api: Any, assigned: LeadAssigned
) -> None:
    other = await api.answer(assigned, "accept", "ana", version=2)
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["detail"] == "At version 1 it belongs to Ana, and is assigned."
    assert (other.json()["version"], other.json()["rep"]) == (1, "ana")
    assert (await api.answer(assigned, "reject", "ana", reason="competitor")).status_code == 200
    assert (await api.answer(assigned, "reject", "ana", reason="competitor")).status_code == 200
    contradiction = await api.answer(assigned, "won", "ana")
    assert contradiction.status_code == 409
    assert (
        contradiction.json()["detail"]
        == "The lead is rejected already. At version 1 it belongs to Ana, and is rejected."
    )


async def test_a_reps_token_acts_for_that_reps_leads_only(api: Any, assigned: LeadAssigned) -> None:
    assert (await api.answer(assigned, "accept", "bea")).status_code == 403
    assert (await api.get(f"/v1/assignments/{assigned.assignment_id}", "bea")).status_code == 404
    assert (await api.get(f"/v1/decisions/{assigned.decision_id}", "bea")).status_code == 404
    assert (await api.get("/v1/assignments", "bea")).json()["items"] == []
    assert (await api.get("/v1/assignments", "bea", rep="ana")).json()["items"] == []
    assert (await api.answer(assigned, "recycle", "ana")).status_code == 403, "a manager's act"
    assert (await api.answer(assigned, "accept", "reader")).status_code == 403
    assert (await api.answer(assigned, "accept", "nobody")).status_code == 401
    for_bea = await api.post(
        f"/v1/assignments/{assigned.assignment_id}/accept", {"version": 1}, "console", relevo_actor="rep:bea"
    )
    assert for_bea.status_code == 403
    for_ana = await api.post(
        f"/v1/assignments/{assigned.assignment_id}/accept", {"version": 1}, "console", relevo_actor="rep:ana"
    )
    assert for_ana.status_code == 200
    kind, data = (await api.said())[-1]
    assert (kind, data["by"], data["channel"]) == ("lead.accepted.v1", "rep:ana", "console")


async def test_a_lead_that_moved_on_is_refused_to_its_earlier_owner(api: Any, assigned: LeadAssigned) -> None:
    moved = await api.answer(assigned, "reject", "ana", reason="wrong_geography")
    assert moved.status_code == 200
    (_, rejected), (kind, now) = (await api.said())[-2:]
    assert (rejected["consequence"], kind) == ("next_team", "lead.disqualified.v1")
    assert now["reason"] == "no_matching_team", "the team had all the rules that were left"


async def test_pause_resume_and_recycle(api: Any, assigned: LeadAssigned) -> None:
    paused = await api.answer(assigned, "pause", "ana", reason="on holiday until May")
    assert paused.json()["paused"]
    assert not (await api.answer(assigned, "resume", "ana")).json()["paused"]
    recycled = await api.answer(assigned, "recycle", reason="budget next year", until="2026-09-01T00:00:00Z")
    assert (recycled.json()["stage"], recycled.json()["until"]) == ("recycled", "2026-09-01T00:00:00Z")
    kinds = [kind for kind, _ in await api.said()]
    assert kinds[1:] == ["lead.paused.v1", "lead.resumed.v1", "lead.recycled.v1"]


async def test_an_idempotency_key_answers_twice_and_acts_once(api: Any, assigned: LeadAssigned) -> None:
    path, body = f"/v1/assignments/{assigned.assignment_id}/reject", {"version": 1, "reason": "no_need_now"}
    first = await api.post(path, body, "ana", idempotency_key="k1")
    second = await api.post(path, body, "ana", idempotency_key="k1")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
    assert len(await api.said()) == 3


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("accept", {}, "version"),
        ("accept", {"version": -1}, "version"),
        ("accept", {"version": 1, "owner": "bea"}, "owner"),
        ("reject", {"version": 1}, "reason"),
        ("reject", {"version": 1, "reason": "<b>ugly"}, "reason"),
        ("reject", {"version": 1, "reason": "other", "note": "a\0b"}, "note"),
        ("won", {"version": 1, "amount": "-5"}, "amount"),
        ("won", {"version": 1, "amount": "1e400"}, "amount"),
        ("won", {"version": 1, "currency": "euros"}, "currency"),
        ("recycle", {"version": 1, "until": "2026-01-01T00:00:00"}, "until"),
    ],
)  # fmt: skip
async def test_a_bad_body_names_its_field_and_never_echoes_it(
    api: Any, assigned: LeadAssigned, act: str, body: Any, field: str
) -> None:
    refused = await api.post(f"/v1/assignments/{assigned.assignment_id}/{act}", body)
    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert "ugly" not in refused.text
    assert "euros" not in refused.text


async def test_what_is_not_there_is_404(api: Any) -> None:
    nobody = uuid4()
    for path in (f"/v1/assignments/{nobody}", f"/v1/decisions/{nobody}"):
        assert (await api.get(path)).status_code == 404
    for path, body in (
        (f"/v1/assignments/{nobody}/accept", {"version": 1}),
        (f"/v1/endpoints/{nobody}/test", {}),
        (f"/v1/endpoints/{nobody}/enable", {}),
        (f"/v1/deliveries/{nobody}/redeliver", {}),
        ("/v1/reps/nobody/availability", {"state": "away"}),
    ):
        assert (await api.post(path, body)).status_code == 404, path


async def test_assignments_page_newest_first(api: Any, kept: Any, mql: Mql) -> None:
    made = await kept.handle(assign_leads, *(mql() for _ in range(5)))
    first = (await api.get("/v1/assignments", limit=3)).json()
    second = (await api.get("/v1/assignments", limit=3, cursor=first["next"])).json()
    listed = [item["assignment_id"] for item in (*first["items"], *second["items"])]
    assert listed == sorted((str(event.assignment_id) for event in made), reverse=True)
    assert second["next"] is None
    of_ana = (await api.get("/v1/assignments", rep="ana", stage="assigned")).json()["items"]
    assert {item["rep"]["name"] for item in of_ana} == {"Ana"}
    one = (await api.get(f"/v1/assignments/{listed[0]}", "boss")).json()
    assert one["about"]["snapshot"]["contact"]["email"] == "olga@acme.example"


async def test_a_decision_tells_why_and_what_would_have_to_change(api: Any, assigned: LeadAssigned) -> None:
    told = (await api.get(f"/v1/decisions/{assigned.decision_id}", "ana")).json()
    assert (told["rep"], told["rule"], told["playbook"]["revision"]) == ("ana", "big", 1)
    assert [rep["rep"] for rep in told["reps"] if rep["chosen"]] == ["ana"]
    assert {test["test"] for test in told["reps"][0]["tests"]} >= {"capacity", "hours", "away"}


async def test_a_reps_day(api: Any, kept: Any, mql: Mql) -> None:
    before = {rep["id"]: rep for rep in (await api.get("/v1/reps")).json()["items"]}
    assert set(before) == {"ana", "bea", "carl", "dora"}
    assert before["ana"]["takes_leads_now"]
    until = "2026-03-09T09:00:00Z"
    gone = await api.post("/v1/reps/ana/availability", {"state": "away", "until": until}, "ana")
    assert gone.status_code == 200
    assert (await api.post("/v1/reps/ana/availability", {"state": "away"}, "bea")).status_code == 403
    kind, data = (await api.said())[-1]
    assert (kind, data["rep"], data["state"], data["until"]) == ("rep.availability.v1", "ana", "away", until)
    ana = next(rep for rep in (await api.get("/v1/reps")).json()["items"] if rep["id"] == "ana")
    assert ana["because"] == {"away": "away until 2026-03-09T09:00Z"}
    assert {event.rep.id for event in await kept.handle(assign_leads, *(mql() for _ in range(6)))} == {"bea", "carl"}
    assert (await api.post("/v1/reps/ana/availability", {"state": "available"})).status_code == 200
    assert (await api.get("/v1/reps", "ana")).json()["items"][0]["takes_leads_now"]
    for body in (
        {"state": "away", "from": until, "until": "2026-03-08T09:00:00Z"},
        {"state": "away", "until": "2026-03-01T09:00:00Z"},
        {"state": "available", "until": until},
        {"state": "asleep"},
    ):
        assert (await api.post("/v1/reps/ana/availability", body)).status_code == 422


async def test_a_planned_absence_begins_and_ends_by_itself(api: Any, kept: Any) -> None:
    body = {"state": "away", "from": "2026-03-03T09:00:00Z", "until": "2026-03-04T09:00:00Z"}
    assert (await api.post("/v1/reps/dora/availability", body)).status_code == 200
    seen = []
    for _ in range(3):
        reps = (await api.get("/v1/reps")).json()["items"]
        seen.append(next(rep["takes_leads_now"] for rep in reps if rep["id"] == "dora"))
        await kept.travel(timedelta(days=1))
    assert seen == [True, False, True]


async def test_endpoints_show_their_secret_once(api: Any, kept: Any, mql: Mql) -> None:
    made = await api.post("/v1/endpoints", {"name": "crm", "url": "https://crm.example/hook", "rep": "ana"})
    assert made.status_code == 201
    endpoint = made.json()
    assert endpoint["secret"].startswith("whsec_")
    assert endpoint["types"] == ["lead.assigned", "lead.merged", "sla.warned", "sla.breached"]
    (listed,) = (await api.get("/v1/endpoints")).json()["items"]
    assert (listed["id"], listed["rep"], listed["enabled"]) == (endpoint["id"], "ana", True)
    assert "secret" not in listed
    tested = await api.post(f"/v1/endpoints/{endpoint['id']}/test")
    assert tested.status_code == 202
    await kept.handle(assign_leads, mql(employees=600))
    newest, oldest = (await api.get("/v1/deliveries", endpoint_id=endpoint["id"])).json()["items"]
    assert (oldest["delivery_id"], oldest["type"], oldest["state"]) == (tested.json()["delivery_id"], "test", "pending")
    assert newest["type"] == "lead.assigned"
    assert "body" not in newest
    assert [d["type"] for d in (await api.get("/v1/deliveries", "ana")).json()["items"]] == ["lead.assigned"]
    assert (await api.get("/v1/deliveries", "bea")).json()["items"] == []

    removed = await api.client.delete(f"/v1/endpoints/{endpoint['id']}", headers={"authorization": "Bearer boss"})
    assert removed.json() == {"removed": endpoint["id"], "given_up": 2}
    kind, data = (await api.said())[-1]
    assert (kind, data["reason"]) == ("delivery.failed.v1", "the endpoint was removed")
    assert (await api.get("/v1/endpoints")).json()["items"] == []
    assert (await api.post(f"/v1/deliveries/{newest['delivery_id']}/redeliver")).status_code == 404


async def test_redeliver_sends_the_same_again(api: Any, kept: Any, mql: Mql) -> None:
    await kept.endpoint("https://crm.example/")
    await kept.handle(assign_leads, mql())
    await kept.sql("update delivery set state = 'failed', tries = 12, leased_until = null")
    (failed,) = (await api.get("/v1/deliveries", state="failed")).json()["items"]
    again = await api.post(f"/v1/deliveries/{failed['delivery_id']}/redeliver")
    assert again.status_code == 202
    assert again.json() == {"delivery_id": failed["delivery_id"], "webhook_id": failed["webhook_id"], "held": False}
    (pending,) = (await api.get("/v1/deliveries", state="pending")).json()["items"]
    assert pending["tries"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "not a url"}, "url"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://10.1.2.3/"}, "url"),
        ({"url": "https://user:pw@example.com/"}, "url"),
        ({"url": "https://example.com/", "rep": "nobody"}, "rep"),
        ({"url": "https://example.com/", "team": "nobody"}, "team"),
        ({"url": "https://example.com/", "types": ["lead.stolen"]}, "types"),
        ({"url": "https://example.com/", "types": []}, "types"),
        ({"url": "https://example.com/", "secret": "whsec_short"}, "secret"),
    ],
)  # fmt: skip
async def test_an_endpoint_that_cannot_be_is_refused(api: Any, body: Any, field: str) -> None:
    refused = await api.post("/v1/endpoints", body)
    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert "pw" not in refused.text
    assert "stolen" not in refused.text
