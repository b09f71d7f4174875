"""Shows that what other people recorded of real tools is taken and refused as they took and refused it, and read alike;
and that no damaged byte of it makes ingest fail.

The recordings are other people's work (`SOURCE` files beside them); set RELEVO_MATERIAL, or have `shared/material`
beside the checkout. A tool joins by a line in TOOLS. RELEVO_MUTATIONS and RELEVO_SEED say how much is damaged, and how.
"""

import asyncio
import base64
import hmac
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
import yaml

from ingest.admit import prove
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable, Wanted
from ingest.json_body import raw
from ingest.normalise import recorded
from ingest.registry import Secret, Source, SourcesError, load
from ingest.sources import KINDS
from relevo.testing.proxy import Proxy

ALL = Path(os.environ.get("RELEVO_MATERIAL", Path(__file__).parents[4] / "shared" / "material"))
MATERIAL, FORMS = ALL / "email_webhooks", ALL / "web_forms"
pytestmark = pytest.mark.skipif(not MATERIAL.is_dir(), reason="RELEVO_MATERIAL is not there")

Json = dict[str, Any]
Sign = Callable[[bytes, Json], Mapping[str, str]]

# Their words for what happened, ours for it: what says nothing of the person is `other`.
TYPES = {
    "sent": "email_sent",
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "bounced": "email_bounced",
    "complained": "email_complained",
    "unsubscribed": "email_unsubscribed",
    **dict.fromkeys(("queued", "deferred", "rejected", "failed", "subscribed", "unknown"), "other"),
}
NO_SOURCE, REFUSED, TAKEN = "no source", "refused", "taken"
# Where we mean to differ from what was recorded.
OTHERWISE = {
    # Anymail takes what nothing proves, with a warning; Relevo has no such source.
    **{f"{tool}.test_warns_if_no_auth": NO_SOURCE for tool in ("sendgrid", "postmark", "amazon_ses")},
    "resend.test_basic_auth_required_without_secret": NO_SOURCE,
    # Before Mandrill shows its key there is a source with any secret, which answers a HEAD as well.
    "mandrill.test_head_does_not_require_webhook_key": NO_SOURCE,
}


@dataclass(frozen=True)
class Recorded:
    """Where a tool's recordings lie, what the setting is called that it signs with, and how a body is signed anew."""

    file: str
    secret: tuple[str, ...] = ()
    sign: Sign | None = None


def mandrill_sign(body: bytes, case: Json) -> Mapping[str, str]:
    form = dict(part.split(b"\r\n\r\n", 1) for part in body.split(b'form-data; name="')[1:] if b"\r\n\r\n" in part)
    told = form.get(b'mandrill_events"', b"").removesuffix(b"\r\n--BoUnDaRyStRiNg--\r\n").decode("utf-8", "replace")
    signed = f"https://mutated.example/mandrillmandrill_events{told.strip()}".encode()
    return {"x-mandrill-signature": base64.b64encode(hmac.digest(b"mutated", signed, "sha1")).decode()}


def hubspot_sign(body: bytes, case: Json) -> Mapping[str, str]:
    return {"x-hubspot-signature": sha256(b"mutated" + body).hexdigest(), "x-hubspot-signature-version": "v1"}


TOOLS = {
    "amazon_ses": Recorded("amazon_ses.json"),
    "mailgun": Recorded("mailgun.json", ("ANYMAIL_MAILGUN_WEBHOOK_SIGNING_KEY", "ANYMAIL_MAILGUN_API_KEY")),
    "mandrill": Recorded("mandrill.json", ("ANYMAIL_MANDRILL_WEBHOOK_KEY",), mandrill_sign),
    "postmark": Recorded("postmark.json"),
    "resend": Recorded("resend.json", ("ANYMAIL_RESEND_SIGNING_SECRET",)),
    "sendgrid": Recorded("sendgrid.json", ("SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",)),
}


def cases(kind: str) -> list[Json]:
    found: list[Json] = json.loads((MATERIAL / TOOLS[kind].file).read_text())
    return found


def everything(chosen: Callable[[str, Json], bool] = lambda kind, case: True) -> list[Any]:
    return [
        pytest.param(kind, case, id=f"{kind}-{case['test'].rpartition('.')[2]}-{number}")
        for kind in (TOOLS if MATERIAL.is_dir() else ())
        for number, case in enumerate(cases(kind))
        if chosen(kind, case)
    ]


