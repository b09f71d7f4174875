"""Shows what Slack, HubSpot and mail servers get: each against a stand-in made from the vendor's documentation, which
refuses fields and tokens it does not know, is too busy at random, and answers errors as documented."""

import asyncio
import random
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from handoff.handlers import assign_leads
from handoff.words import ENGLISH, REASONS, SPANISH
from relevo.events import DeliveryFailed, DeliveryMade, LeadQualified
from relevo.events.leads import TouchSummary
from relevo.events.vocabulary import REJECT_REASONS

Mql = Callable[..., LeadQualified]
TOKEN = "a-token-of-ours"

Reply = tuple[int, Mapping[str, str], Any]


@dataclass
class StandIn:
    """An HTTP API on this machine: `answer(method, path, query, headers, body)`; too busy at random, three in ten."""

    answer: Callable[[str, str, dict[str, list[str]], dict[str, str], Any], Reply]
    busy: Reply
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    taken: list[tuple[str, Any]] = field(default_factory=list)
    turned_away: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = first.split(" ")
                where = urlsplit(target)
                if self.chance.random() < 0.3:
                    self.turned_away += 1
                    status, more, told = self.busy
                else:
                    said = orjson.loads(body) if body else None
                    status, more, told = self.answer(method, where.path, parse_qs(where.query), headers, said)
                    if status < 300:
                        self.taken.append((where.path, said))
                raw = told.encode() if isinstance(told, str) else orjson.dumps(told)
                head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(raw)}\r\n{head}\r\n".encode() + raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def standing(made: StandIn) -> AsyncIterator[StandIn]:
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


async def insist(kept: Any, **settings: Any) -> list[Any]:
    """Try until nothing is due: what was too busy is tried again later. The events."""
    said = []
    for _ in range(12):
        said += await kept.try_once(**settings)
        if not await kept.sql("select from delivery where state = 'pending'"):
            return said
        await kept.sql("update delivery set due_at = relevo_now() where state = 'pending'")
        await kept.sql("update endpoint set spared_until = null")
    raise AssertionError("it never went through")


def story() -> list[TouchSummary]:
    """Asked, read twice, opened; and what a machine did. With characters that each channel has to escape."""

    def touch(kind: str, title: str, text: str | None = None, **more: Any) -> TouchSummary:
        return TouchSummary.model_validate(
            {"touchpoint_id": "01890000-0000-7000-8000-000000000001", "type": kind, "source": "web", "title": title,
             "text": text, "occurred_at": "2026-03-02T08:59:00Z", **more}
        )  # fmt: skip

    return [
        touch("form_submitted", "Demo", "Does it speak <SAP> & <!channel>?"),
        touch("page_viewed", "Prices"), touch("page_viewed", "Prices"),
        touch("email_opened", "News of March"),
        touch("email_clicked", "Scanned", machine=True),
    ]  # fmt: skip


# Slack.


def slack_api(method: str, path: str, query: Any, headers: dict[str, str], body: Any) -> Reply:
    """chat.postMessage and incoming webhooks: 200 with `ok: false`, or a word in plain text."""
    bot = path == "/api/chat.postMessage"
    wrong = slack_mistake(headers, body, bot)
    if bot:
        told = (
            {"ok": True, "channel": "C1", "ts": "1503435956.000247"} if wrong is None else {"ok": False, "error": wrong}
        )
        return 200, {"content-type": "application/json"}, told
    return (200, {}, "ok") if wrong is None else (400 if wrong != "no_service" else 404, {}, wrong)


def slack_mistake(headers: dict[str, str], body: Any, bot: bool) -> str | None:
    if bot and headers.get("authorization") != f"Bearer {TOKEN}":
        return "invalid_auth"
    if bot and body.get("channel") != "C1":
        return "channel_not_found"
    if set(body) - {"text", "blocks"} - ({"channel"} if bot else set()) or not body.get("text"):
        return "invalid_blocks" if body.get("text") else "no_text"
    return None if len(body["blocks"]) <= 50 and all(map(is_block, body["blocks"])) else "invalid_blocks"


