"""Shows each form tool's submissions read as its documentation means them, its signatures checked, forged ones refused.

The examples follow the pages that the modules name.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from ingest.draft import Draft, Fetched, Later, Refused, Request, Unauthentic, Unusable, Wanted
from ingest.normalise import recorded
from ingest.registry import Source
from ingest.sources import KINDS, linkedin_lead_gen, meta_lead_ads
from relevo.meanings import meanings

from .tools import FORM, JSON, KEYED, NOW, request, source, takes

AT = int(NOW.timestamp())
HOUR_AGO = NOW - timedelta(hours=1)
SIGNED: dict[str, Any] = {"secrets": [{"env": "old"}, {"env": "s"}]}
FETCHES: dict[str, Any] = {"token": {"env": "token"}}


def tool(kind: str, **more: Any) -> Source:
    return source(kind, country="ES", url="https://in.example/v1/webhooks/it", **more)


META = tool("meta_lead_ads", **SIGNED, **KEYED, **FETCHES)
LINKEDIN = tool("linkedin_lead_gen", **SIGNED, **FETCHES)


def draft(of: str | Source, body: Any, headers: Mapping[str, str] = JSON, **fetched: Fetched) -> Draft:
    """The one draft of a request, which is also what is made of it when its own `told` comes back."""
    of = tool(of, **KEYED) if isinstance(of, str) else of
    (found,) = KINDS[of.kind].normalise(request(body, headers, **fetched), of, NOW)
    assert isinstance(found, Draft), found
    again = found.told if isinstance(found.told, bytes) else json.dumps(found.told).encode()
    assert KINDS[of.kind].normalise(request(again, headers, **fetched), of, NOW) == [found]
    assert recorded(found._replace(email=found.email or "ana@empresa.es"), of, b"s", NOW).source == of.name
    return found


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


# How each signs: with which headers a body comes


def hex_of(signed: bytes, secret: bytes = b"s") -> str:
    return hmac.digest(secret, signed, "sha256").hex()


def base64_of(signed: bytes, secret: bytes = b"s") -> str:
    return base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


Sign = Callable[[bytes, bytes], dict[str, str]]
SIGNATURES: dict[str, Sign] = {
    "typeform": lambda body, key: {"Typeform-Signature": f"sha256={base64_of(body, key)}"},
    "tally": lambda body, key: {"Tally-Signature": base64_of(body, key)},
    "webflow": lambda body, key: {
        "x-webflow-timestamp": f"{AT}000",
        "x-webflow-signature": hex_of(f"{AT}000:".encode() + body, key),
    },
    "meta_lead_ads": lambda body, key: {"X-Hub-Signature-256": f"sha256={hex_of(body, key)}"},
    "linkedin_lead_gen": lambda body, key: {"X-LI-Signature": hex_of(b"hmacsha256=" + body, key)},
    "wpforms": lambda body, key: {"X-WPForms-Webhook-Signature": f"t={AT},v={hex_of(f'{AT}.'.encode() + body, key)}"},
    "hubspot_forms": lambda body, key: {
        "X-HubSpot-Signature": sha256(key + b"POSThttps://in.example/v1/webhooks/it" + body).hexdigest(),
        "X-HubSpot-Signature-Version": "v2",
    },
}
NEEDS = {"meta_lead_ads": KEYED | FETCHES, "linkedin_lead_gen": FETCHES}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_what_a_tool_signed_is_taken_and_nothing_else(kind: str) -> None:
    of, sign, body = tool(kind, **SIGNED, **NEEDS.get(kind, {})), SIGNATURES[kind], b'{"a": "\xc3\xa1"}'
    for key in (b"old", b"s"):
        assert takes(of, request(body, sign(body, key)))
    assert not takes(of, request(body, sign(body, b"another")))
    assert not takes(of, request(body + b" ", sign(body, b"s")))
    assert not takes(of, request(body))
    assert not takes(of, request(body, query="key=key"))
    for wrong in ("", "sha256=", "é", "t=,v=", "x" * 64):
        assert not takes(of, request(body, dict.fromkeys(sign(body, b"s"), wrong)))


@pytest.mark.parametrize("kind", ["webflow", "wpforms"])
def test_an_old_signature_proves_nothing(kind: str) -> None:
    sent = request(b"{}", SIGNATURES[kind](b"{}", b"s"))
    assert takes(tool(kind, **SIGNED), sent, NOW + timedelta(minutes=5))
    assert not takes(tool(kind, **SIGNED), sent, NOW + timedelta(minutes=5, seconds=1))


@pytest.mark.parametrize("kind", ["contact_form_7", "google_forms", "gravity_forms", "jotform", "unbounce"])
def test_who_signs_nothing_is_known_by_the_key_in_its_address(kind: str) -> None:
    assert takes(tool(kind, **KEYED), request(b"", FORM, "key=key"))
    assert not takes(tool(kind, **KEYED), request(b"", FORM, "key=other"))


# Typeform


TYPEFORM: dict[str, Any] = {
    "event_id": "LtWXD3crgy", "event_type": "form_response",
    "form_response": {
        "form_id": "lT4Z3j", "token": "a3a12ec6", "submitted_at": "2026-11-23T11:00:00Z",
        "hidden": {"utm_source": "google", "gclid": "g-1", "user_id": "u-7"},
        "variables": [{"key": "score", "type": "number", "number": 4}],
        "definition": {"id": "lT4Z3j", "title": "Demo", "fields": [
            {"id": "f1", "ref": "r1", "title": "What's your *company*?", "type": "short_text"},
            {"id": "f2", "ref": "r2", "title": "If we may write back, where to?", "type": "email"},
            {"id": "f3", "ref": "r3", "title": "Contact", "type": "contact_info",
             "properties": {"fields": [{"id": "f4", "ref": "r4", "title": "First name", "type": "short_text"}]}},
            {"id": "f5", "ref": "r5", "title": "Which plans interest you?", "type": "multiple_choice"},
            {"id": "f6", "ref": "r6", "title": "I agree to receive your newsletter", "type": "yes_no"},
            {"id": "f7", "ref": "budget_ref", "title": "¿Presupuesto?", "type": "number"},
        ]},
        "answers": [
            {"type": "text", "text": "Acme", "field": {"id": "f1", "ref": "r1", "type": "short_text"}},
            {"type": "email", "email": "ana@empresa.es", "field": {"id": "f2", "ref": "r2", "type": "email"}},
            {"type": "text", "text": "Ana", "field": {"id": "f4", "ref": "r4", "type": "short_text"}},
            {"type": "choices", "choices": {"labels": ["Pro", "Team"], "other": "Both"},
             "field": {"id": "f5", "ref": "r5", "type": "multiple_choice"}},
            {"type": "boolean", "boolean": True, "field": {"id": "f6", "ref": "r6", "type": "yes_no"}},
            {"type": "number", "number": 900, "field": {"id": "f7", "ref": "budget_ref", "type": "number"}},
        ],
    },
}  # fmt: skip


def test_typeform_s_answers_are_known_by_their_questions_and_types() -> None:
    found = draft("typeform", TYPEFORM)
    assert (found.touch, found.event_id, found.occurred_at) == ("form_submitted", "a3a12ec6", HOUR_AGO)
    assert (found.email, found.first, found.company, found.user_id) == ("ana@empresa.es", "Ana", "Acme", "u-7")
    assert found.campaign == {"source": "google", "gclid": "g-1"}
    assert found.consent is not None
    assert (found.consent.basis, found.consent.at) == ("consent", HOUR_AGO)
    assert found.what == {"form": "Demo"}
    assert found.fields == {
        "Which plans interest you?": "Pro, Team, Both", "I agree to receive your newsletter": "true",
        "¿Presupuesto?": "900", "score": "4",
    }  # fmt: skip


def test_a_mapping_may_name_a_question_or_what_the_tool_calls_it() -> None:
    for name in ("¿Presupuesto?", "budget_ref", "f7"):
        found = draft(tool("typeform", **KEYED, fields={"message": name}), TYPEFORM)
        assert found.what["text"] == "900"
        assert "¿Presupuesto?" not in found.fields


def test_what_is_filled_in_and_not_yet_sent_is_no_submission() -> None:
    found = draft("typeform", TYPEFORM | {"event_type": "form_response_partial"})
    assert (found.touch, found.original_type) == ("other", "form_response_partial")
    assert found.event_id == "a3a12ec6:partial"


# Tally


def tally(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"responseId": "2wgx4n", "submissionId": "2wgx4n", "respondentId": "dwQKYm", "formId": "VwbNEw",
            "formName": "Demo", "createdAt": "2026-11-23T11:00:00.000Z", "fields": list(fields)}  # fmt: skip
    return {
        "eventId": "a4cb511e",
        "eventType": "FORM_RESPONSE",
        "createdAt": "2026-11-23T11:00:01Z",
        "data": data,
    } | more


def test_tally_s_answers() -> None:
    found = draft("tally", tally(
        {"key": "question_1", "label": "Nombre y apellidos", "type": "INPUT_TEXT", "value": "Ana García"},
        {"key": "question_2", "label": "¿Dónde te escribimos?", "type": "INPUT_EMAIL", "value": "ana@empresa.es"},
        {"key": "question_3", "label": "Un número", "type": "INPUT_PHONE_NUMBER", "value": "+34600111222"},
        {"key": "question_4", "label": "Plan", "type": "MULTIPLE_CHOICE", "value": ["b"],
         "options": [{"id": "a", "text": "Free"}, {"id": "b", "text": "Pro"}]},
        {"key": "question_5", "label": "Interests", "type": "CHECKBOXES", "value": ["x", "y"],
         "options": [{"id": "x", "text": "Price"}, {"id": "y", "text": "Support"}]},
        {"key": "question_5_x", "label": "Interests (Price)", "type": "CHECKBOXES", "value": True},
        {"key": "question_6", "label": "Rate", "type": "MATRIX", "value": {"r1": ["c1"]},
         "rows": [{"id": "r1", "text": "Speed"}], "columns": [{"id": "c1", "text": "Good"}]},
        {"key": "question_7", "label": "CV", "type": "FILE_UPLOAD",
         "value": [{"id": "i", "name": "cv.pdf", "url": "https://storage.example/cv.pdf?token=t"}]},
        {"key": "question_8", "label": "Left open", "type": "TEXTAREA", "value": None},
        {"key": "question_9", "label": "utm_campaign", "type": "HIDDEN_FIELDS", "value": "spring"},
        {"key": "question_10", "label": "Quiero recibir novedades y ofertas", "type": "INPUT_TEXT",
         "value": "No, gracias"},
    ))  # fmt: skip
    assert (found.event_id, found.occurred_at, found.what) == ("2wgx4n", HOUR_AGO, {"form": "Demo"})
    assert (found.email, found.full, found.phone) == ("ana@empresa.es", "Ana García", "+34600111222")
    assert found.campaign == {"name": "spring"}
    assert found.consent is not None
    assert found.consent.basis == "none"
    assert found.fields == {
        "Plan": "Pro", "Interests": "Price, Support", "Rate: Speed": "Good", "CV": "cv.pdf",
        "Quiero recibir novedades y ofertas": "No, gracias",
    }  # fmt: skip


def test_what_is_no_response_of_tally_s_is_kept_as_failed() -> None:
    (refused,) = KINDS["tally"].normalise(request(tally(eventType="OTHER")), tool("tally", **KEYED), NOW)
    assert isinstance(refused, Refused)


# Jotform


RAW = {
    "slug": "submit/233112345678901", "q3_name": {"first": "Ana", "last": "García"}, "q4_email4": "ana@empresa.es",
    "q5_phoneNumber": {"full": "600 111 222"}, "q6_address": {"city": "Madrid", "postal": "28001"},
    "q7_topics": ["Price", "Support"], "q8_utm_source": "google", "q9_howCan": "Llamadme",
    "submitDate": f"{AT - 3600}000", "event_id": "machinery", "path": "/submit/233112345678901",
}  # fmt: skip
JOTFORM = {
    "formID": "233112345678901", "submissionID": "5123456789012345678", "formTitle": "Demo", "ip": "192.0.2.1",
    "type": "WEB", "pretty": "Name:Ana García", "rawRequest": json.dumps(RAW),
}  # fmt: skip


def multipart(fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    return f"{parts}--b--\r\n".encode(), {"content-type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("sent", [(form(JOTFORM), FORM), multipart(JOTFORM)])
def test_jotform_s_answers(sent: tuple[bytes, dict[str, str]]) -> None:
    found = draft(tool("jotform", **KEYED, fields={"message": "q9_howCan"}), *sent)
    assert (found.event_id, found.occurred_at) == ("5123456789012345678", HOUR_AGO)
    assert (found.email, found.first, found.last) == ("ana@empresa.es", "Ana", "García")
    assert (found.phone, found.campaign) == ("600 111 222", {"source": "google"})
    assert found.what == {"form": "Demo", "text": "Llamadme"}
    assert found.fields == {"address.city": "Madrid", "address.postal": "28001", "topics": "Price, Support"}


@pytest.mark.parametrize("raw", ["", "[]", "{", '{"q1_a": "\\ud800"}'])
def test_a_jotform_without_answers_is_refused(raw: str) -> None:
    with pytest.raises(Unusable):
        draft("jotform", form(JOTFORM | {"rawRequest": raw}), FORM)


def test_a_phone_number_in_parts_is_one() -> None:
    raw = {"q1_telefono": {"country": "34", "area": "600", "phone": "111222"}, "q2_mail": "ana@empresa.es"}
    assert draft("jotform", form({"rawRequest": json.dumps(raw)}), FORM).phone == "34 600 111222"


# Webflow


WEBFLOW = {"First Name": "Zaphod", "Last Name": "Beeblebrox", "email": "zaphod@heartofgold.example",
           "Phone Number": 15550000000, "Newsletter": False}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"triggerType": "form_submission", "payload": {
            "name": "Contact Us", "siteId": "65427c", "id": "6321ca84", "formId": "65429e",
            "submittedAt": "2026-11-23T11:00:00.000Z", "data": WEBFLOW, "schema": [{"fieldName": "email"}]}},
        {"name": "Contact Us", "site": "65427c", "_id": "6321ca84", "d": "2026-11-23T11:00:00.000Z", "data": WEBFLOW},
    ],
)  # fmt: skip
def test_webflow_s_submissions_of_both_versions(body: dict[str, Any]) -> None:
    found = draft("webflow", body)
    assert (found.event_id, found.occurred_at, found.what) == ("6321ca84", HOUR_AGO, {"form": "Contact Us"})
    assert (found.email, found.first, found.last) == ("zaphod@heartofgold.example", "Zaphod", "Beeblebrox")
    assert (found.phone, found.fields) == ("15550000000", {"Newsletter": "false"})
    assert found.consent is not None
    assert found.consent.basis == "none"


def test_webflow_s_other_events_are_kept_as_failed() -> None:
    of = tool("webflow", **KEYED)
    (refused,) = KINDS["webflow"].normalise(request({"triggerType": "site_publish", "payload": {"site": "x"}}), of, NOW)
    assert isinstance(refused, Refused)


# HubSpot


def test_hubspot_s_contact_comes_with_its_latest_submission() -> None:
    contact = {
        "vid": 71, "portal-id": 62515,
        "properties": {"email": {"value": "ana@empresa.es", "versions": [{"value": "x"}]},
                       "firstname": {"value": "Ana"}, "lastname": {"value": "García"}, "company": {"value": "Acme"},
                       "employees": {"value": "120"}, "hs_analytics_source": {"value": "DIRECT_TRAFFIC"}},
        "form-submissions": [
            {"conversion-id": "new", "timestamp": (AT - 3600) * 1000, "form-id": "762987", "title": "Demo",
             "page-url": "https://www.example.com/demo", "page-title": "Ask for a demo"},
            {"conversion-id": "old", "timestamp": (AT - 9000) * 1000, "form-id": "1", "title": "Newsletter"},
        ],
    }  # fmt: skip
    found = draft("hubspot_forms", contact)
    assert (found.touch, found.event_id, found.occurred_at) == ("form_submitted", "new", HOUR_AGO)
    assert (found.email, found.first, found.last, found.company) == ("ana@empresa.es", "Ana", "García", "Acme")
    assert found.what == {"form": "Demo", "url": "https://www.example.com/demo", "title": "Ask for a demo"}
    assert (found.user_id, found.fields) == ("71", {"employees": "120"})
    event = recorded(found, tool("hubspot_forms", **KEYED), b"s", NOW)
    assert [subject.value for subject in event.subjects] == ["ana@empresa.es", "hubspot:71"]


def test_without_a_submission_hubspot_s_conversion_says_when_and_what() -> None:
    told = {
        "email": "ana@empresa.es",
        "recent_conversion_date": f"{AT - 3600}000",
        "recent_conversion_event_name": "Demo",
    }
    found = draft("hubspot_forms", {"objectId": 71, "properties": told})
    assert (found.user_id, found.occurred_at, found.what["form"]) == ("71", HOUR_AGO, "Demo")


def test_a_hubspot_workflow_s_own_body() -> None:
    found = draft("hubspot_forms", {"email": "ana@empresa.es", "nombre": "Ana", "utm_source": "google"})
    assert (found.email, found.full, found.campaign) == ("ana@empresa.es", "Ana", {"source": "google"})


# Unbounce


def test_unbounce_s_answers_are_json_within_a_form() -> None:
    told = {"email": ["ana@empresa.es"], "first_name": ["Ana"], "interests": ["a", "b"], "utm_source": ["google"],
            "ip_address": ["192.0.2.1"], "date_submitted": ["2026-11-23"], "time_submitted": ["11:00 AM UTC"],
            "page_uuid": ["7648177d"], "variant": ["a"]}  # fmt: skip
    page = {
        "page_id": "7648177d",
        "page_name": "Wayfaring",
        "page_url": "https://pages.example/wayfaring",
        "variant": "a",
    }
    found = draft("unbounce", form(page | {"data.json": json.dumps(told), "data.xml": "<form_data/>"}), FORM)
    assert (found.email, found.first, found.occurred_at) == ("ana@empresa.es", "Ana", HOUR_AGO)
    assert found.what == {"form": "Wayfaring", "url": "https://pages.example/wayfaring"}
    assert (found.campaign, found.fields) == ({"source": "google"}, {"interests": "a, b", "variant": "a"})
    assert found.event_id is None


def test_an_unbounce_form_with_broken_answers_is_refused() -> None:
    for broken in ("{", "[]", '{"a": "\\ud800"}'):
        with pytest.raises(Unusable):
            draft("unbounce", form({"data.json": broken}), FORM)


# WordPress


def test_contact_form_7_s_fields() -> None:
    told = {"your-name": "Ana García", "your-email": "ana@empresa.es", "your-message": "Hola", "menu": ["a", "b"],
            "acepto-recibir-comunicaciones": "1", "_wpcf7": "x"}  # fmt: skip
    found = draft("contact_form_7", told)
    assert (found.full, found.email, found.what["text"]) == ("Ana García", "ana@empresa.es", "Hola")
    assert found.fields == {"menu": "a, b", "acepto-recibir-comunicaciones": "1"}
    assert found.consent is not None
    assert found.consent.basis == "consent"


def test_a_gravity_forms_entry_has_numbers_for_names() -> None:
    entry = {"id": "42", "form_id": "7", "date_created": "2026-11-23 11:00:00", "is_starred": "0", "ip": "192.0.2.1",
             "source_url": "https://www.example.com/demo?utm_source=google", "user_agent": "Mozilla/5.0",
             "status": "active", "1.3": "Ana", "1.6": "García", "2": "ana@empresa.es", "3": "120"}  # fmt: skip
    of = tool("gravity_forms", **KEYED, fields={"first_name": "1.3", "last_name": "1.6"})
    for body, headers in ((entry, JSON), (form(entry), FORM)):
        found = draft(of, body, headers)
        assert (found.event_id, found.occurred_at, found.agent) == ("42", HOUR_AGO, "Mozilla/5.0")
        assert (found.email, found.first, found.last) == ("ana@empresa.es", "Ana", "García")
        assert (found.what["form"], found.fields) == ("7", {"3": "120"})
        assert recorded(found, of, b"s", NOW).campaign.source == "google"


@pytest.mark.parametrize("kind", ["gravity_forms", "wpforms"])
def test_fields_named_in_the_plugin(kind: str) -> None:
    told = {"email": "ana@empresa.es", "nombre": "Ana", "apellidos": "García", "entry_id": "9", "empleados": "120"}
    for body, headers in ((told, JSON), (form(told), FORM)):
        found = draft(kind, body, headers)
        assert (found.event_id, found.email, found.first, found.last) == ("9", "ana@empresa.es", "Ana", "García")
        assert found.fields == {"empleados": "120"}


# Google Forms


def test_google_forms_as_our_script_sends_them() -> None:
    answers = {"¿Cómo te llamas?": "Ana García", "Empresa": "Acme", "Nº de empleados": "120", "Áreas": ["Ventas", "IT"]}
    told = {"response_id": "2_ABaOnud", "submitted_at": "2026-11-23T11:00:00.000Z", "form": "Demo"}
    found = draft("google_forms", told | {"email": "ana@empresa.es", "answers": answers})
    assert (found.event_id, found.occurred_at, found.what) == ("2_ABaOnud", HOUR_AGO, {"form": "Demo"})
    assert (found.email, found.full, found.company) == ("ana@empresa.es", "Ana García", "Acme")
    assert found.fields == {"Nº de empleados": "120", "Áreas": "Ventas, IT"}


def test_google_forms_as_a_sheet_s_script_sends_them() -> None:
    found = draft(
        "google_forms", {"namedValues": {"Dirección de correo electrónico": ["ana@empresa.es"], "Plan": ["Pro"]}}
    )
    assert (found.email, found.fields) == ("ana@empresa.es", {"Plan": "Pro"})


# Meta Lead Ads


def leadgen(*ids: Any, field: str = "leadgen") -> dict[str, Any]:
    told = {"form_id": "7", "page_id": "1", "created_time": AT - 3600}
    changes = [{"field": field, "value": told | {"leadgen_id": each}} for each in ids]
    return {"object": "page", "entry": [{"id": "1", "time": AT, "changes": changes}]}


LEAD = {
    "id": "444", "created_time": "2026-11-23T11:00:00+0000", "form_id": "7", "ad_id": "23", "ad_name": "Blue",
    "campaign_id": "45", "campaign_name": "Spring", "platform": "ig",
    "field_data": [
        {"name": "full_name", "values": ["Ana García"]}, {"name": "email", "values": ["ana@empresa.es"]},
        {"name": "company_name", "values": ["Acme"]}, {"name": "¿qué_te_interesa?", "values": ["precio", "demo"]},
    ],
    "custom_disclaimer_responses": [
        {"checkbox_key": "marketing_consent", "is_checked": "1"}, {"checkbox_key": "terms", "is_checked": ""},
    ],
}  # fmt: skip


def meta_url(lead_id: str) -> str:
    with pytest.raises(Wanted) as wanted:
        KINDS["meta_lead_ads"].normalise(request(leadgen(lead_id)), META, NOW)
    (get,) = wanted.value.gets
    assert get.url.startswith(f"{meta_lead_ads.GRAPH}/{lead_id}?fields=")
    assert get.headers == {"Authorization": "Bearer token"}
    return get.url


def lead(status: int = 200, **changed: Any) -> Fetched:
    return Fetched(status, json.dumps(LEAD | changed).encode())


def test_meta_s_lead_is_fetched_by_its_id() -> None:
    for lead_id in ("444", 444):
        found = draft(META, leadgen(lead_id), **{meta_url("444"): lead()})
        assert (found.touch, found.event_id, found.occurred_at) == ("form_submitted", "444", HOUR_AGO)
        assert (found.email, found.full, found.company) == ("ana@empresa.es", "Ana García", "Acme")
        assert found.campaign == {"source": "instagram", "name": "Spring", "content": "Blue", "ad_id": "23",
                                  "campaign_id": "45", "lead_id": "444"}  # fmt: skip
        assert found.consent is not None
        assert found.consent.basis == "consent"
        assert found.fields == {"¿qué_te_interesa?": "precio, demo", "marketing_consent": "true", "terms": "false"}


def test_a_batch_of_meta_s_leads_is_wanted_at_once_and_read_in_order() -> None:
    body = leadgen("2", "1", "2")
    with pytest.raises(Wanted) as wanted:
        KINDS["meta_lead_ads"].normalise(request(body), META, NOW)
    assert [get.url for get in wanted.value.gets] == [meta_url("1"), meta_url("2")]
    fetched = {meta_url("1"): lead(), meta_url("2"): lead()}
    found = KINDS["meta_lead_ads"].normalise(request(body, **fetched), META, NOW)
    assert [outcome.event_id for outcome in found] == ["2", "1", "2"]


def error(code: int, status: int = 400) -> Fetched:
    return Fetched(status, json.dumps({"error": {"message": "m", "type": "OAuthException", "code": code}}).encode())


@pytest.mark.parametrize("answer", [error(190), error(190, 401), error(4), error(200, 403), Fetched(200, b"<html>"),
                                    Fetched(200, b"[]"), Fetched(200, b'{"id": NaN}')])  # fmt: skip
def test_what_meta_may_give_later_is_asked_for_again(answer: Fetched) -> None:
    with pytest.raises(Later):
        KINDS["meta_lead_ads"].normalise(request(leadgen("444"), **{meta_url("444"): answer}), META, NOW)


def test_a_lead_that_meta_does_not_show_is_kept_as_failed_and_costs_the_others_nothing() -> None:
    fetched = {meta_url("1"): error(100), meta_url("2"): lead()}
    one, two = KINDS["meta_lead_ads"].normalise(request(leadgen("1", "2"), **fetched), META, NOW)
    assert isinstance(one, Refused)
    assert one.told == leadgen("1")
    assert isinstance(two, Draft)


@pytest.mark.parametrize("body", [leadgen("../me"), leadgen(None), leadgen("4" * 40), leadgen("1", field="feed")])
def test_nothing_is_fetched_for_what_is_no_lead(body: dict[str, Any]) -> None:
    (refused,) = KINDS["meta_lead_ads"].normalise(request(body), META, NOW)
    assert isinstance(refused, Refused)


def asked(of: Source, query: dict[str, str]) -> tuple[int, bytes] | None:
    handshake = KINDS[of.kind].handshake
    assert handshake is not None
    reply = handshake(Request("GET", "/v1/webhooks/it", b"", urlencode(query).encode()), of, NOW)
    return (reply.status, reply.body) if reply is not None else None


def test_meta_asks_with_the_source_s_key_before_it_sends() -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "key"}
    assert asked(META, query) == (200, b"1158201444")
    for wrong in ({"hub.verify_token": "other"}, {"hub.verify_token": ""}, {"hub.mode": "other"}):
        with pytest.raises(Unauthentic):
            asked(META, query | wrong)
    assert asked(META, {}) is None
    assert not takes(META, request(b"{}", query="key=key"))  # and the key proves no lead


# LinkedIn


NOTICE = {
    "type": "LEAD_ACTION", "leadGenFormResponse": "urn:li:leadGenFormResponse:249592fc-d272-6",
    "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7234246,1)", "leadType": "SPONSORED",
    "owner": {"sponsoredAccount": "urn:li:sponsoredAccount:1234567"}, "leadAction": "CREATED", "occurredAt": AT * 1000,
}  # fmt: skip


def question(number: int, label: str, predefined: str | None = None, **details: Any) -> dict[str, Any]:
    told = {"questionId": number, "question": {"localized": {"es_ES": label}}, "name": f"Question {number}",
            "questionDetails": details}  # fmt: skip
    return told | ({"predefinedField": predefined} if predefined else {})


RESPONSE: dict[str, Any] = {
    "owner": NOTICE["owner"], "id": "249592fc-d272-6", "submittedAt": (AT - 3600) * 1000, "testLead": False,
    "leadMetadata": {"sponsoredLeadMetadata": {"campaign": "urn:li:sponsoredCampaign:198"}},
    "associatedEntity": {"associatedCreative": "urn:li:sponsoredCreative:241"},
    "formResponse": {
        "consentResponses": [{"accepted": True, "consentId": 0}],
        "answers": [
            {"questionId": 1, "answerDetails": {"textQuestionAnswer": {"answer": "Ana"}}},
            {"questionId": 2, "answerDetails": {"textQuestionAnswer": {"answer": "ana@empresa.es"}}},
            {"questionId": 3, "answerDetails": {"multipleChoiceAnswer": {"options": [0, 1]}}},
            {"questionId": 9, "answerDetails": {"textQuestionAnswer": {"answer": "of an older version"}}},
        ],
    },
    "form": {
        "id": 7234246, "name": "Demo ES", "hiddenFields": [{"name": "utm_medium", "value": "paid"}],
        "content": {
            "questions": [
                question(1, "Nombre", "FIRST_NAME"), question(2, "E-mail del trabajo", "WORK_EMAIL"),
                question(3, "Color", multipleChoiceQuestionDetails={"options": [
                    {"id": 0, "text": {"localized": {"es_ES": "Rojo"}}},
                    {"id": 1, "text": {"localized": {"es_ES": "Azul"}}},
                ]}),
            ],
            "legalInfo": {"consents": [{"id": 0, "consent": {"localized": {"es_ES": "Acepto recibir ofertas"}}}]},
        },
    },
}  # fmt: skip


def linkedin_url() -> str:
    with pytest.raises(Wanted) as wanted:
        KINDS["linkedin_lead_gen"].normalise(request(NOTICE), LINKEDIN, NOW)
    (get,) = wanted.value.gets
    assert get.url.startswith(f"{linkedin_lead_gen.LEADS}/249592fc-d272-6?fields=")
    assert (get.headers["Authorization"], get.headers["LinkedIn-Version"]) == ("Bearer token", "202608")
    return get.url


def test_linkedin_s_lead_is_fetched_with_its_form() -> None:
    found = draft(LINKEDIN, NOTICE, **{linkedin_url(): Fetched(200, json.dumps(RESPONSE).encode())})
    assert (found.event_id, found.occurred_at, found.what) == ("249592fc-d272-6", HOUR_AGO, {"form": "Demo ES"})
    assert (found.first, found.email, found.machine_because) == ("Ana", "ana@empresa.es", None)
    assert found.campaign == {"source": "linkedin", "medium": "paid", "campaign_id": "urn:li:sponsoredCampaign:198",
                              "ad_id": "urn:li:sponsoredCreative:241", "lead_id": "249592fc-d272-6"}  # fmt: skip
    assert found.consent is not None
    assert found.consent.basis == "consent"
    assert found.fields == {"Color": "Rojo, Azul", "9": "of an older version", "Acepto recibir ofertas": "true"}
    test = RESPONSE | {"testLead": True}
    assert draft(LINKEDIN, NOTICE, **{linkedin_url(): Fetched(200, json.dumps(test).encode())}).machine_because


def test_what_linkedin_may_give_later_is_asked_for_again_and_what_is_gone_is_not() -> None:
    for answer in (
        Fetched(401, b"{}"),
        Fetched(403, b"{}"),
        Fetched(426, b"{}"),
        Fetched(200, b"<"),
        Fetched(200, b"[]"),
    ):
        with pytest.raises(Later):
            draft(LINKEDIN, NOTICE, **{linkedin_url(): answer})
    sent = request(NOTICE, **{linkedin_url(): Fetched(404, b"{}")})
    (refused,) = KINDS["linkedin_lead_gen"].normalise(sent, LINKEDIN, NOW)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    "changed",
    [{"leadAction": "DELETED"}, {"type": "OTHER"}, {"leadGenFormResponse": "urn:li:leadGenFormResponse:../me"},
     {"leadGenFormResponse": None}],
)  # fmt: skip
def test_nothing_is_fetched_for_a_notice_of_anything_else(changed: dict[str, Any]) -> None:
    (refused,) = KINDS["linkedin_lead_gen"].normalise(request(NOTICE | changed), LINKEDIN, NOW)
    assert isinstance(refused, Refused)


def test_linkedin_asks_for_a_code_s_signature_and_gets_nothing_else_signed() -> None:
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    status, body = asked(LINKEDIN, {"challengeCode": code}) or (0, b"")
    assert (status, json.loads(body)) == (
        200,
        {"challengeCode": code, "challengeResponse": hex_of(code.encode(), b"old")},
    )
    for other in (f"hmacsha256={json.dumps(NOTICE)}", f"{code}x", "x"):
        with pytest.raises(Unauthentic):
            asked(LINKEDIN, {"challengeCode": other})
    assert asked(LINKEDIN, {}) is None


# Meanings of questions


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("What's your email address?", "email"), ("What is your company?", "company"), ("Your full name", "name"),
        ("¿Cuál es tu correo electrónico?", "email"), ("¿En qué empresa trabajas?", "company"),
        ("Indícanos tu teléfono", "phone"), ("Dinos tu nombre", "name"), ("¿Cómo te llamas?", "name"),
        ("Yes, I would like to receive news and offers", "consent"), ("Acepto recibir la newsletter", "consent"),
        ("I agree to the privacy policy", None), ("Marketing budget", None), ("Do you like your company?", None),
        ("Quiero una demo", None), ("Which company comes to mind?", None), ("Dr. or Mr.?", None),
    ],
)  # fmt: skip
def test_a_question_means_what_it_asks_for(label: str, meaning: str | None) -> None:
    assert meanings({label: "x"}, {}) == ({meaning: label} if meaning else {})


def test_a_name_without_end_is_read_at_once() -> None:
    assert meanings({"like_" * 50_000 + "news": "x"}, {}) == {}