def source_of(kind: str, case: Json) -> Source:
    """The source with the settings of the recording. Raises SourcesError where those prove nothing."""
    settings = {**(case["settings"].get("ANYMAIL") or {}), **case["settings"]}
    basic = settings.get("WEBHOOK_SECRET") or []
    passwords = [each.partition(":")[2] for each in ([basic] if isinstance(basic, str) else basic)]
    secret = next((settings[name] for name in TOOLS[kind].secret if name in settings), None)
    told = settings.get("MANDRILL_WEBHOOK_URL")  # with user and password, which our own leaves out
    entry = {
        "name": kind,
        "kind": kind,
        "keys": [{"sha256": sha256(password.encode()).hexdigest()} for password in passwords],
        "secrets": [{"env": "IT"}] if secret else [],
        "url": re.sub("//.*@", "//", told) if told else urljoin("http://testserver", case["path"]),
    }

    def reveal(told: Secret) -> str:
        return str(secret)

    (source,) = load(yaml.safe_dump({"sources": [entry]}), reveal)
    return source


def request_of(case: Json) -> Request:
    headers = {name.lower().encode(): value.encode() for name, value in case["headers"].items()}
    return Request(case["method"], "/v1/webhooks/it", case["body"].encode(), headers={
        **headers, b"content-type": case["content_type"].encode()
    })  # fmt: skip


def moment(case: Json) -> datetime:
    """When it was recorded, as far as its signature says."""
    told = case["headers"].get("svix-timestamp")
    return datetime.fromtimestamp(float(told), UTC) if told else datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def verdict(kind: str, case: Json) -> str:
    try:
        source = source_of(kind, case)
    except SourcesError:
        return NO_SOURCE
    if case["method"] != "POST":
        return TAKEN  # by the door, for all tools
    try:
        prove(KINDS[source.kind], request_of(case), source, moment(case))
    except Unauthentic:
        return REFUSED
    return TAKEN


def outcomes(kind: str, case: Json) -> list[Outcome]:
    source = source_of(kind, case)
    try:
        return list(KINDS[source.kind].normalise(request_of(case), source, moment(case)))
    except (Unusable, Wanted):
        return []


@pytest.mark.parametrize(("kind", "case"), everything())
def test_it_is_taken_or_refused_as_recorded(kind: str, case: Json) -> None:
    theirs = {200: TAKEN, 400: REFUSED, 401: REFUSED}.get(case.get("status", 0))
    if theirs is None:  # their settings were wrong: ours cannot be written, or the tool sent what is no event
        theirs = NO_SOURCE if "You must set" in case["raised"] else TAKEN
    elif theirs is REFUSED and not case["settings"].get("ANYMAIL"):
        theirs = NO_SOURCE
    assert verdict(kind, case) == OTHERWISE.get(f"{kind}.{case['test'].rpartition('.')[2]}", theirs)


def is_read(kind: str, case: Json) -> bool:
    return case["method"] == "POST" and verdict(kind, case) is TAKEN


@pytest.mark.parametrize(("kind", "case"), everything(is_read))
def test_it_is_read_as_recorded(kind: str, case: Json) -> None:
    """Type, recipient, UTC time, event id and clicked URL, of every event, in order; where they read none, nobody is
    named but who wrote a message, for which their library has another address."""
    found = [outcome for outcome in outcomes(kind, case) if isinstance(outcome, Draft)]
    if not case.get("normalised_events"):
        named = [draft.original_type for draft in found if draft.email]
        assert set(named) <= {"route", "Inbound", "Received"}
        return
    assert [read(draft) for draft in found] == [
        (
            TYPES[event["event_type"]],
            event["recipient"],
            datetime.fromisoformat(event["timestamp"]) if event["timestamp"] else None,
            event["event_id"],
            event["click_url"],
        )
        for event in case["normalised_events"]
    ]


def read(draft: Draft) -> tuple[Any, ...]:
    # Of an event about several people each touchpoint's id ends in its person.
    own_id = draft.event_id and draft.event_id.removesuffix(f":{draft.email}")
    return draft.touch, draft.email, draft.occurred_at, own_id, draft.what.get("link")


@pytest.mark.parametrize(("kind", "case"), everything(is_read))
def test_what_is_kept_of_an_event_is_read_alike_when_it_comes_back(kind: str, case: Json) -> None:
    source = source_of(kind, case)
    for outcome in outcomes(kind, case):
        again = Request("POST", "/v1/webhooks/it", raw(outcome.told), headers=request_of(case).headers)
        if isinstance(outcome, Draft):
            assert outcome in KINDS[source.kind].normalise(again, source, moment(case))


