"""Shows the webhooks' door over HTTP: proof, handshakes, retries, what is unusable kept and mended, errands run."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest
import pytest_asyncio

from ingest.draft import Draft, Get, Outcome, Reply, Request, Unauthentic, Wanted
from ingest.registry import Source
from ingest.sources import KINDS, Tool, meta_lead_ads
from relevo.events.identity import touchpoint_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPS = {"authorization": "Bearer an-api-token"}
KEY = {"authorization": "Basic " + base64.b64encode(b"relevo:key-of-postmark").decode()}


def opened(who: str, at: str = "2026-11-23T10:00:00Z") -> dict[str, Any]:
    return {"RecordType": "Open", "MessageID": "m-1", "Recipient": who, "ReceivedAt": at, "UserAgent": "Mozilla/5.0"}


def bounced(number: int, **more: Any) -> dict[str, Any]:
    return {"RecordType": "Bounce", "Type": "HardBounce", "ID": number, "Email": "ana@empresa.es"} | more


def by_content(told: bytes) -> str:
    return touchpoint_id("postmark", f"content:{sha256(told).hexdigest()}")


async def test_what_a_tool_sends_becomes_a_touchpoint(at: Any) -> None:
    answer = await at.client.post(f"{at.url}/v1/webhooks/postmark", json=bounced(1), headers=KEY)
    assert (answer.status_code, answer.content) == (200, b"")
    (event,) = await at.recorded(1, {touchpoint_id("postmark", "1")})
    assert (event.touch, event.original_type, event.source) == ("email_bounced", "Bounce", "postmark")
    assert event.subjects[0].value == "ana@empresa.es"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic !!"}, {"authorization": "Bearer key-of-crm"}])
@pytest.mark.parametrize("name", ["postmark", "mailgun", "crm", "nobody", "", "postmark/more"])
async def test_without_proof_nothing_comes_in(at: Any, name: str, headers: dict[str, str]) -> None:
    answer = await at.client.post(f"{at.url}/v1/webhooks/{name}?key=wrong", json=bounced(2), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert "ana@empresa.es" not in answer.text


async def test_a_webhook_s_key_opens_nothing_else(at: Any) -> None:
    body = {"type": "call", "email": "ana@empresa.es"}
    for path in ("/v1/touchpoints", "/v1/forms/postmark", "/v1/track"):
        assert (await at.post(path, "postmark", json=body)).status_code == 401


async def test_whoever_asks_whether_we_are_there_is_told(at: Any) -> None:
    for method in ("GET", "HEAD"):
        answer = await at.client.request(method, f"{at.url}/v1/webhooks/postmark")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await at.client.request(method, f"{at.url}/v1/webhooks/nobody")).status_code == 401
    answer = await at.client.put(f"{at.url}/v1/webhooks/postmark")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_a_retry_hours_later_is_the_same_touchpoint_though_its_tool_gives_no_id(at: Any) -> None:
    ids = []
    for at_time in ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"):
        sent = opened("ana@empresa.es", at_time)
        assert (await at.client.post(f"{at.url}/v1/webhooks/postmark", json=sent, headers=KEY)).status_code == 200
        ids.append(by_content(orjson.dumps(sent)))
    assert len(await at.recorded(2, {ids[0]})) == 2
    (other,) = await at.recorded(1, {ids[2]})
    assert ids[0] != ids[2]
    assert other.machine_because == "its user agent is that of Apple's mail privacy proxy, which opens every message"


async def test_what_is_unusable_is_kept_answered_with_success_and_comes_back_mended(at: Any) -> None:
    path = f"{at.url}/v1/webhooks/postmark"
    assert (await at.client.post(path, json=bounced(7, Email="nobody"), headers=KEY)).status_code == 200
    (failed,) = await at.failed(1, {touchpoint_id("postmark", "7")})
    assert failed.reason == "email: This is not an e-mail address."
    again = failed.model_dump(mode="json")
    assert (await at.client.post(f"{at.url}/v1/replays", json=again, headers=OPS)).status_code == 422
    del again["body_base64"]
    again["body"] = json.dumps(bounced(7))
    answer = await at.client.post(f"{at.url}/v1/replays", json=again, headers=OPS)
    assert (answer.status_code, answer.json()) == (202, {"touchpoint_ids": [str(failed.touchpoint_id)]})
    (event,) = await at.recorded(1, {str(failed.touchpoint_id)})
    assert (event.touch, event.subjects[0].value) == ("email_bounced", "ana@empresa.es")


async def test_a_body_that_cannot_be_read_at_all_is_kept_too(at: Any) -> None:
    sent = b'{"RecordType": "Open", '
    assert (await at.client.post(f"{at.url}/v1/webhooks/postmark", content=sent, headers=KEY)).status_code == 200
    (failed,) = await at.failed(1, {by_content(sent)})
    assert base64.b64decode(failed.body_base64) == sent


async def test_a_signature_is_checked_by_the_secret_the_source_refers_to(at: Any) -> None:
    signed = {"timestamp": "1795428000", "token": "t-1"}
    body = {"event-data": {"event": "opened", "recipient": "ana@empresa.es"}, "signature": signed}
    for secret, status in (("key-of-mailgun", 200), ("another", 401)):
        signed["signature"] = hmac.new(secret.encode(), b"1795428000t-1", "sha256").hexdigest()
        assert (await at.client.post(f"{at.url}/v1/webhooks/mailgun", json=body)).status_code == status


async def test_neither_keys_nor_secrets_are_shown(at: Any) -> None:
    answer = await at.client.get(f"{at.url}/v1/sources", headers=OPS)
    (mailgun,) = (source for source in answer.json()["items"] if source["name"] == "mailgun")
    assert (mailgun["keys"], mailgun["secrets"]) == ([], 1)
    assert "key-of-mailgun" not in answer.text


class Elsewhere:
    """A server that answers every request alike, and counts them."""

    def __init__(self) -> None:
        self.status, self.body, self.requests = 200, b"", 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        head = f"HTTP/1.1 {self.status} Whatever\r\ncontent-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[Elsewhere]:
    made = Elsewhere()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield made


Send = Callable[[str], Awaitable[Any]]


@pytest.fixture
def send(at: Any, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Send:
    """`await send(id)`: an event of a tool that sends ids only, and has the rest fetched."""

    def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
        if (lead := request.fetched.get(elsewhere.url)) is None:
            raise Wanted(Get(elsewhere.url))
        return [Draft("form_submitted", request.body, request.body.decode(), email=lead.body.decode())]

    def handshake(request: Request, source: Source, now: datetime) -> Reply | None:
        if request.method != "GET":
            return None
        if request.query != b"challenge=c&token=t":
            raise Unauthentic
        return Reply(200, b"c")

    monkeypatch.setitem(KINDS, "postmark", Tool(KINDS["postmark"].verify, normalise, handshake))

    async def send(event_id: str) -> Any:
        return await at.client.post(f"{at.url}/v1/webhooks/postmark", content=event_id.encode(), headers=KEY)

    return send


async def test_what_an_event_only_refers_to_is_fetched(at: Any, elsewhere: Elsewhere, send: Send) -> None:
    elsewhere.body = b"ana@empresa.es"
    assert (await send("fetched")).status_code == 200
    (event,) = await at.recorded(1, {touchpoint_id("postmark", "fetched")})
    assert event.subjects[0].value == "ana@empresa.es"


@pytest.mark.parametrize("status", [500, 429])
async def test_where_it_cannot_be_fetched_now_the_sender_is_asked_to_come_again(
    at: Any, elsewhere: Elsewhere, send: Send, status: int
) -> None:
    elsewhere.status = status
    answer = await send("later")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["title"]) == (503, "30", "Not fetched")
    assert elsewhere.url not in answer.text
    elsewhere.url = "http://127.0.0.1:1/"  # nobody there
    assert (await send("later")).status_code == 503
    elsewhere.url = "http://169.254.169.254/"  # and not where we do not go
    assert (await send("later")).status_code == 503
    assert elsewhere.requests == 1


async def test_a_lead_of_which_only_the_id_came_is_fetched_or_asked_for_again(
    at: Any, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meta_lead_ads, "GRAPH", elsewhere.url.rstrip("/"))
    change = {"field": "leadgen", "value": {"leadgen_id": "444"}}
    body = json.dumps({"object": "page", "entry": [{"id": "1", "changes": [change]}]}).encode()
    signed = {"x-hub-signature-256": "sha256=" + hmac.digest(b"key-of-meta", body, "sha256").hex()}

    async def send() -> Any:
        return await at.client.post(f"{at.url}/v1/webhooks/meta", content=body, headers=signed)

    elsewhere.status, elsewhere.body = 401, b'{"error": {"code": 190}}'  # the token is no longer valid
    answer = await send()
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["title"]) == (503, "30", "Not fetched")
    assert "key-of-meta" not in answer.text
    lead = {"created_time": "2026-11-23T11:00:00+0000", "field_data": [{"name": "email", "values": ["ana@empresa.es"]}]}
    elsewhere.status, elsewhere.body = 200, json.dumps(lead).encode()
    assert (await send()).status_code == 200
    (event,) = await at.recorded(1, {touchpoint_id("meta", "444")})
    assert (event.touch, event.subjects[0].value) == ("form_submitted", "ana@empresa.es")


async def test_what_stays_is_fetched_once(at: Any, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(request: Request, source: Source, now: datetime) -> None:
        if elsewhere.url not in request.fetched:
            raise Wanted(Get(elsewhere.url, stays=True))
        if request.fetched[elsewhere.url].body != b"certificate":
            raise Unauthentic

    monkeypatch.setitem(KINDS, "mailgun", Tool(verify, lambda request, source, now: []))
    elsewhere.body = b"certificate"
    for _ in range(3):
        assert (await at.client.post(f"{at.url}/v1/webhooks/mailgun", content=b"{}")).status_code == 200
    assert elsewhere.requests == 1


async def test_a_tool_s_own_handshake(at: Any, send: Send) -> None:
    path = f"{at.url}/v1/webhooks/postmark"
    answer = await at.client.get(f"{path}?challenge=c&token=t")
    assert (answer.status_code, answer.content) == (200, b"c")
    assert (await at.client.get(f"{path}?challenge=c&token=wrong")).status_code == 401
    assert (await at.client.head(path)).status_code == 200
