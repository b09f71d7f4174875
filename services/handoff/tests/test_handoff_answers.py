"""Shows how answers come back: one-click links, Slack's buttons, HubSpot's changes, any CRM's signed webhook; and that
what is forged, dead, late or somebody else's changes nothing."""

import hmac
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import orjson
import pytest_asyncio
from standardwebhooks import Webhook

from handoff.channels import Tools
from handoff.deliver import pack
from handoff.handlers import assign_leads
from handoff.main import service
from relevo.events import LeadAssigned, LeadQualified
from relevo.service.web import Guard

Mql = Callable[..., LeadQualified]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK, HUBSPOT, BASE = "slack's signing secret", "hubspot's client secret", "https://relevo.forja.example"


@dataclass
class Door:
    client: httpx.AsyncClient
    kept: Any
    lead: LeadAssigned

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """What was said after the lead was assigned."""
        rows = await self.kept.sql("select type, value from outbox order by id offset 1")
        return [(row["type"], orjson.loads(row["value"])) for row in rows]

    async def links(self, language: str = "en") -> dict[str, str]:
        """The paths that an e-mail to ana would hold."""
        await self.kept.endpoint(None, kind="email", rep="ana", language=language)
        await self.kept.sql(
            "insert into delivery (webhook_id, endpoint_id, lead_id, cycle, assignment_id, version, type, body, state,"
            " due_at, created_at, rep) select $1, endpoint_id, $2, 1, $3, $4, 'lead.assigned', '{}', 'pending',"
            " relevo_now(), relevo_now(), 'ana' from endpoint where kind = 'email'",
            f"msg_{uuid4().hex}", self.lead.lead_id, self.lead.assignment_id, self.lead.version,
        )  # fmt: skip
        tools = Tools.of(self.kept.settings(public_url=BASE))
        (parcel,) = await self.kept.run(lambda tx: pack(tx, tools, 10))
        await tools.close()
        await self.kept.sql("delete from delivery")
        assert all(url.startswith(f"{BASE}/a/") for url in parcel.links.values())
        return {act: url.removeprefix(BASE) for act, url in parcel.links.items()}


@pytest_asyncio.fixture
async def door(kept: Any, mql: Mql) -> AsyncIterator[Door]:
    """The routes, and a lead that ana owns."""
    (lead,) = await kept.handle(assign_leads, mql(employees=600))
    settings = kept.settings(public_url=BASE, slack_signing_secret=SLACK, hubspot_client_secret=HUBSPOT)
    async with service.opened(settings) as opened:
        transport = httpx.ASGITransport(Guard(opened.app()))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Door(client, kept, lead)


# One-click links.


async def test_a_link_shows_first_and_acts_only_when_posted(door: Door) -> None:
    links = await door.links("es")
    assert len(set(links.values())) == 3
    for _ in range(2):  # as a mail scanner does
        page = await door.client.get(links["accept"])
        assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ("Aceptar este lead" in page.text, "Olga Ibarra, Acme" in page.text, "<script" in page.text) == (
        True, True, False,
    )  # fmt: skip
    assert await door.said() == []
    done = await door.client.post(links["accept"], headers={"accept-language": "es-ES,es;q=0.9"})
    assert (done.status_code, "Gracias" in done.text) == (200, True)
    ((kind, data),) = await door.said()
    assert (kind, data["by"], data["channel"], data["version"]) == ("lead.accepted.v1", "rep:ana", "link", 1)


async def test_a_rejecting_link_asks_for_the_reason(door: Door) -> None:
    links = await door.links()
    page = await door.client.get(links["reject"])
    assert '<option value="wrong_size">wrong size</option>' in page.text
    assert (await door.client.post(links["reject"])).status_code == 422
    assert (await door.client.post(links["reject"], data={"reason": "<b>ugly"})).status_code == 422
    assert (await door.client.post(links["reject"], data={"reason": "wrong_size"})).status_code == 200
    assert [kind for kind, _ in await door.said()] == ["lead.rejected.v1", "lead.disqualified.v1"]


async def test_a_link_dies_on_use_with_the_version_and_with_time(door: Door) -> None:
    links = await door.links()
    rows = await door.kept.sql("select token_sha256 from link")
    assert len(rows) == 3
    assert all(links["accept"].rpartition("/")[2].encode() not in row[0] for row in rows), "kept as a hash"
    assert (await door.client.post(links["accept"])).status_code == 200
    for method in ("GET", "POST"):
        assert (await door.client.request(method, links["accept"])).status_code == 404
    for dead in ("/a/" + "x" * 32, "/a/" + "é" * 32, "/a/short", links["accept"][:-1] + "x"):
        refused = await door.client.post(dead)
        assert (refused.status_code, "short" in refused.text) == (404, False)
    await door.kept.travel(timedelta(days=14))
    assert (await door.client.get(links["contacted"])).status_code == 404
    await door.kept.travel(timedelta(days=-1))
    assert (await door.client.get(links["contacted"])).status_code == 200
    await door.kept.sql("update assignment set version = 2, rep = 'bea'")
    assert (await door.client.post(links["contacted"])).status_code == 404
    assert [kind for kind, _ in await door.said()] == ["lead.accepted.v1"]