def test_sendgrid_s_own_signature_vectors() -> None:
    vectors = json.loads((MATERIAL / "sendgrid_signed" / "vectors.json").read_text())
    assert vectors["body"].encode() == (MATERIAL / "sendgrid_signed" / "body.bin").read_bytes()
    for each in vectors["cases"]:
        told = vectors | each
        signature = {vectors["header_signature"]: told["signature"], vectors["header_timestamp"]: told["timestamp"]}
        case = {"settings": {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": told["public_key"]}, "body": told["body"],
                "headers": signature, "content_type": "application/json", "path": "/", "method": "POST"}  # fmt: skip
        assert (each["name"], verdict("sendgrid", case) is TAKEN) == (each["name"], each["expect"])


def test_hubspot_s_own_signature_vectors() -> None:
    for vector in json.loads((MATERIAL / "hubspot" / "signature_vectors.json").read_text())["vectors"]:
        entry = {"name": "it", "kind": "hubspot", "secrets": [{"env": "IT"}], "url": vector["url"]}
        (source,) = load(yaml.safe_dump({"sources": [entry]}), lambda _, secret=vector["client_secret"]: secret)
        now = datetime.fromtimestamp(int(vector.get("timestamp", 0)) / 1000, UTC)
        v3 = {b"x-hubspot-signature-v3": vector["signature"].encode(),
              b"x-hubspot-request-timestamp": vector.get("timestamp", "").encode()}  # fmt: skip
        older = {b"x-hubspot-signature": vector["signature"].encode(),
                 b"x-hubspot-signature-version": vector["version"].encode()}  # fmt: skip
        headers = v3 if vector["version"] == "v3" else older
        sent = Request(vector["method"], "/webhook_uri", vector["request_body"].encode(), headers=headers)
        prove(KINDS["hubspot"], sent, source, now)
        for forged in (
            Request(sent.method, sent.path, sent.body + b" ", headers=headers),
            Request(sent.method, sent.path, sent.body, headers=dict.fromkeys(headers, b"x")),
        ):
            with pytest.raises(Unauthentic):
                prove(KINDS["hubspot"], forged, source, now)


MAILCHIMP = {
    "subscribe": "identified", "profile": "identified", "upemail": "identified",
    "unsubscribe": "email_unsubscribed", "cleaned": "email_bounced", "campaign": "other",
}  # fmt: skip


def test_mailchimp_s_documented_samples() -> None:
    (source,) = load(yaml.safe_dump({"sources": [{"name": "m", "kind": "mailchimp", "keys": [{"sha256": "0" * 64}]}]}))
    for case in json.loads((MATERIAL / "mailchimp_predictionio" / "cases.json").read_text()):
        headers = {b"content-type": case["content_type"].encode()}
        sent = Request("POST", "/v1/webhooks/m", urlencode(case["form"]).encode(), headers=headers)
        (draft,) = KINDS["mailchimp"].normalise(sent, source, moment({"headers": {}}))
        assert isinstance(draft, Draft)
        expected, properties = case["expected_event"], case["expected_event"]["properties"]
        assert read(draft) == (
            MAILCHIMP[expected["event"]],
            properties.get("new_email") or properties.get("email"),
            datetime.fromisoformat(expected["eventTime"]),
            None,
            None,
        )
        names = properties.get("merges", {})
        assert (draft.first, draft.last) == (names.get("FNAME"), names.get("LNAME"))
        if draft.email:
            assert recorded(draft, source, b"s", moment({"headers": {}})).subjects[0].value == draft.email


def form_payloads() -> dict[str, Json]:
    """The submissions of form tools, by tool; the envelope of Typeform's was lost on the way."""
    found = {entry["provider"].lower(): entry["body"] for entry in json.loads((FORMS / "payloads.json").read_text())}
    assert set(found) == {"typeform", "webflow"}
    return found | {"typeform": {"event_type": "form_response", "form_response": found["typeform"]}}


def test_submissions_of_form_tools() -> None:
    for kind, body in form_payloads().items():
        signed = json.dumps(body).encode()
        at = b"1705329000000"
        headers = {
            "typeform": {b"typeform-signature": b"sha256=" + base64.b64encode(hmac.digest(b"s", signed, "sha256"))},
            "webflow": {b"x-webflow-timestamp": at,
                        b"x-webflow-signature": hmac.digest(b"s", at + b":" + signed, "sha256").hex().encode()},
        }[kind]  # fmt: skip
        (source,) = load(
            yaml.safe_dump({"sources": [{"name": kind, "kind": kind, "secrets": {"env": "IT"}}]}), lambda _: "s"
        )
        now = datetime.fromtimestamp(int(at) / 1000, UTC)
        prove(KINDS[source.kind], Request("POST", "/", signed, headers=headers), source, now)
        with pytest.raises(Unauthentic):
            prove(KINDS[source.kind], Request("POST", "/", signed + b" ", headers=headers), source, now)
        (draft,) = KINDS[source.kind].normalise(Request("POST", "/", signed, headers=headers), source, now)
        assert isinstance(draft, Draft)
        if kind == "typeform":
            assert (draft.event_id, draft.fields) == ("9q3v9bp5alonta6239q3q1rfly2c2ukh", {"...": "Choice 1"})
            assert draft.occurred_at == datetime(2023, 1, 29, 20, 52, 37, tzinfo=UTC)
            with pytest.raises(Unusable, match="email, user_id or anonymous_id"):
                recorded(draft, source, b"s", now)  # nobody was asked who it was
        else:
            event = recorded(draft, source, b"s", now)
            assert (event.subjects[0].value, event.names.first) == ("john.doe@example.com", "John")
            assert (draft.event_id, event.what.form) == ("65a5d3c8f7e2b40012345678", "Contact Us Form")
            assert event.what.text == "I'd like to learn more about your services"
            assert event.occurred_at == datetime(2024, 1, 15, 14, 30, tzinfo=UTC)


# Mutations, through the doors of a running ingest.

MUTATIONS = int(os.environ.get("RELEVO_MUTATIONS", "600"))
SEED = int(os.environ.get("RELEVO_SEED", "2026"))
_NASTY = [*b'\x00 \xff \\u0000 \\ud800 " { 1e999 NaN null & %00 ='.split(b" "), b"[" * 60, b"\r\n"]


def mutated(body: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del damaged[at : at + chance.randint(1, 20)]
            case 2:
                damaged[at:at] = damaged[at : at + chance.randint(1, 40)]
            case 3:
                damaged[at:at] = chance.choice(_NASTY)
            case 4:
                del damaged[at:]
    return bytes(damaged)


def sendable() -> dict[str, list[Json]]:
    """Everything recorded, by tool; a subscription's is left out, because confirming it leads outside."""
    found = {kind: [case for case in cases(kind) if "SubscribeURL" not in case["body"]] for kind in TOOLS}
    samples = json.loads((MATERIAL / "mailchimp_predictionio" / "cases.json").read_text())
    found["mailchimp"] = [case | {"body": urlencode(case["form"])} for case in samples]
    event = {"eventId": 1, "subscriptionType": "contact.propertyChange", "objectId": 7, "propertyName": "email"}
    body = json.dumps([event | {"propertyValue": "ana@empresa.es"}])
    found["hubspot"] = [{"body": body, "content_type": "application/json"}]
    for kind, submission in form_payloads().items():
        found[kind] = [{"body": json.dumps(submission), "content_type": "application/json"}]
    return found


def key_of(name: str) -> Json:
    return {"keys": [{"sha256": sha256(name.encode()).hexdigest()}]}


@pytest.mark.asyncio(loop_scope="session")
async def test_no_damaged_byte_makes_it_fail(
    cut_kafka: Proxy, tmp_path: Path, open_ingest: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the broker away: the spool takes what comes in many times faster than the embedded broker does."""
    # A busy machine's disk may take longer than a sender waits: that is 503, and not the bytes' doing.
    monkeypatch.setattr("ingest.journal._DISK_SECONDS", 60.0)
    (tmp_path / "mutated").write_text("mutated")
    (tmp_path / "mailgun").write_text("TEST_WEBHOOK_SIGNING_KEY")
    signed = {
        "mailgun": {"secrets": {"file": "mailgun"}},
        "mandrill": {"secrets": {"file": "mutated"}, "url": "https://mutated.example/mandrill"},
        "hubspot": {"secrets": {"file": "mutated"}, "url": "https://mutated.example/hubspot"},
    }
    payloads, chance = sendable(), random.Random(SEED)
    kinds = list(payloads)
    entries = [{"name": kind, "kind": kind, **signed.get(kind, key_of(kind))} for kind in kinds]
    signs = {"hubspot": hubspot_sign} | {kind: tool.sign for kind, tool in TOOLS.items() if tool.sign}
    seen: Counter[tuple[str, int]] = Counter()

    async with open_ingest(cut_kafka.address, tmp_path, entries) as at:
        cut_kafka.cut()

        async def send(number: int) -> None:
            kind = kinds[number % len(kinds)]
            case = chance.choice(payloads[kind])
            body = mutated(case["body"].encode(), chance)
            headers = {"content-type": case["content_type"], **(signs[kind](body, case) if kind in signs else {})}
            key = "" if kind in signed else f"?key={kind}"
            answer = await at.client.post(f"{at.url}/v1/webhooks/{kind}{key}", content=body, headers=headers)
            seen[kind, answer.status_code] += 1
            assert answer.status_code in (200, 400, 401), (SEED, number, kind, answer.text, body)

        for start in range(0, MUTATIONS, 20):
            await asyncio.gather(*map(send, range(start, min(start + 20, MUTATIONS))))

    assert sum(seen.values()) == MUTATIONS
    assert all(seen[kind, 200] for kind in kinds), sorted(seen.items())