def is_text(text: Any, kinds: tuple[str, ...], most: int) -> bool:
    return (
        set(text) == {"type", "text"} and text["type"] in kinds and 0 < len(text["text"]) <= most
        and not (text["type"] == "mrkdwn" and "<" in text["text"])
    )  # fmt: skip


def is_block(block: dict[str, Any]) -> bool:
    match block["type"]:
        case "header":
            return set(block) == {"type", "text"} and is_text(block["text"], ("plain_text",), 150)
        case "section":
            fields = block.get("fields", [])
            text = "text" not in block or is_text(block["text"], ("mrkdwn", "plain_text"), 3000)
            return set(block) <= {"type", "text", "fields"} and text and len(fields) <= 10 and all(
                is_text(each, ("mrkdwn", "plain_text"), 2000) for each in fields
            )  # fmt: skip
        case "actions":
            return set(block) == {"type", "block_id", "elements"} and len(block["block_id"]) <= 255 and all(
                map(is_element, block["elements"])
            )  # fmt: skip
    return False


def is_element(element: dict[str, Any]) -> bool:
    if element["type"] == "button":
        known = {"type", "action_id", "text", "value", "style"}
        return set(element) <= known and is_text(element["text"], ("plain_text",), 75) and element.get(
            "style", "primary") in ("primary", "danger")  # fmt: skip
    options = element["options"]
    return (
        element["type"] == "static_select"
        and set(element) == {"type", "action_id", "placeholder", "options"}
        and is_text(element["placeholder"], ("plain_text",), 150)
        and 0 < len(options) <= 100
        and all(is_text(each["text"], ("plain_text",), 75) and len(each["value"]) <= 150 for each in options)
    )


SLACK_BUSY: Reply = (429, {"retry-after": "30"}, {"ok": False, "error": "ratelimited"})


@pytest.mark.parametrize("by", ["bot", "hook"])
async def test_slack_gets_a_message_with_buttons(kept: Any, mql: Mql, by: str) -> None:
    async with standing(StandIn(slack_api, SLACK_BUSY)) as slack:
        hook = f"{slack.url}/services/T/B/X"
        options = {"channel": "C1", "secret": TOKEN} if by == "bot" else {"secret": hook}
        await kept.endpoint(None, kind="slack", rep="ana", language="es", **options)
        events = await kept.handle(assign_leads, *(mql(employees=600, touchpoints=story()) for _ in range(6)))
        said = await insist(kept, slack_url=f"{slack.url}/api")
    assert len(slack.taken) == 6
    assert slack.turned_away > 0
    assert [type(event) for event in said] == [DeliveryMade] * 6
    message = slack.taken[0][1]
    assert message["text"] == "Nuevo lead: Olga Ibarra, Acme"
    shown = orjson.dumps(message).decode()
    assert "&lt;SAP&gt; &amp; &lt;!channel&gt;" in shown
    assert "<!channel>" not in shown
    assert "Prices (2 veces)" in shown
    assert "Scanned" not in shown
    assert "soy Ana, de Test. Nos preguntaste" in shown
    (actions,) = (block for block in message["blocks"] if block["type"] == "actions")
    assert actions["block_id"] in {f"relevo.{event.assignment_id}.1" for event in events}
    assert [option["value"] for option in actions["elements"][-1]["options"]] == list(REJECT_REASONS)


@pytest.mark.parametrize(
    ("options", "disabled"),
    [({"channel": "C1", "secret": "another"}, True), ({"channel": "C9", "secret": TOKEN}, True)],
    ids=["token", "channel"],
)  # fmt: skip
async def test_slack_that_shut_us_out_is_disabled(kept: Any, mql: Mql, options: Any, disabled: bool) -> None:
    async with standing(StandIn(slack_api, SLACK_BUSY)) as slack:
        await kept.endpoint(None, kind="slack", **options)
        await kept.handle(assign_leads, mql())
        (failed,) = await insist(kept, slack_url=f"{slack.url}/api")
    assert isinstance(failed, DeliveryFailed)
    (row,) = await kept.sql("select disabled_at is not null as disabled from endpoint")
    assert row["disabled"] is disabled