# Slack.


def clicked(door: Door, action: str, user: str = "U1", **more: Any) -> bytes:
    """As Slack's documentation has a block_actions payload, with what we read and more."""
    block = f"relevo.{more.pop('assignment_id', door.lead.assignment_id)}.{more.pop('version', 1)}"
    doing = {"type": "button", "block_id": block, "action_id": action, "action_ts": "1548426417.840180", **more}
    payload = {
        "type": "block_actions", "team": {"id": "T9", "domain": "forja"}, "api_app_id": "A1", "trigger_id": "1.2.3",
        "user": {"id": user, "username": "ana", "team_id": "T9"}, "container": {"type": "message"}, "actions": [doing],
    }  # fmt: skip
    return urlencode({"payload": orjson.dumps(payload).decode()}).encode()


async def slack(door: Door, body: bytes, *, at: float | None = None, secret: str = SLACK) -> httpx.Response:
    moment = str(int(at or time.time()))
    signature = "v0=" + hmac.new(secret.encode(), f"v0:{moment}:".encode() + body, "sha256").hexdigest()
    headers = {"x-slack-request-timestamp": moment, "x-slack-signature": signature,
               "content-type": "application/x-www-form-urlencoded"}  # fmt: skip
    return await door.client.post("/v1/answers/slack", content=body, headers=headers)


async def test_slacks_buttons_answer_for_the_rep_whose_member_id_it_is(door: Door) -> None:
    await door.kept.endpoint(None, kind="slack", rep="ana", user="U1", secret="https://hooks.slack.com/x")
    await door.kept.endpoint(None, kind="slack", rep="bea", user="U2", secret="https://hooks.slack.com/y")
    for user in ("U2", "U3"):  # another rep, and nobody of ours
        assert (await slack(door, clicked(door, "relevo_accept", user))).status_code == 200
    assert await door.said() == []
    assert (await slack(door, clicked(door, "relevo_accept"))).status_code == 200
    ((kind, data),) = await door.said()
    assert (kind, data["by"], data["channel"]) == ("lead.accepted.v1", "rep:ana", "slack")
    assert (await slack(door, clicked(door, "relevo_accept"))).status_code == 200, "twice is once"
    assert len(await door.said()) == 1


async def test_slacks_list_of_reasons_rejects(door: Door) -> None:
    await door.kept.endpoint(None, kind="slack", rep="ana", user="U1", secret="https://hooks.slack.com/x")
    chosen = {"type": "static_select", "selected_option": {"value": "competitor", "text": {"type": "plain_text"}}}
    await slack(door, clicked(door, "relevo_reject", **chosen))
    assert [kind for kind, _ in await door.said()] == ["lead.rejected.v1", "lead.disqualified.v1"]


async def test_slack_is_believed_only_when_signed_and_fresh(door: Door) -> None:
    await door.kept.endpoint(None, kind="slack", rep="ana", user="U1", secret="https://hooks.slack.com/x")
    body = clicked(door, "relevo_accept")
    assert (await slack(door, body, secret="another")).status_code == 401
    assert (await slack(door, body, at=time.time() - 301)).status_code == 401
    assert (await door.client.post("/v1/answers/slack", content=body)).status_code == 401
    for odd in (b"payload=%00", b"", b"payload=[]", clicked(door, "somebody_elses"), clicked(door, "relevo_reject"),
                clicked(door, "relevo_accept", assignment_id="x")):  # fmt: skip
        assert (await slack(door, odd)).status_code == 200
    assert await door.said() == []


# HubSpot.


async def hubspot(door: Door, changes: Any, *, at: float | None = None, secret: str = HUBSPOT) -> httpx.Response:
    body = orjson.dumps(changes)
    moment = str(int((at or time.time()) * 1000))
    signed = f"POST{BASE}/v1/answers/hubspot".encode() + body + moment.encode()
    signature = b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": moment}
    return await door.client.post("/v1/answers/hubspot", content=body, headers=headers)


def change(name: str, value: str, contact: int = 512) -> dict[str, Any]:
    return {"eventId": 1, "subscriptionId": 25, "portalId": 33, "appId": 2, "occurredAt": 1564113600000,
            "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": contact,
            "changeSource": "CRM_UI", "propertyName": name, "propertyValue": value}  # fmt: skip


