"""Shows `POST /v1/touchpoints` from the request to the record on the topic, one touchpoint and arrays."""

from datetime import UTC, datetime
from typing import Any

import pytest

from relevo.events.identity import subject_id, touchpoint_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEMO: dict[str, Any] = {
    "id": "demo-1",
    "type": "form_submitted",
    "occurred_at": "2026-11-20T10:11:12Z",
    "email": " Ana.García@Ejemplo-Empresa.es ",
    "user_id": 4711,
    "anonymous_id": "anon-9",
    "phone": "+34 600 123 456",
    "first_name": "Ana",
    "last_name": "García",
    "company": {"name": "Ejemplo Empresa SL"},
    "form": "demo-request",
    "url": "https://www.example.com/demo?utm_source=google&utm_campaign=brand&gclid=abc",
    "title": "Pide una demo",
    "fields": {"employees": 120, "budget": 14.5, "newsletter": True, "empty": "", "none": None, "cargo": "CMO"},
    "campaign": {"medium": "cpc"},
    "consent": {"basis": "consent", "text_version": "v3"},
    "score": 999,
    "owner_id": "mine",
}


async def test_a_touchpoint_is_on_the_topic_once_it_is_answered(at: Any) -> None:
    began = datetime.now(UTC)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await at.post("/v1/touchpoints", json=DEMO, headers={"traceparent": trace})
    assert answer.status_code == 202
    assert answer.json() == {"touchpoint_id": touchpoint_id("crm", "demo-1")}
    (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    assert [(s.kind, s.value) for s in event.subjects] == [
        ("email", "ana.garcía@ejemplo-empresa.es"), ("user", "company:4711"), ("anonymous", "anon-9"),
    ]  # fmt: skip
    assert all(s.subject_id == subject_id(at.secret, s.kind, s.value) for s in event.subjects)
    assert event.key() == event.subjects[0].subject_id
    assert (event.id, event.trace) == (event.touchpoint_id, trace)
    assert (event.phone, event.names.first, event.names.last) == ("+34600123456", "Ana", "García")
    assert (event.company.domain, event.company.name) == ("ejemplo-empresa.es", "Ejemplo Empresa SL")
    assert (event.touch, event.what.form, event.what.title) == ("form_submitted", "demo-request", "Pide una demo")
    assert event.fields == {"employees": "120", "budget": "14.5", "newsletter": "true", "cargo": "CMO"}
    assert (event.campaign.source, event.campaign.medium, event.campaign.name) == ("google", "cpc", "brand")
    assert event.campaign.ad_ids == {"gclid": "abc"}
    assert event.consent is not None
    assert event.consent.basis == "consent"
    assert event.occurred_at == datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)
    assert began <= event.received_at <= datetime.now(UTC)
    assert (event.marks, event.machine) == ((), False)


async def test_the_same_event_id_is_the_same_touchpoint(at: Any) -> None:
    first = await at.post("/v1/touchpoints", json={"id": "x-1", "type": "call", "email": "bo@example.org"})
    again = await at.post("/v1/touchpoints", json={"id": "x-1", "type": "call", "email": "bo@example.org"})
    assert first.json() == again.json()


async def test_without_an_id_the_idempotency_key_names_it_and_its_items(at: Any) -> None:
    body = {"type": "call", "email": "bo@example.org"}
    key = {"idempotency-key": "k-1"}
    one = await at.post("/v1/touchpoints", json=body, headers=key)
    other = await at.post("/v1/touchpoints", json=body | {"email": "else@example.org"}, headers=key)
    assert one.json() == other.json() == {"touchpoint_id": touchpoint_id("crm", "idempotency-key:k-1")}
    two = await at.post("/v1/touchpoints", json=[body, body], headers=key)
    assert [item["touchpoint_id"] for item in two.json()["items"]] == [
        touchpoint_id("crm", f"idempotency-key:k-1:{n}") for n in (0, 1)
    ]


async def test_without_either_the_same_body_within_its_slot_is_the_same_touchpoint(at: Any) -> None:
    body = {"type": "page_viewed", "anonymous_id": "a-1", "url": "https://www.example.com/pricing"}
    ids = {(await at.post("/v1/touchpoints", json=body)).json()["touchpoint_id"] for _ in range(3)}
    assert len(ids) <= 2  # two only where the slot's edge fell between them
    other = await at.post("/v1/touchpoints", json=body | {"anonymous_id": "a-2"})
    assert other.json()["touchpoint_id"] not in ids


async def test_every_item_of_an_array_is_answered_for_itself(at: Any) -> None:
    good = {"type": "page_viewed", "anonymous_id": "arr-1", "id": "arr-1"}
    items: list[Any] = [
        good,
        {"type": "page_viewed"},
        {"type": "telepathy", "email": "a@example.org"},
        {"type": "call", "email": "not an address"},
        "nonsense",
        good | {"id": "arr-2"},
    ]
    answer = await at.post("/v1/touchpoints", json=items)
    assert answer.status_code == 207
    body = answer.json()
    assert (body["accepted"], body["refused"]) == (2, 4)
    assert [item["index"] for item in body["items"]] == list(range(6))
    assert [item["status"] for item in body["items"]] == [202, 422, 422, 422, 422, 202]
    assert [item.get("field") for item in body["items"]] == [None, "email", "type", "email", None, None]
    ids = {item["touchpoint_id"] for item in body["items"] if item["status"] == 202}
    assert {str(event.touchpoint_id) for event in await at.recorded(2, ids)} == ids


async def test_one_item_that_is_hardly_json_costs_the_others_nothing(at: Any) -> None:
    good = b'{"type":"call","email":"bo@example.org","id":"h-%d"}'
    bad = (
        b'{"type":"call","email":"bo@example.org","fields":{"n":NaN}}',
        b'{"type":"call","email":"bo@example.org","fields":{"n":1e999}}',
        b'{"type":"call","email":"bo@example.org","text":"half \\ud800"}',
        b'{"type":"call","email":"bo@example.org","text":"nul \\u0000"}',
        b'{"type":"call","email":"bo@example.org","deep":' + b"[" * 33 + b"]" * 33 + b"}",
    )
    answer = await at.post("/v1/touchpoints", content=b"[" + b",".join([good % 1, *bad, good % 2]) + b"]")
    assert [item["status"] for item in answer.json()["items"]] == [202, 422, 422, 422, 422, 400, 202]


async def test_a_backslash_before_u0000_is_no_nul(at: Any) -> None:
    answer = await at.post("/v1/touchpoints", json={"type": "call", "email": "bo@example.org", "text": "C:\\u0000"})
    assert answer.status_code == 202
    (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    assert event.what.text == "C:\\u0000"


async def test_an_empty_array_is_answered_with_nothing(at: Any) -> None:
    answer = await at.post("/v1/touchpoints", json=[])
    assert (answer.status_code, answer.json()) == (207, {"accepted": 0, "refused": 0, "items": []})


async def test_an_item_that_is_no_object_is_told_so_in_our_words(at: Any) -> None:
    answer = await at.post("/v1/touchpoints", json=[{"type": "call", "email": "ana@empresa.es"}, 3, ["a"], None])
    assert [item.get("detail") for item in answer.json()["items"]] == [None, *["A touchpoint is a JSON object."] * 3]