# HubSpot.

CONTACT = {"email", "firstname", "lastname", "phone", "jobtitle", "company", "website", "country", "hubspot_owner_id"}
TASK = {"hs_timestamp", "hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_task_type",
        "hubspot_owner_id"}  # fmt: skip
HUBSPOT_BUSY: Reply = (
    429, {"content-type": "application/json"},
    {"status": "error", "message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT",
     "correlationId": "c033cdaa", "policyName": "TEN_SECONDLY_ROLLING"},
)  # fmt: skip


def hubspot_error(status: int, category: str, message: str) -> Reply:
    told = {"status": "error", "message": message, "correlationId": "aeb5f871", "category": category}
    return status, {"content-type": "application/json", "x-hubspot-correlation-id": "aeb5f871"}, told


def hubspot_api(method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: Any) -> Reply:
    if headers.get("authorization") != f"Bearer {TOKEN}":
        return hubspot_error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if (method, path) == ("GET", "/crm/v3/owners"):
        owners = {"ana@us.example": "77"}
        found = [owners[each] for each in query.get("email", []) if each in owners]
        return 200, {}, {"results": [{"id": each, "type": "PERSON", "archived": False} for each in found]}
    if (method, path) == ("POST", "/crm/v3/objects/contacts/batch/upsert"):
        (given,) = body["inputs"]
        if set(given) != {"idProperty", "id", "properties"} or set(given["properties"]) - CONTACT:
            return hubspot_error(400, "VALIDATION_ERROR", "Property values were not valid")
        return 200, {}, {"status": "COMPLETE", "results": [{"id": "512", "properties": {}, "new": True}]}
    if (method, path) == ("POST", "/crm/v3/objects/tasks"):
        (tied,) = body["associations"]
        sound = set(body) == {"properties", "associations"} and not set(body["properties"]) - TASK and tied == {
            "to": {"id": "512"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}],
        }  # fmt: skip
        return (201, {}, {"id": "901"}) if sound else hubspot_error(400, "VALIDATION_ERROR", "not valid")
    return hubspot_error(404, "OBJECT_NOT_FOUND", "resource not found")


async def test_hubspot_gets_a_contact_with_its_owner_and_a_task_that_tells_everything(kept: Any, mql: Mql) -> None:
    async with standing(StandIn(hubspot_api, HUBSPOT_BUSY)) as hubspot:
        await kept.endpoint(None, kind="hubspot", rep="ana", secret=TOKEN)
        await kept.handle(assign_leads, mql(employees=600, touchpoints=story()))
        (made,) = await insist(kept, hubspot_url=hubspot.url, public_url="https://relevo.example")
    assert isinstance(made, DeliveryMade)
    assert hubspot.turned_away > 0
    contact = next(body["inputs"][0] for path, body in hubspot.taken if path.endswith("upsert"))
    assert (contact["id"], contact["properties"]["hubspot_owner_id"]) == ("olga@acme.example", "77")
    task = hubspot.taken[-1][1]["properties"]
    assert (task["hs_task_subject"], task["hubspot_owner_id"]) == ("New lead: Olga Ibarra, Acme", "77")
    assert "&lt;SAP&gt;" in task["hs_task_body"]
    assert task["hs_task_body"].count("https://relevo.example/a/") == 3
    (row,) = await kept.sql("select remote from delivery")
    assert orjson.loads(row["remote"]) == {"contact": "512", "task": "901"}