async def test_hubspots_lead_status_answers(door: Door) -> None:
    await door.kept.endpoint("https://x.example/")
    await door.kept.sql(
        "insert into delivery (webhook_id, endpoint_id, assignment_id, type, body, state, due_at, created_at, remote)"
        " select 'msg_1', endpoint_id, $1, 'lead.assigned', '{}', 'made', now(), now(),"
        " '{\"contact\": \"512\"}' from endpoint", door.lead.assignment_id,
    )  # fmt: skip
    told = await hubspot(
        door,
        [change("hs_lead_status", "CONNECTED"), change("hs_lead_status", "CONNECTED", 7), change("city", "Bilbao")],
    )
    assert (told.status_code, told.json()) == (200, {"taken": 2})
    assert [(kind, data["channel"]) for kind, data in await door.said()] == [
        ("lead.accepted.v1", "implied"), ("lead.contacted.v1", "hubspot"),
    ]  # fmt: skip
    contradiction = await hubspot(door, [change("hs_lead_status", "UNQUALIFIED")])
    assert contradiction.json() == {"taken": 0}, "a contacted lead is not rejected afterwards"
    assert (await hubspot(door, [change("lifecyclestage", "customer")])).json() == {"taken": 1}
    assert [kind for kind, _ in await door.said()][-1] == "opportunity.won.v1"


async def test_hubspot_is_believed_only_when_signed_and_fresh(door: Door) -> None:
    changes = [change("hs_lead_status", "CONNECTED")]
    assert (await hubspot(door, changes, secret="another")).status_code == 401
    assert (await hubspot(door, changes, at=time.time() - 301)).status_code == 401
    assert (await hubspot(door, {"not": "a list"})).json() == {"taken": 0}
    assert (await hubspot(door, [[1], None, "x"])).json() == {"taken": 0}


# Any CRM.


async def crm(
    door: Door, endpoint: Any, body: Any, *, secret: str = SECRET, at: float | None = None, message: str | None = None
) -> httpx.Response:
    raw, moment = orjson.dumps(body).decode(), datetime.fromtimestamp(at or time.time(), UTC)
    name = message or f"msg_{uuid4().hex}"
    headers = {"webhook-id": name, "webhook-timestamp": str(int(moment.timestamp())),
               "webhook-signature": Webhook(secret).sign(name, moment, raw)}  # fmt: skip
    return await door.client.post(f"/v1/answers/{endpoint}", content=raw, headers=headers)


async def test_a_crm_answers_with_the_secret_it_verifies_us_with(door: Door) -> None:
    endpoint = await door.kept.endpoint("https://crm.example/")
    said = {"assignment_id": str(door.lead.assignment_id), "version": 1, "act": "won", "amount": "99.90"}
    first = await crm(door, endpoint, said, message="msg_a")
    assert (first.status_code, first.json()["stage"]) == (200, "won")
    assert (await crm(door, endpoint, said, message="msg_a")).json() == {"heard": "before"}
    assert (await crm(door, endpoint, said)).status_code == 200
    kinds = [(kind, data["by"], data.get("channel")) for kind, data in await door.said()]
    assert kinds[0] == ("lead.accepted.v1", "rep:ana", "implied")
    assert len(kinds) == 4


async def test_a_replayed_pause_does_not_pause_again(door: Door) -> None:
    endpoint = await door.kept.endpoint("https://crm.example/")
    said = {"assignment_id": str(door.lead.assignment_id), "version": 1}
    await crm(door, endpoint, {**said, "act": "pause", "reason": "holidays"}, message="msg_p")
    await crm(door, endpoint, {**said, "act": "resume"})
    await crm(door, endpoint, {**said, "act": "pause", "reason": "holidays"}, message="msg_p")
    assert [kind for kind, _ in await door.said()] == ["lead.paused.v1", "lead.resumed.v1"]


async def test_a_crm_is_believed_only_when_signed_and_about_its_own_leads(door: Door) -> None:
    endpoint = await door.kept.endpoint("https://crm.example/")
    beas = await door.kept.endpoint("https://bea.example/", rep="bea")
    said = {"assignment_id": str(door.lead.assignment_id), "version": 1, "act": "accept"}
    other = "whsec_" + b64encode(b"k" * 32).decode()
    for answered, status in (
        (await crm(door, endpoint, said, secret=other), 401),
        (await crm(door, endpoint, said, at=time.time() - 301), 401),
        (await crm(door, endpoint, said, at=time.time() + 600), 401),
        (await crm(door, uuid4(), said), 404),
        (await crm(door, beas, said), 404),
        (await crm(door, endpoint, {**said, "rep": "bea"}), 403),
        (await crm(door, endpoint, {**said, "version": 2}), 409),
        (await crm(door, endpoint, {**said, "act": "steal"}), 422),
        (await crm(door, endpoint, {**said, "act": "reject"}), 422),
        (await crm(door, endpoint, {**said, "act": "reject", "reason": "ugly"}), 422),
        (await crm(door, endpoint, {**said, "assignment_id": str(uuid4())}), 404),
    ):
        assert answered.status_code == status, answered.text
        assert "steal" not in answered.text
        assert "ugly" not in answered.text
    assert await door.said() == []
