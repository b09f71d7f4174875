"""Shows each e-mail tool's events read as its documentation means them, its signatures checked, forged ones refused.

The examples follow the pages that the modules name; those with a published signature say so.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from standardwebhooks import Webhook

from ingest.admit import prove
from ingest.draft import Draft, Fetched, Outcome, Refused, Request, Unusable, Wanted
from ingest.normalise import recorded
from ingest.sources import KINDS
from relevo.kinds import ALWAYS_SIGN

from .tools import FORM, JSON, KEYED, NOW, request, source, takes

AT = int(NOW.timestamp())


def read(kind: str, body: Any, headers: Mapping[str, str] = JSON) -> Sequence[Outcome]:
    of = source(kind, *(["s"] if kind in ALWAYS_SIGN else []), url="https://x.example", **KEYED)
    return KINDS[of.kind].normalise(request(body, headers), of, NOW)


def drafts(kind: str, body: Any, headers: Mapping[str, str] = JSON) -> list[Draft]:
    found = read(kind, body, headers)
    assert all(isinstance(outcome, Draft) for outcome in found), found
    return [outcome for outcome in found if isinstance(outcome, Draft)]


def machine(draft: Draft) -> bool:
    return recorded(draft._replace(email="ana@empresa.es"), source("postmark", **KEYED), b"s", NOW).machine


# SendGrid


EVENT = {"email": "ana@empresa.es", "timestamp": 1795428000, "sg_event_id": "e", "sg_message_id": "m.filter"}


def test_sendgrid_signs_time_and_body() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    shown = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    of = source("sendgrid", "no key at all", base64.b64encode(shown).decode())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    body = json.dumps([EVENT]).encode() + b"\r\n"

    def sent(signer: ec.EllipticCurvePrivateKey, body: bytes, at: str = "1795428000") -> Request:
        signature = base64.b64encode(signer.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
        return request(body, {"X-Twilio-Email-Event-Webhook-Signature": signature,
                              "X-Twilio-Email-Event-Webhook-Timestamp": at})  # fmt: skip

    assert takes(of, sent(key, body))
    assert takes(source("sendgrid", pem), sent(key, body))
    assert not takes(of, sent(other, body))
    assert not takes(of, Request("POST", "/", body + b" ", headers=sent(key, body).headers))
    assert not takes(of, sent(key, body, ""))
    assert not takes(of, request(body))


@pytest.mark.parametrize(
    ("more", "touch", "by_machine"),
    [
        ({"event": "open", "useragent": "Mozilla/5.0 (Macintosh)"}, "email_opened", False),
        ({"event": "open", "sg_machine_open": True}, "email_opened", True),
        ({"event": "open", "sg_machine_open": False}, "email_opened", False),
        ({"event": "open", "useragent": "Mozilla/5.0"}, "email_opened", True),
        ({"event": "bounce", "type": "bounce"}, "email_bounced", False),
        ({"event": "bounce", "type": "blocked"}, "other", False),
        ({"event": "spamreport"}, "email_complained", False),
        ({"event": "unsubscribe"}, "email_unsubscribed", False),
        ({"event": "group_unsubscribe", "asm_group_id": 7}, "email_unsubscribed", False),
        ({"event": "group_resubscribe", "asm_group_id": 7}, "other", False),
        ({"event": "account_status_change"}, "other", False),
        ({}, "other", False),
    ],
)
def test_sendgrid_s_events(more: dict[str, Any], touch: str, by_machine: bool) -> None:
    (draft,) = drafts("sendgrid", [EVENT | more])
    assert (draft.touch, draft.original_type, machine(draft)) == (touch, more.get("event"), by_machine)


def test_one_bad_sendgrid_event_costs_the_others_nothing() -> None:
    body = b'[{"event":"open","email":"a@b.es","sg_event_id":"1"},17,{"event":"\\ud800"},{"event":"click","url":"https://x.es"}]'
    one, two, three, four = read("sendgrid", body)
    assert [type(outcome) for outcome in (one, two, three, four)] == [Draft, Refused, Refused, Draft]


def test_what_a_sendgrid_customer_adds_is_kept() -> None:
    (draft,) = drafts(
        "sendgrid", [EVENT | {"event": "click", "url": "https://x.es", "category": ["a", "b"], "plan": "pro"}]
    )
    assert draft.fields == {"category": "a, b", "plan": "pro"}
    assert draft.what == {"message_id": "m.filter", "link": "https://x.es"}


# Mailgun


def mailgun(event: dict[str, Any], secret: str = "k", token: str = "t-1") -> dict[str, Any]:
    signature = hmac.new(secret.encode(), b"1795428000" + token.encode(), "sha256").hexdigest()
    return {"signature": {"timestamp": "1795428000", "token": token, "signature": signature}, "event-data": event}


def test_mailgun_signs_time_and_token() -> None:
    of = source("mailgun", "old", "k")
    assert takes(of, request(mailgun({})))
    assert not takes(of, request(mailgun({}, "another")))
    for part in ("timestamp", "token", "signature"):
        for wrong in ("", None, 7, "x" * 64, "\ud800"):
            sent = mailgun({})
            sent["signature"][part] = wrong
            assert not takes(of, request(sent))
    assert not takes(of, request({"event-data": {}}))
    assert not takes(of, request(b"{"))
    form = {"timestamp": "1795428000", "token": "t-1", "signature": mailgun({})["signature"]["signature"]}
    assert takes(of, request(urlencode(form).encode(), FORM))
    assert not takes(of, request(urlencode(form | {"token": "t-2"}).encode(), FORM))


@pytest.mark.parametrize(
    ("event", "touch", "by_machine"),
    [
        ({"event": "opened", "client-info": {"bot": "apple", "user-agent": "Mozilla/5.0"}}, "email_opened", True),
        ({"event": "clicked", "client-info": {"bot": "generic"}}, "email_clicked", True),
        ({"event": "opened", "client-info": {"bot": "", "client-type": "browser"}}, "email_opened", False),
        ({"event": "failed", "severity": "permanent", "reason": "bounce"}, "email_bounced", False),
        ({"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"}, "other", False),
        ({"event": "failed", "severity": "temporary", "reason": "generic"}, "other", False),
        ({"event": "list_member_uploaded"}, "other", False),
    ],
)
def test_mailgun_s_events(event: dict[str, Any], touch: str, by_machine: bool) -> None:
    (draft,) = drafts("mailgun", mailgun(event | {"recipient": "ana@empresa.es"}))
    assert (draft.touch, draft.original_type, machine(draft)) == (touch, event["event"], by_machine)


def test_what_mailgun_signs_and_is_neither_event_nor_message_is_refused() -> None:
    (refused,) = read("mailgun", mailgun({"sender": "ana@empresa.es", "recipient": "us@empresa.es"}))
    assert isinstance(refused, Refused)
    with pytest.raises(Unusable):
        read("mailgun", urlencode({"token": "t", "sender": "ana@empresa.es"}).encode(), FORM)


# Postmark


@pytest.mark.parametrize(
    ("event", "touch"),
    [
        ({"RecordType": "Bounce", "Type": "HardBounce"}, "email_bounced"),
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, "other"),
        ({"RecordType": "Bounce", "Type": "AutoResponder"}, "other"),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
         "email_unsubscribed"),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False}, "other"),
        ({"RecordType": "Transformed"}, "other"),
        ({}, "other"),
    ],
)  # fmt: skip
def test_postmark_s_events(event: dict[str, Any], touch: str) -> None:
    (draft,) = drafts("postmark", event)
    assert (draft.touch, draft.original_type) == (touch, event.get("RecordType"))


def test_postmark_is_known_by_the_password_of_its_address() -> None:
    of = source("postmark", **KEYED)
    for told, right in (("relevo:key", True), ("relevo:wrong", False)):
        basic = base64.b64encode(told.encode()).decode()
        assert takes(of, request({}, {"authorization": f"Basic {basic}"})) is right


# Amazon SES over SNS


TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses"
CERTIFICATE_AT = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
SUBSCRIBE_AT = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
RSA_KEY = rsa.generate_private_key(65537, 2048)


def certificate(days: int = 365) -> Fetched:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(RSA_KEY.public_key())
        .serial_number(7).not_valid_before(NOW - timedelta(days=400)).not_valid_after(NOW + timedelta(days=days))
        .sign(RSA_KEY, SHA256())
    )  # fmt: skip
    return Fetched(200, made.public_bytes(Encoding.PEM))


def notification(message: Any, version: str = "2", **changed: Any) -> dict[str, Any]:
    envelope = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Subject": "Amazon SES Email Event Notification",
        "Message": json.dumps(message), "Timestamp": "2026-11-23T11:59:00.000Z", "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_AT,
    }  # fmt: skip
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    signature = RSA_KEY.sign(signed.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
    return envelope | {"Signature": base64.b64encode(signature).decode()} | changed


def given(envelope: Any, pem: Fetched | None = None) -> Request:
    return request(envelope, **{CERTIFICATE_AT: pem or certificate()})


SES = source("amazon_ses", topics=[TOPIC])


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_signs_for_a_topic_with_the_certificate_it_names(version: str) -> None:
    envelope = notification({"eventType": "Open"}, version)
    with pytest.raises(Wanted) as wanted:
        prove(KINDS["amazon_ses"], request(envelope), SES, NOW)
    assert [(get.url, get.stays) for get in wanted.value.gets] == [(CERTIFICATE_AT, True)]
    assert takes(SES, given(envelope))


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": '{"a":1}'}, {"Subject": "another"}, {"Signature": "AAAA"}, {"Signature": "!"}, {"Signature": None},
        {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:theirs"}, {"SignatureVersion": "1"}, {"SignatureVersion": "3"},
        {"Type": "Other"}, {"Message": "\ud800"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/../x.pem"},
    ],
)  # fmt: skip
def test_what_sns_did_not_sign_for_us_is_refused_and_nothing_fetched_for_it(changed: dict[str, Any]) -> None:
    assert not takes(SES, given(notification({}, **changed)))


def test_a_certificate_out_of_time_or_none_at_all_proves_nothing() -> None:
    assert not takes(SES, given(notification({}), certificate(days=-1)))
    assert not takes(SES, given(notification({}), Fetched(404, b"<html>")))
    assert not takes(SES, given([notification({})]))


def test_a_subscription_is_confirmed_where_sns_says_and_nowhere_else() -> None:
    asked = {"Type": "SubscriptionConfirmation", "SubscribeURL": SUBSCRIBE_AT, "Token": "2336412f37"}
    normalise = KINDS["amazon_ses"].normalise
    with pytest.raises(Wanted) as wanted:
        normalise(request(asked), SES, NOW)
    assert [get.url for get in wanted.value.gets] == [SUBSCRIBE_AT]
    assert normalise(request(asked, **{SUBSCRIBE_AT: Fetched(200, b"<Confirmed/>")}), SES, NOW) == []
    with pytest.raises(Unusable, match="request it again"):
        normalise(request(asked, **{SUBSCRIBE_AT: Fetched(400, b"")}), SES, NOW)
    for elsewhere in ("https://evil.example/?Action=ConfirmSubscription&x", SUBSCRIBE_AT.replace("Confirm", "Delete")):
        with pytest.raises(Unusable, match="no address of SNS"):
            normalise(request(asked | {"SubscribeURL": elsewhere}), SES, NOW)


MAIL = {"messageId": "ses-1", "destination": ["ana@empresa.es"], "tags": {"plan": ["pro"], "ses:from-domain": ["x"]}}


@pytest.mark.parametrize(
    ("event", "touch"),
    [
        ({"eventType": "Bounce", "bounce": {"bounceType": "Transient",
                                            "bouncedRecipients": [{"emailAddress": "ana@empresa.es"}]}}, "other"),
        ({"notificationType": "Bounce", "bounce": {"bounceType": "Permanent",
                                                   "bouncedRecipients": [{"emailAddress": "ana@empresa.es"}]}},
         "email_bounced"),
        ({"eventType": "Open", "open": {"userAgent": "Mozilla/5.0 (iPhone)"}}, "email_opened"),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": "ana@empresa.es"}]}},
         "other"),
        ({"eventType": "Subscription", "subscription": {"newTopicPreferences": {"unsubscribeAll": True}}},
         "email_unsubscribed"),
        ({"eventType": "Subscription", "subscription": {"newTopicPreferences": {"unsubscribeAll": False}}}, "other"),
        ({"eventType": "Something New"}, "other"),
    ],
)  # fmt: skip
def test_ses_s_events(event: dict[str, Any], touch: str) -> None:
    for body in (notification(event | {"mail": MAIL}), event | {"mail": MAIL}):  # and raw, without the envelope
        (draft,) = drafts("amazon_ses", body)
        assert (draft.touch, draft.email, draft.what["message_id"]) == (touch, "ana@empresa.es", "ses-1")
        assert draft.fields.get("plan") == "pro"


def test_an_event_of_several_people_is_a_touchpoint_of_each_unless_it_is_one_person_s() -> None:
    both = MAIL | {"destination": ["ana@empresa.es", "Luis <luis@empresa.es>"]}
    found = drafts("amazon_ses", notification({"eventType": "Send", "mail": both}))
    assert [(draft.email, draft.event_id) for draft in found] == [
        ("ana@empresa.es", "m-1:ana@empresa.es"),
        ("luis@empresa.es", "m-1:luis@empresa.es"),
    ]
    with pytest.raises(Unusable, match="nobody can tell"):
        read("amazon_ses", notification({"eventType": "Click", "mail": both}))


# Mailchimp


@pytest.mark.parametrize(
    ("told", "touch"),
    [
        ({"type": "cleaned", "data[reason]": "hard"}, "email_bounced"),
        ({"type": "cleaned", "data[reason]": "abuse"}, "email_complained"),
        ({"type": "unsubscribe", "data[action]": "unsub"}, "email_unsubscribed"),
        ({"type": "something"}, "other"),
    ],
)
def test_mailchimp_s_events(told: dict[str, str], touch: str) -> None:
    body = told | {"fired_at": "2026-11-23 11:00:00", "data[email]": "ana@empresa.es", "data[merges][FNAME]": "Ana",
                   "data[merges][SECTOR]": "Bricks"}  # fmt: skip
    (draft,) = drafts("mailchimp", urlencode(body).encode(), FORM)
    assert (draft.touch, draft.email, draft.first, draft.fields["SECTOR"]) == (touch, "ana@empresa.es", "Ana", "Bricks")
    assert draft.occurred_at == NOW - timedelta(hours=1)


def test_mailchimp_is_known_by_the_key_in_its_address() -> None:
    of = source("mailchimp", **KEYED)
    assert takes(of, request(b"", FORM, "key=key"))
    assert not takes(of, request(b"", FORM, "key=other"))


# Mandrill


def mandrill(events: Any, key: str = "k", at: str = "https://in.example/v1/webhooks/mandrill") -> Request:
    told = json.dumps(events)
    signature = hmac.new(key.encode(), f"{at}mandrill_events{told}".encode(), "sha1").digest()
    headers = FORM | {"X-Mandrill-Signature": base64.b64encode(signature).decode()}
    return request(urlencode({"mandrill_events": told}).encode(), headers)


def test_mandrill_signs_the_address_as_it_has_it_and_the_form() -> None:
    of = source("mandrill", "old", "k", url="https://in.example/v1/webhooks/mandrill")
    events = [{"event": "open"}]
    assert takes(of, mandrill(events))
    assert not takes(of, mandrill(events, "another"))
    assert not takes(of, mandrill(events, at="https://in.example/v1/webhooks/mandrill/"))
    assert not takes(of, Request("POST", "/", mandrill(events).body + b"&x=1", headers=mandrill(events).headers))
    assert takes(of, mandrill([], "no key yet"))  # how a new webhook is tried: nothing is taken from it
    keyed = source("mandrill", "k", url=of.url, **KEYED)
    with_key = mandrill(events, at=f"{of.url}?key=key")
    assert takes(keyed, Request("POST", "/", with_key.body, b"key=key", with_key.headers))
    assert not takes(keyed, with_key)


@pytest.mark.parametrize(
    ("event", "touch", "by_machine"),
    [
        ({"event": "soft_bounce"}, "other", False),
        ({"event": "unsub"}, "email_unsubscribed", False),
        ({"event": "click", "url": "https://x.es", "user_agent_parsed": {"type": "Robot"}}, "email_clicked", True),
        ({"event": "click", "url": "https://x.es", "user_agent_parsed": {"type": "Browser"}}, "email_clicked", False),
        ({"type": "whitelist", "action": "add"}, "other", False),
    ],
)
def test_mandrill_s_events(event: dict[str, Any], touch: str, by_machine: bool) -> None:
    body = urlencode({"mandrill_events": json.dumps([event | {"msg": {"email": "ana@empresa.es"}}])}).encode()
    (draft,) = drafts("mandrill", body, FORM)
    assert (draft.touch, draft.email, machine(draft)) == (touch, "ana@empresa.es", by_machine)


# HubSpot


SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
CREATED = (  # of HubSpot's page on v1, with the signature it gives for it
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW",'
    b'"appId":54321}]'
)
V1 = {"X-HubSpot-Signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
      "X-HubSpot-Signature-Version": "v1"}  # fmt: skip
HUBSPOT = source("hubspot", SECRET, url="https://in.example/v1/webhooks/hubspot")


def v3(body: bytes, at: int, address: str = "https://in.example/v1/webhooks/hubspot?next=/a:b") -> dict[str, str]:
    signature = hmac.new(SECRET.encode(), f"POST{address}".encode() + body + str(at).encode(), "sha256").digest()
    return {"X-HubSpot-Signature-v3": base64.b64encode(signature).decode(), "X-HubSpot-Request-Timestamp": str(at)}


def test_hubspot_s_published_v1_signature() -> None:
    assert takes(HUBSPOT, request(CREATED, V1))
    assert not takes(HUBSPOT, request(CREATED + b" ", V1))
    assert not takes(source("hubspot", "another", url="https://in.example"), request(CREATED, V1))


def test_hubspot_s_v3_is_checked_where_it_is_there_for_five_minutes_and_over_the_decoded_address() -> None:
    query, now = "next=%2Fa%3Ab", AT * 1000
    assert takes(HUBSPOT, request(CREATED, v3(CREATED, now), query))
    assert takes(HUBSPOT, request(CREATED, v3(CREATED, now - 299_000), query))
    assert not takes(HUBSPOT, request(CREATED, v3(CREATED, now - 301_000), query))
    assert not takes(HUBSPOT, request(CREATED, v3(CREATED, now, "https://other.example/"), query))
    assert not takes(HUBSPOT, request(CREATED, V1 | v3(b"another", now), query))  # the older one does not help it


@pytest.mark.parametrize("at", ["", "x", "nan", "inf", "-1", "9" * 400])
def test_a_signed_time_that_is_none_is_refused(at: str) -> None:
    assert not takes(HUBSPOT, request(CREATED, v3(CREATED, AT) | {"X-HubSpot-Request-Timestamp": at}))
    assert not takes(source("resend", "whsec_a2V5"), request({}, {"svix-id": "a", "svix-timestamp": at,
                                                                  "svix-signature": "v1,x"}))  # fmt: skip


def test_hubspot_s_events_know_a_contact_by_hubspot_s_id() -> None:
    changed = {"subscriptionType": "contact.propertyChange", "objectId": 123, "propertyName": "email", "eventId": 2,
               "subscriptionId": 3, "propertyValue": "ana@empresa.es", "occurredAt": 1795428000000}  # fmt: skip
    (created,) = drafts("hubspot", CREATED)
    (email,) = drafts("hubspot", [changed])
    (field,) = drafts("hubspot", [changed | {"propertyName": "employees", "propertyValue": "120"}])
    (newer,) = drafts("hubspot", [changed | {"subscriptionType": "object.propertyChange", "objectTypeId": "0-1"}])
    assert (created.touch, created.user_id, created.event_id) == ("identified", "123", "1:12345:123:1564113600000:")
    assert (email.email, email.user_id, email.occurred_at) == ("ana@empresa.es", "123", NOW - timedelta(hours=2))
    assert (field.email, field.fields) == (None, {"employees": "120"})
    assert (newer.touch, newer.email) == ("identified", "ana@empresa.es")
    (subject,) = recorded(created, HUBSPOT, b"s", NOW).subjects
    assert (subject.kind, subject.value) == ("user", "hubspot:123")
    again = changed | {"attemptNumber": 4}
    assert drafts("hubspot", [again])[0].event_id == email.event_id


def test_a_contact_of_a_hubspot_workflow_old_and_new() -> None:
    for value in ("ana@empresa.es", {"value": "ana@empresa.es"}):
        (draft,) = drafts("hubspot", {"vid": 7, "properties": {"email": value, "firstname": "Ana", "employees": 9}})
        assert (draft.email, draft.first, draft.user_id, draft.fields) == (
            "ana@empresa.es",
            "Ana",
            "7",
            {"employees": "9"},
        )


def test_hubspot_s_other_objects_are_nobody() -> None:
    refused, deleted = read("hubspot", [{"subscriptionType": "deal.creation", "objectId": 1},
                                        {"subscriptionType": "contact.deletion", "objectId": 123}])  # fmt: skip
    assert isinstance(refused, Refused)
    assert isinstance(deleted, Draft)
    assert (deleted.touch, deleted.original_type) == ("other", "contact.deletion")


# Resend


def test_resend_signs_as_standard_webhooks_are_signed() -> None:
    secret = "whsec_" + base64.b64encode(b"a signing secret of Resend").decode()
    of = source("resend", "whsec_b2xk", secret)
    body = json.dumps({"type": "email.opened"})

    def sent(body: str, at: datetime, by: str = secret, names: str = "svix") -> Request:
        signature = f"v1,AAAA v1a,x {Webhook(by).sign('msg_1', at, body)}"
        return request(body.encode(), {f"{names}-id": "msg_1", f"{names}-timestamp": str(int(at.timestamp())),
                                       f"{names}-signature": signature})  # fmt: skip

    assert takes(of, sent(body, NOW))
    assert takes(of, sent(body, NOW, names="webhook"))
    assert takes(of, sent(body, NOW - timedelta(minutes=5)))
    for minutes in (-6, 6):
        assert not takes(of, sent(body, NOW + timedelta(minutes=minutes)))
    assert not takes(of, sent(body, NOW, "whsec_YW5vdGhlcg=="))
    assert not takes(of, Request("POST", "/", b"{}", headers=sent(body, NOW).headers))
    assert not takes(of, request(body.encode()))


@pytest.mark.parametrize(
    ("event", "touch"),
    [
        ({"type": "email.bounced", "data": {"bounce": {"type": "Permanent"}}}, "email_bounced"),
        ({"type": "email.bounced", "data": {"bounce": {"type": "Transient"}}}, "other"),
        ({"type": "email.failed"}, "other"),
        ({"type": "contact.created", "data": {"email": "ana@empresa.es", "unsubscribed": False}}, "identified"),
        ({"type": "contact.updated", "data": {"email": "ana@empresa.es", "unsubscribed": True}}, "email_unsubscribed"),
        ({"type": "domain.created"}, "other"),
    ],
)
def test_resend_s_events(event: dict[str, Any], touch: str) -> None:
    (draft,) = drafts("resend", event, JSON | {"svix-id": "msg_1"})
    assert (draft.touch, draft.original_type, draft.event_id) == (touch, event["type"], "msg_1")


# Those that sign the body, or the body and a time, by HMAC


def hexadecimal(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, "sha256").hexdigest()


def in_base64(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, "sha256").digest()).decode()


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("mailersend", lambda secret, body: {"Signature": hexadecimal(secret, body)}),
        ("mailtrap", lambda secret, body: {"Mailtrap-Signature": hexadecimal(secret, body)}),
        ("mautic", lambda secret, body: {"Webhook-Signature": in_base64(secret, body)}),
        ("customerio", lambda secret, body: {"X-CIO-Timestamp": "1795428000",
                                             "X-CIO-Signature": hexadecimal(secret, b"v0:1795428000:" + body)}),
        ("klaviyo", lambda secret, body: {"Klaviyo-Timestamp": "1795428000",
                                          "Klaviyo-Signature": hexadecimal(secret, body + b"1795428000")}),
    ],
)  # fmt: skip
def test_a_signature_over_the_body(kind: str, sign: Callable[[str, bytes], dict[str, str]]) -> None:
    of, body = source(kind, "old", "k"), b'{"a": 1}'
    assert takes(of, request(body, sign("k", body)))
    assert not takes(of, request(body, sign("another", body)))
    assert not takes(of, request(body + b" ", sign("k", body)))
    assert not takes(of, request(body))
    for name in sign("k", body):  # each part of the proof counts
        assert not takes(of, request(body, sign("k", body) | {name: "1795428001"}))


# What each says of a click or, where it tells of none, of an opening: type, recipient, time, id, link


CLICK, TOLD_AT = "https://empresa.es/precios", datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EMAIL = {"value": "ana@empresa.es"}
PUBLISHED: dict[str, Any] = {
    "brevo": {"event": "click", "email": "ana@empresa.es", "id": 7, "date": "2026-11-23 11:00:00", "ts": 1795431600,
              "message-id": "<m@x>", "ts_event": 1795428000, "subject": "Hola", "link": CLICK, "tags": ["a"]},
    "mailjet": [{"event": "click", "time": 1795428000, "MessageID": 19421777835146490, "email": "ana@empresa.es",
                 "mj_campaign_id": 7257, "customcampaign": "", "CustomID": "helloworld", "url": CLICK}],
    "mailersend": {"type": "activity.clicked", "created_at": "2026-11-23T10:00:01.520507Z", "data": {
        "object": "activity", "id": "e-1", "type": "clicked", "created_at": "2026-11-23T10:00:00.000000Z",
        "email": {"subject": "Hola", "message": {"id": "m"}, "recipient": {"email": "ana@empresa.es"}},
        "morph": {"object": "click", "url": CLICK}}},
    "mailtrap": {"events": [{"event": "click", "timestamp": 1795428000, "message_id": "m", "email": "ana@empresa.es",
                             "event_id": "e-1", "category": "precios", "url": CLICK}]},
    "sparkpost": [{"msys": {"track_event": {"type": "click", "event_id": "e-1", "raw_rcpt_to": "ana@empresa.es",
                                            "rcpt_meta": {}, "timestamp": "1795428000", "transmission_id": "t",
                                            "target_link_url": CLICK}}}],
    "customerio": {"event_id": "e-1", "object_type": "email", "metric": "clicked", "timestamp": 1795428000, "data": {
        "customer_id": "42", "identifiers": {"id": "42"}, "delivery_id": "d", "recipient": "ana@empresa.es",
        "href": CLICK}},
    "klaviyo": {"data": [{"external_id": "e-1", "topic": "event:klaviyo.clicked_email", "payload": {
        "data": {"type": "event", "id": "k", "attributes": {"timestamp": 1795428000, "event_properties": {"URL": CLICK},
                                                            "datetime": "2026-11-23T10:00:00+00:00"}},
        "included": [{"type": "metric"}, {"type": "profile", "attributes": {"email": "ana@empresa.es"}}]}}],
        "meta": {"klaviyo_webhook_id": "w"}},
    "mautic": {"mautic.page_on_hit": [{"timestamp": "2026-11-23T11:00:00+01:00", "hit": {
        "url": CLICK, "source": "email", "redirect": {"id": 3}, "lead": {"fields": {"core": {"email": EMAIL}}}}}]},
    "postal": {"event": "MessageLinkClicked", "timestamp": 1795428000.0, "uuid": "e-1", "payload": {
        "url": CLICK, "message": {"id": 1, "direction": "outgoing", "to": "ana@empresa.es", "message_id": "m@x"}}},
    "unisender_go": {"auth": "0" * 32, "events_by_user": [{"user_id": 1, "events": [
        {"event_name": "transactional_email_status", "event_data": {
            "job_id": "j", "email": "ana@empresa.es", "status": "clicked", "event_time": "2026-11-23 10:00:00",
            "url": CLICK}}]}]},
}  # fmt: skip
NAMELESS = ("brevo", "mailjet", "mautic", "unisender_go")  # whose events have no id of their own


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_click_in_each_tool_s_words(kind: str) -> None:
    (draft,) = drafts(kind, PUBLISHED[kind])
    found = (draft.touch, draft.email, draft.occurred_at, draft.event_id, draft.what["link"])
    assert found == ("email_clicked", "ana@empresa.es", TOLD_AT, None if kind in NAMELESS else "e-1", CLICK)
    (again,) = drafts(kind, draft.told)  # it can be mended and read again
    assert again == draft


def mautic(kind: str, **told: Any) -> dict[str, Any]:
    return {f"mautic.{kind}": [{"contact": {"fields": {"core": {"email": EMAIL}}}, **told}]}


@pytest.mark.parametrize(
    ("kind", "event", "touch"),
    [
        ("brevo", {"event": "hard_bounce"}, "email_bounced"),
        ("brevo", {"event": "soft_bounce"}, "other"),
        ("brevo", {"event": "list_addition"}, "other"),
        ("mailjet", {"event": "bounce", "hard_bounce": True}, "email_bounced"),
        ("mailjet", {"event": "bounce", "hard_bounce": False}, "other"),
        ("mailjet", {"event": "blocked", "hard_bounce": True}, "other"),
        ("mailersend", {"type": "activity.soft_bounced"}, "other"),
        ("mailersend", {"type": "activity.hard_bounced"}, "email_bounced"),
        ("mailtrap", {"events": [{"event": "soft bounce"}]}, "other"),
        ("mailtrap", {"events": [{"event": "bounce"}]}, "email_bounced"),
        ("sparkpost", [{"msys": {"message_event": {"type": "bounce", "bounce_class": "10"}}}], "email_bounced"),
        ("sparkpost", [{"msys": {"message_event": {"type": "bounce", "bounce_class": "22"}}}], "other"),
        ("sparkpost", [{"msys": {"message_event": {"type": "out_of_band", "bounce_class": "90"}}}],
         "email_unsubscribed"),
        ("customerio", {"object_type": "sms", "metric": "clicked", "data": {"recipient": "+34600000000"}}, "other"),
        ("customerio", {"object_type": "customer", "metric": "unsubscribed"}, "email_unsubscribed"),
        ("klaviyo", {"data": [{"topic": "event:klaviyo.bounced_email"}]}, "other"),
        ("klaviyo", {"data": [{"topic": "event:klaviyo.sent_sms"}]}, "other"),
        ("mautic", mautic("email_on_open", idHash="h"), "email_opened"),
        ("mautic", mautic("page_on_hit", hit={"url": CLICK}), "page_viewed"),
        ("mautic", mautic("lead_channel_subscription_changed", channel="email", new_status="bounced"), "email_bounced"),
        ("mautic", mautic("lead_channel_subscription_changed", channel="sms", new_status="manual"), "other"),
        ("postal", {"event": "MessageDelayed", "payload": {"status": "SoftFail"}}, "other"),
        ("postal", {"event": "MessageDeliveryFailed", "payload": {"status": "HardFail"}}, "email_bounced"),
        ("unisender_go", {"event_name": "transactional_email_status", "status": "soft_bounced"}, "other"),
        ("unisender_go", {"event_name": "transactional_email_status", "status": "hard_bounced"}, "email_bounced"),
    ],
)  # fmt: skip
def test_a_bounce_only_where_the_address_is_given_up(kind: str, event: Any, touch: str) -> None:
    (draft,) = drafts(kind, event)
    assert draft.touch == touch


def test_a_telephone_that_customerio_wrote_to_is_no_address() -> None:
    (draft,) = drafts("customerio", {"object_type": "sms", "metric": "sent", "data": {
        "recipient": "+34600000000", "identifiers": {"id": "42"}}})  # fmt: skip
    assert (draft.email, draft.user_id) == (None, "42")


def test_brevo_says_what_a_proxy_opened_and_sparkpost_what_was_prefetched() -> None:
    for event, by_machine in (("proxy_open", True), ("unique_opened", False)):
        (draft,) = drafts("brevo", {"event": event})
        assert (draft.touch, machine(draft)) == ("email_opened", by_machine)
    (draft,) = drafts("sparkpost", [{"msys": {"track_event": {"type": "open", "user_agent_parsed": {
        "is_prefetched": True}}}}])  # fmt: skip
    assert machine(draft)


def test_sparkpost_s_trial_is_nothing_and_postal_s_incoming_messages_are_not_ours() -> None:
    assert read("sparkpost", [{"msys": {}}]) == []
    (refused,) = read("postal", {"event": "MessageDelayed", "payload": {"message": {"direction": "incoming"}}})
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("told", "touch"),
    [
        ({"type": "click", "link[url]": CLICK, "campaign[id]": "5"}, "email_clicked"),
        ({"type": "bounce", "bounce[type]": "hard"}, "email_bounced"),
        ({"type": "bounce", "bounce[type]": "soft"}, "other"),
        ({"type": "unsubscribe", "list": "2"}, "email_unsubscribed"),
        ({"type": "deal_add"}, "other"),
    ],
)
def test_activecampaign_s_events(told: dict[str, str], touch: str) -> None:
    body = told | {"date_time": "2026-11-23T04:00:00-06:00", "contact[email]": "ana@empresa.es",
                   "contact[first_name]": "Ana", "contact[fields][sector]": "Bricks"}  # fmt: skip
    (draft,) = drafts("activecampaign", urlencode(body).encode(), FORM)
    assert (draft.touch, draft.email, draft.first, draft.occurred_at) == (touch, "ana@empresa.es", "Ana", TOLD_AT)
    assert (draft.what.get("link"), draft.fields["sector"]) == (told.get("link[url]"), "Bricks")


def test_postal_signs_the_body_with_the_key_its_dkim_record_shows() -> None:
    shown = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    of, body = source("postal", "no key at all", base64.b64encode(shown).decode()), b'{"event":"MessageSent"}'
    newer = base64.b64encode(RSA_KEY.sign(body, PKCS1v15(), SHA256())).decode()
    older = base64.b64encode(RSA_KEY.sign(body, PKCS1v15(), SHA1())).decode()
    assert takes(of, request(body, {"X-Postal-Signature-256": newer, "X-Postal-Signature": older}))
    assert takes(of, request(body, {"X-Postal-Signature": older}))
    assert not takes(of, request(body, {"X-Postal-Signature-256": older, "X-Postal-Signature": older}))
    assert not takes(of, request(body + b" ", {"X-Postal-Signature-256": newer}))
    assert not takes(of, request(body, {"X-Postal-Signature": "!"}))


def test_unisender_go_signs_the_body_with_its_key_in_the_place_of_the_signature() -> None:
    of = source("unisender_go", "old", "k")

    def sent(key: str, shape: bytes = b'{"auth": "%s", "event_name": "x"}') -> bytes:
        return shape % md5(shape % key.encode(), usedforsecurity=False).hexdigest().encode()

    assert takes(of, request(sent("k")))
    assert not takes(of, request(sent("another")))
    assert not takes(of, request(sent("k") + b" "))
    for told in ("", " ", '"', "k", 0, None, [], {}):
        assert not takes(of, request({"auth": told}))
