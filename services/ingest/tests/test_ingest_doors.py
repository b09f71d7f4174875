"""Shows the doors over HTTP: forms from browsers and scripts, SDKs, pages that may send, rates, replays, hot reload."""

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from ingest.desk import Desk
from ingest.doors import Doors
from relevo.events.identity import touchpoint_id
from relevo.testing.services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-language": "es-ES,es;q=0.9,en;q=0.8"}
FORM = {"email": "ana@empresa.es", "nombre": "Ana", "apellidos": "García", "teléfono": "600 123 456", "mensaje": "Hola"}


async def test_a_form_of_a_script_is_answered_in_json(at: Any) -> None:
    answer = await at.post("/v1/forms/site", "site", data=FORM)
    assert answer.status_code == 202
    (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    assert (event.touch, event.source, event.what.form, event.what.text) == ("form_submitted", "site", "site", "Hola")
    assert (event.names.first, event.names.last, event.phone) == ("Ana", "García", "+34600123456")
    assert (event.subjects[0].value, event.company.domain) == ("ana@empresa.es", "empresa.es")


async def test_a_form_of_a_browser_is_answered_with_a_page_in_its_language(at: Any) -> None:
    path = f"{at.url}/v1/forms/site?key=key-of-site"
    answer = await at.client.post(path, data=FORM, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Gracias" in answer.text
    english = await at.client.post(path, data=FORM, headers=BROWSER | {"accept-language": "fr,en"})
    assert "Thank you" in english.text
    wrong = await at.client.post(path, data=FORM | {"email": "<script>"}, headers=BROWSER)
    assert (wrong.status_code, "dirección de correo" in wrong.text, "<script>" in wrong.text) == (422, True, False)


async def test_fetch_gets_json_and_a_plain_form_goes_to_the_site_s_own_page(at: Any) -> None:
    path = f"{at.url}/v1/forms/shop?key=key-of-shop"
    answer = await at.client.post(path, data=FORM, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "https://www.example.com/gracias")
    fetched = await at.client.post(path, data=FORM, headers=BROWSER | {"sec-fetch-mode": "cors"})
    assert fetched.status_code == 202


async def test_only_listed_pages_may_send_and_read_the_answer(at: Any) -> None:
    path = f"{at.url}/v1/forms/site?key=key-of-site"
    mine, other = {"origin": "https://www.example.com"}, {"origin": "https://evil.example"}
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = await at.client.options(path, headers=mine | ask)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://www.example.com"
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    assert (await at.client.options(path, headers=other | ask)).headers.get("access-control-allow-origin") is None
    sent = await at.client.post(path, data=FORM, headers=mine)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (202, "https://www.example.com")
    refused = await at.client.post(path, data=FORM, headers=other)
    assert (refused.status_code, refused.json()["title"]) == (403, "Origin not allowed")
    wrong = await at.client.post(path, data={}, headers=mine)
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (422, "https://www.example.com")


async def test_a_source_above_its_rate_is_told_when_to_come_again(at: Any) -> None:
    answers = [await at.post("/v1/touchpoints", "slow", json={"type": "call", "email": "a@b.es"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["retry-after"]) > 60


@pytest.mark.parametrize("call", ["identify", "track", "page", "screen", "group", "alias"])
async def test_segment_calls_are_answered_with_exactly_200(at: Any, call: str) -> None:
    event = {"userId": "u-1", "messageId": f"single-{call}", "event": "e", "previousId": "a"}
    answer = await at.post(f"/v1/{call}", "app", json=event)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (recorded,) = await at.recorded(1, {touchpoint_id("app", f"single-{call}")})
    assert recorded.original_type == call


@pytest.mark.parametrize(
    "labels", [{"content-encoding": "gzip"}, {}, {"content-type": "application/x-www-form-urlencoded"}]
)
async def test_sdk_batches_come_packed_under_any_label_their_key_in_header_or_body(
    at: Any, labels: dict[str, str]
) -> None:
    name = f"gz-{len(labels)}-{next(iter(labels), 'none')}"
    body = {
        "batch": [{"type": "track", "event": "e", "anonymousId": "a", "messageId": f"{name}-{n}"} for n in range(50)]
    }
    ids = {touchpoint_id("app", f"{name}-{n}") for n in range(50)}
    basic = {"authorization": "Basic " + base64.b64encode(b"key-of-app:").decode()}
    packed = gzip.compress(json.dumps(body).encode())
    assert (await at.client.post(f"{at.url}/v1/batch", content=packed, headers=labels | basic)).status_code == 200
    packed = gzip.compress(json.dumps(body | {"writeKey": "key-of-app"}).encode())
    assert (await at.client.post(f"{at.url}/v1/batch", content=packed, headers=labels)).status_code == 200
    recorded = await at.recorded(100, ids)
    assert len(recorded) == 100  # a retry is on the topic twice, under one id
    assert {str(event.id) for event in recorded} == ids


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "success"),
    [
        ("POST", "/v1/batch", basic("key-of-app") | {"anonymousid": "YQ=="},
         {"batch": [{"type": "page", "messageId": "of-rudderstack"}]}, {"success": True}),
        ("POST", "/beacon/v1/batch?writeKey=key-of-pages", {},
         {"batch": [{"type": "page", "anonymousId": "a", "messageId": "of-rudderstack"}]}, {"success": True}),
        ("POST", "/api/s/s2s/track", {"x-write-key": "relevo:key-of-app"},
         {"event": "e", "userId": "u", "messageId": "of-jitsu", "writeKey": "relevo:***"}, {"ok": True}),
        ("POST", "/batch/", {}, {"api_key": "key-of-app", "batch": [
            {"event": "e", "distinct_id": "u", "uuid": "of-posthog"}]}, {"status": "Ok"}),
        ("POST", "/api/v1/customers/5/events", basic("site", "key-of-app"), {"name": "e", "id": "of-customer-io"}, {}),
    ],
)  # fmt: skip
async def test_other_sdks_find_their_addresses_keys_and_answers(
    at: Any, method: str, path: str, headers: dict[str, str], body: dict[str, Any], success: dict[str, Any]
) -> None:
    answer = await at.client.request(method, f"{at.url}{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, success)
    name = re.search(r"of-(?:rudderstack|jitsu|posthog|customer-io)", json.dumps(body))
    assert name is not None
    assert await at.recorded(1, {touchpoint_id("pages" if "pages" in path else "app", name.group())})
    wrong = await at.client.request(method, f"{at.url}{path}".replace("key-of-", "no-key-of-"), json={})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "Key missing or wrong")


async def test_a_secret_key_in_a_beacon_s_address_is_refused(at: Any) -> None:
    answer = await at.client.post(f"{at.url}/beacon/v1/batch?writeKey=key-of-app", json={"batch": []})
    assert answer.status_code == 401


async def test_customer_io_s_calls_come_by_their_own_methods(at: Any) -> None:
    path = f"{at.url}/api/v1/customers/ana%2Bx%40empresa.es"
    for method in ("PUT", "DELETE"):
        answer = await at.client.request(method, path, json={}, headers=basic("site", "key-of-app"))
        assert (answer.status_code, answer.json()) == (200, {})
    refused = await at.client.get(path, headers=basic("site", "key-of-app"))
    assert (refused.status_code, refused.headers["allow"]) == (405, "PUT, DELETE, OPTIONS")


async def test_a_failed_event_of_another_sdk_is_read_its_own_way_when_it_is_mended(at: Any) -> None:
    broken = {"event": "$pageview", "uuid": "posthog-to-mend", "properties": {"title": "Precios"}}
    answer = await at.client.post(f"{at.url}/e/", json=broken | {"api_key": "key-of-app"})
    assert answer.status_code == 200
    (failed,) = await at.failed(1, {touchpoint_id("app", "posthog-to-mend")})
    again = failed.model_dump(mode="json", exclude={"body_base64"})
    again["body"] = json.dumps(broken | {"distinct_id": "u-9"})
    ops = {"authorization": "Bearer an-api-token"}
    assert (await at.client.post(f"{at.url}/v1/replays", json=again, headers=ops)).status_code == 202
    (event,) = await at.recorded(1, {str(failed.touchpoint_id)})
    assert (event.touch, event.what.title, event.subjects[0].value) == ("page_viewed", "Precios", "company:u-9")


async def test_a_batch_has_as_many_events_as_segment_takes(at: Any) -> None:
    event = {"type": "page", "anonymousId": "a"}
    answer = await at.post("/v1/batch", "app", json={"batch": [event | {"messageId": f"m{n}"} for n in range(2_500)]})
    assert answer.status_code == 200
    answer = await at.post("/v1/batch", "app", json={"batch": [event] * 2_501})
    assert (answer.status_code, answer.json()["title"]) == (413, "Too many at once")


async def test_a_refusal_is_told_in_the_words_that_old_sdks_look_for(at: Any) -> None:
    answer = await at.client.post(f"{at.url}/v1/batch", json={"batch": []}, headers={"authorization": "Basic eDo="})
    assert (answer.status_code, answer.json()["code"]) == (401, "Key missing or wrong")
    assert answer.json()["message"] == answer.json()["detail"]
    assert "code" not in (await at.client.post(f"{at.url}/v1/touchpoints", json={})).json()


async def test_an_sdk_of_a_page_may_send_from_its_listed_origins(at: Any) -> None:
    path, mine = f"{at.url}/v1/t", {"origin": "https://www.example.com"}
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-retry-count"}
    preflight = await at.client.options(path, headers=mine | ask)
    allowed = set(preflight.headers["access-control-allow-headers"].split(", "))
    assert {"authorization", "x-retry-count", "anonymousid", "x-write-key"} <= allowed
    event = json.dumps({"userId": "u", "event": "e", "messageId": "from-a-page", "writeKey": "key-of-site"})
    sent = await at.client.post(path, content=event, headers=mine | {"content-type": "text/plain"})
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, "https://www.example.com")
    refused = await at.client.post(path, content=event, headers={"origin": "https://evil.example"})
    assert refused.status_code == 403


async def test_an_sdk_above_its_rate_is_told_when_to_come_again(at: Any) -> None:
    body = {"batch": [{"type": "page", "anonymousId": "a"}] * 2}
    answers = [await at.post("/v1/batch", "slow-app", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"]) > 60


async def test_a_body_an_sdk_cannot_mend_is_kept_and_answered_with_success(at: Any) -> None:
    answer = await at.post("/v1/batch", "app", content=b'{"batch": [{"type": "track", ')
    assert answer.status_code == 200
    failed = await at.failed(1, None)
    assert failed


async def test_a_failed_touchpoint_comes_back_mended_under_its_own_id(at: Any) -> None:
    broken = {"type": "track", "event": "Signed Up", "messageId": "to-mend"}
    await at.post("/v1/batch", "app", json={"batch": [broken]})
    (failed,) = await at.failed(1, {touchpoint_id("app", "to-mend")})
    ops = {"authorization": "Bearer an-api-token"}
    again = failed.model_dump(mode="json")
    still = await at.client.post(f"{at.url}/v1/replays", json=again, headers=ops)
    assert (still.status_code, still.json()["field"]) == (422, "email")
    del again["body_base64"]
    again["body"] = json.dumps(broken | {"userId": "u-9"})
    answer = await at.client.post(f"{at.url}/v1/replays", json=again, headers=ops)
    assert (answer.status_code, answer.json()) == (202, {"touchpoint_ids": [str(failed.touchpoint_id)]})
    (event,) = await at.recorded(1, {str(failed.touchpoint_id)})
    assert (event.what.event, event.subjects[0].value) == ("Signed Up", "company:u-9")
    assert (event.received_at, event.at) == (failed.received_at, failed.received_at)


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"source": "gone"}, 422, "source"),
        ({"body": None}, 422, None),
        ({"body_base64": "e30="}, 422, None),
        ({"received_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, 422, "received_at"),
        ({"touchpoint_id": "x"}, 422, "touchpoint_id"),
    ],
)
async def test_replays_that_cannot_be(at: Any, change: dict[str, Any], status: int, field: str | None) -> None:
    body = {"touchpoint_id": touchpoint_id("app", "r"), "source": "app", "path": "/v1/track",
            "body": '{"userId": "u", "event": "e"}'}  # fmt: skip
    ops = {"authorization": "Bearer an-api-token"}
    answer = await at.client.post(f"{at.url}/v1/replays", json=body | change, headers=ops)
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert (await at.post("/v1/replays", "app", json=body)).status_code == 401  # a source's key is no token


async def test_sources_are_listed_without_their_keys(at: Any) -> None:
    answer = await at.client.get(f"{at.url}/v1/sources", headers={"authorization": "Bearer an-api-token"})
    listed = {source["name"]: source for source in answer.json()["items"]}
    assert listed["site"]["origins"] == ["https://www.example.com"]
    assert all(len(key["sha256_begins"]) == 8 for source in listed.values() for key in source["keys"])
    assert (await at.client.get(f"{at.url}/v1/sources")).status_code == 401


async def test_sources_are_read_again_while_it_runs_and_a_bad_file_changes_nothing(
    kafka: str, tmp_path: Path, open_ingest: Callable[..., Any]
) -> None:
    async with open_ingest(kafka, tmp_path, ["one"]) as at:
        body = {"type": "call", "email": "a@b.es"}
        assert (await at.post("/v1/touchpoints", "two", json=body)).status_code == 401
        document = yaml.safe_load(at.sources_file.read_text())
        both = [*document["sources"], at.source("two")]
        at.sources_file.write_text(yaml.safe_dump({"sources": both}))
        async with asyncio.timeout(PATIENCE):
            while (await at.post("/v1/touchpoints", "two", json=body)).status_code != 202:
                await asyncio.sleep(0.1)
        at.sources_file.write_text("sources: [")
        ops = {"authorization": "Bearer an-api-token"}
        async with asyncio.timeout(PATIENCE):
            while not (answer := await at.client.get(f"{at.url}/v1/sources", headers=ops)).json()["problems"]:
                await asyncio.sleep(0.1)
        assert answer.json()["problems"][0].startswith("line 1: no YAML")
        assert (await at.post("/v1/touchpoints", "two", json=body)).status_code == 202


async def test_the_document_names_every_door(at: Any) -> None:
    document = (await at.client.get(f"{at.url}/openapi.json")).json()
    doors = {"/v1/touchpoints", "/v1/forms/{source}", "/v1/batch", "/v1/track", "/v1/sources", "/v1/replays"}
    assert doors <= set(document["paths"])
    assert document["components"]["schemas"]["Touchpoint"]["properties"]["email"]


async def test_time_travel_moves_the_receipt(kafka: str, tmp_path: Path, open_ingest: Callable[..., Any]) -> None:
    shift = tmp_path / "clock"
    shift.write_text("86400")
    async with open_ingest(kafka, tmp_path, ["one"], time_travel=True, clock_file=shift) as at:
        answer = await at.post("/v1/touchpoints", "one", json={"type": "call", "email": "a@b.es", "id": "tt"})
        (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    assert timedelta(hours=23) < event.received_at - datetime.now(UTC) < timedelta(hours=25)


async def test_recorded_spans_are_the_parents_of_what_they_cause(
    kafka: str, tmp_path: Path, open_ingest: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    once = FORM | {"event_id": "traced"}
    key = sha256(b"key-of-page").hexdigest()
    page = {"name": "page", "kind": "form", "access": "public", "keys": [{"sha256": key}]}
    async with open_ingest(kafka, tmp_path, [page]) as at:
        answer = await at.post("/v1/forms/page", "page", data=once, headers={"traceparent": parent})
        (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    (recorded,) = (span for span in exporter.get_finished_spans() if span.name == "POST /v1/forms/")
    assert recorded.parent is not None
    assert recorded.context is not None
    assert recorded.parent.span_id == 0x00F067AA0BA902B7
    assert event.trace == f"00-{recorded.context.trace_id:032x}-{recorded.context.span_id:016x}-01"


async def test_what_nobody_expected_is_answered_without_a_word_of_it() -> None:
    async def no_app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    unopened = httpx.ASGITransport(Doors(no_app, Desk()))  # a desk without its parts: a mistake of ours
    async with httpx.AsyncClient(transport=unopened, base_url="http://ingest") as client:
        answer = await client.post("/v1/touchpoints", json={"email": "ana@empresa.es"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert set(answer.json()) == {"title", "status", "detail"}