async def test_hubspot_that_refuses_the_token_is_disabled(kept: Any, mql: Mql) -> None:
    async with standing(StandIn(hubspot_api, HUBSPOT_BUSY)) as hubspot:
        await kept.endpoint(None, kind="hubspot", secret="another")
        await kept.handle(assign_leads, mql())
        (failed,) = await insist(kept, hubspot_url=hubspot.url)
    assert (failed.reason, failed.status) == ("HubSpot refused the token", 401)
    assert (await kept.sql("select disabled_at from endpoint"))[0][0] is not None


# E-mail.


class Mailbox:
    """A mail server's inside: greylists the first try (RFC 6647), knows two addresses."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.greylisted = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if not self.greylisted:
            self.greylisted = True
            return "450 4.7.1 Greylisted, please try again in a minute"
        if address.partition("@")[0] not in ("ana", "marketing"):
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.got.append(envelope)
        return "250 Message accepted"


@asynccontextmanager
async def mail_server(box: Mailbox) -> AsyncIterator[str]:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"relevo", b"p@ss"), handled=False)

    def made() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # it says that a login without TLS is no good, and is right
            return SMTP(box, authenticator=check, auth_required=True, auth_require_tls=False, hostname="mail.example")

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def parts(message: Message) -> dict[str, str]:
    return {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}  # type: ignore[attr-defined]


async def test_a_rep_gets_an_email_with_one_click_links(kept: Any, mql: Mql) -> None:
    from email import policy
    from email.parser import BytesParser

    box = Mailbox()
    async with mail_server(box) as address:
        sender = {"smtp": f"smtp://relevo:p%40ss@{address}", "mail_from": "Relevo <relevo@us.example>"}
        await kept.endpoint(None, kind="email", rep="ana", language="es")
        await kept.handle(assign_leads, mql(employees=600, touchpoints=story()))
        (made,) = await insist(kept, public_url="https://relevo.example", **sender)
    assert (made.status, made.tries) == (250, 2), "greylisted first"
    (envelope,) = box.got
    message = BytesParser(policy=policy.default).parsebytes(envelope.content)  # type: ignore[arg-type]
    assert (envelope.rcpt_tos, message["Subject"]) == (["ana@us.example"], "Nuevo lead: Olga Ibarra, Acme")
    assert message["Message-ID"].startswith(f"<{made.webhook_id}@")
    both = parts(message)
    assert set(both) == {"text/plain", "text/html"}
    assert "Does it speak <SAP> & <!channel>?" in both["text/plain"]
    assert "&lt;SAP&gt;" in both["text/html"]
    assert "<SAP>" not in both["text/html"]
    for text in both.values():
        assert text.count("https://relevo.example/a/") == 3
        assert "soy Ana, de Test. Nos preguntaste" in text


@pytest.mark.parametrize(
    ("login", "to", "state", "error"),
    [
        ("relevo:wrong", "ana@us.example", "pending", "the mail server answered 535"),
        ("relevo:p%40ss", "nobody@us.example", "failed", "the mail server refused the recipient: 550"),
    ],
)  # fmt: skip
async def test_a_mail_server_that_refuses(kept: Any, mql: Mql, login: str, to: str, state: str, error: str) -> None:
    box = Mailbox()
    box.greylisted = True
    async with mail_server(box) as address:
        await kept.endpoint(None, kind="email", to=to)
        await kept.handle(assign_leads, mql())
        await kept.try_once(smtp=f"smtp://{login}@{address}", mail_from="relevo@us.example")
    (row,) = await kept.sql("select state, error from delivery")
    assert (row["state"], row["error"]) == (state, error)
    assert box.got == []


def test_both_languages_say_everything() -> None:
    assert ENGLISH.keys() == SPANISH.keys()
    for key, text in ENGLISH.items():
        names = {name for name in ("who", "rep", "us", "first", "text", "title", "due") if f"{{{name}}}" in text}
        assert all(f"{{{name}}}" in SPANISH[key] for name in names), key
    assert all(set(found) == set(REJECT_REASONS) for found in REASONS.values())
