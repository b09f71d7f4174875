"""The main job: a form becomes an MQL, an assignment, a signed webhook, an answer; silence becomes a breach."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.people import Journey, journey

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="session")]

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest_asyncio.fixture(loop_scope="session")
async def people(system: Mapping[str, str]) -> AsyncIterator[Journey]:
    async with journey(system, f"sales-{uuid4().hex[:6]}") as found:
        yield found


def demo_request(**more: Any) -> dict[str, Any]:
    """Somebody who asks for a demo: an MQL at once."""
    mail = f"olga.{uuid4().hex[:10]}@talleres-ibarra.example"
    return {
        "type": "form_submitted", "email": mail, "form": "demo", "first_name": "Olga", "last_name": "Ibarra",
        "company": "Talleres Ibarra", "consent": {"basis": "consent"},
        "fields": {"puesto": "Directora de operaciones", "empleados": "120", "pais": "ES"},
        "text": "¿Se conecta con SAP?", **more,
    }  # fmt: skip


def assigned_to(mail: str) -> Any:
    def wanted(each: Any) -> bool:
        return bool(each.type == "lead.assigned" and each.data["snapshot"]["contact"].get("email") == mail)

    return wanted


async def test_from_a_form_to_a_signed_webhook_and_an_answer(people: Journey) -> None:
    form = demo_request()
    posted = await people.http.post(
        people.url("INGEST", "/v1/touchpoints"),
        json=form,
        headers={"Authorization": f"Bearer {people.environment['RELEVO_SOURCE_KEY']}", "traceparent": TRACE},
    )
    assert posted.status_code == 202, posted.text

    (webhook,) = await people.receiver.until(assigned_to(form["email"]))
    assert people.receiver.refused == 0  # PyPI standardwebhooks accepted the signature
    assignment = webhook.data
    assert assignment["trigger"]
    assert assignment["reasons"], "a rep sees why"
    assert assignment["story"]["asked"][0]["text"] == "¿Se conecta con SAP?"
    assert webhook.trace is not None
    assert webhook.trace.split("-")[1] == TRACE.split("-")[1], "one trace from the form to the webhook"

    lead = await people.get("SCORING", f"/v1/leads/{assignment['lead_id']}")
    assert lead["score"]["cell"][0] in "ABC"

    accepted = await people.act(assignment, "accept")
    assert accepted.status_code == 200, accepted.text
    again = await people.act(assignment, "accept")
    assert again.status_code == 200, "repeating an answer changes nothing"
    refused = await people.act(assignment, "reject", reason="wrong_size")
    assert refused.status_code == 409, "an accepted lead is not rejected afterwards"

    once = {
        "touchpoint.recorded.v1", "lead.identified.v1", "lead.qualified.v1", "lead.assigned.v1", "delivery.made.v1",
    }  # fmt: skip
    timeline = await people.eventually(
        "CONSOLE",
        f"/v1/leads/{assignment['lead_id']}/timeline",
        lambda found: once | {"lead.accepted.v1", "sla.met.v1"} <= {event["type"] for event in found["items"]},
    )
    told = [event["type"] for event in timeline["items"]]
    for kind in once:
        assert told.count(kind) == 1, (kind, told)


async def test_a_retry_is_the_same_touchpoint(people: Journey) -> None:
    form = demo_request(id=f"crm-{uuid4().hex}")
    first, second = await people.touch(**form), await people.touch(**form)
    assert first.json()["touchpoint_id"] == second.json()["touchpoint_id"]
    (webhook,) = await people.receiver.until(assigned_to(form["email"]))
    await people.touch(**form)
    history = await people.eventually(
        "CONSOLE", f"/v1/leads/{webhook.data['lead_id']}/timeline", lambda found: len(found["items"]) >= 4
    )
    assert [e["type"] for e in history["items"]].count("touchpoint.recorded.v1") == 1


async def test_silence_is_warned_of_then_breached_and_reassigned(people: Journey) -> None:
    form = demo_request()
    await people.touch(**form)
    (webhook,) = await people.receiver.until(assigned_to(form["email"]))
    lead = webhook.data["lead_id"]
    await people.eventually(
        "SLA_MONITOR", f"/v1/clocks?lead_id={lead}", lambda found: any(c["kind"] == "answer" for c in found["items"])
    )
    await people.later(days=10)

    def about(kind: str) -> Any:
        return lambda each: each.type == kind and each.data["lead_id"] == lead

    await people.receiver.until(about("sla.warned"))
    first, second = await people.receiver.until(about("lead.assigned"), 2)
    assert (first.data["version"], second.data["version"]) == (1, 2)
    assert first.data["rep"] != second.data["rep"]
    assert second.data["because"] == "reassign"
    late = await people.act(first.data, "accept")
    assert late.status_code == 409
    assert second.data["rep"]["name"] in late.text, "it says who owns the lead now"
    assert (await people.act(second.data, "accept")).status_code == 200
    breaches = await people.get("SLA_MONITOR", "/v1/breaches", lead_id=lead)
    assert [breach["kind"] for breach in breaches["items"]].count("answer") >= 1


async def test_an_answered_lead_never_breaches_its_answer(people: Journey) -> None:
    form = demo_request()
    await people.touch(**form)
    (webhook,) = await people.receiver.until(assigned_to(form["email"]))
    assert (await people.act(webhook.data, "contacted")).status_code == 200
    await people.later(days=5)
    lead = webhook.data["lead_id"]
    met = await people.eventually(
        "SLA_MONITOR", f"/v1/clocks?lead_id={lead}", lambda found: sum(c["state"] == "met" for c in found["items"]) >= 2
    )
    assert {c["kind"] for c in met["items"] if c["state"] == "met"} >= {"answer", "first_contact"}
    breaches = await people.get("SLA_MONITOR", "/v1/breaches", lead_id=lead)
    assert [b for b in breaches["items"] if b["kind"] in ("answer", "first_contact")] == []
