"""Shows that any form is understood: its encodings, its field names in English and Spanish, its traps."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ingest.draft import Draft, Request, Unusable
from ingest.normalise import recorded
from ingest.registry import Source
from ingest.sources import form
from relevo.meanings import plain

MATERIAL = Path(os.environ.get("RELEVO_MATERIAL", Path(__file__).parents[4] / "shared" / "material")) / "web_forms"
with_material = pytest.mark.skipif(not MATERIAL.is_dir(), reason="RELEVO_MATERIAL is not there")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URLENCODED = "application/x-www-form-urlencoded"


def source(**more: Any) -> Source:
    return Source.model_validate(
        {"name": "site", "kind": "form", "access": "public", "keys": [{"sha256": "0" * 64}], **more}
    )


def read(body: bytes, content_type: str = URLENCODED, of: Source | None = None, **headers: str) -> Draft:
    sent = {b"content-type": content_type.encode()}
    sent |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    (draft,) = form.normalise(Request("POST", "/v1/forms/site", body, headers=sent), of or source(), NOW)
    assert isinstance(draft, Draft)
    return draft


def posted(of: Source | None = None, **fields: Any) -> Draft:
    return read(urlencode(fields).encode(), of=of)


def multipart(parts: list[tuple[str, str]], boundary: str = "b0undary") -> tuple[bytes, str]:
    lines = [f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts]
    return "".join([*lines, f"--{boundary}--\r\n"]).encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize(
    ("names", "meanings"),
    [
        (("email", "first_name", "last_name", "company"), ("email", "first", "last", "company")),
        (("E-mail", "First Name", "Last Name", "Company Name"), ("email", "first", "last", "company")),
        (("your-email", "fname", "lname", "organization"), ("email", "first", "last", "company")),
        (("fields[email]", "fields[firstName]", "lastName", "companyName"), ("email", "first", "last", "company")),
        (("Correo electrónico", "Nombre", "Apellidos", "Empresa"), ("email", "first", "last", "company")),
        (("correo", "nombre", "apellido", "nombre_de_la_empresa"), ("email", "first", "last", "company")),
        (("tu-email", "nombre completo", "teléfono", "razón social"), ("email", "full", "phone", "company")),
        (("email_corporativo", "name", "whatsapp", "compañía"), ("email", "full", "phone", "company")),
        (("work_email", "nombre y apellidos", "Número de teléfono", "web"), ("email", "full", "phone", "website")),
        (("Dirección de correo electrónico", "Nombre", "móvil", "Página web"), ("email", "full", "phone", "website")),
    ],
)  # fmt: skip
def test_fields_are_known_by_their_names(names: tuple[str, ...], meanings: tuple[str, ...]) -> None:
    values = {meaning: f"value-{meaning}" for meaning in meanings} | {"email": "ana@empresa.es"}
    draft = read(urlencode({name: values[m] for name, m in zip(names, meanings, strict=True)}).encode())
    assert {m: getattr(draft, m) for m in meanings} == values
    assert draft.fields == {}


def test_what_has_no_meaning_is_kept_under_its_own_name() -> None:
    asked: Any = {"¿Cuándo empezamos?": "ya"}
    draft = posted(email="ana@empresa.es", Empleados="120", **asked)
    assert draft.fields == {"Empleados": "120", "¿Cuándo empezamos?": "ya"}


def test_the_source_s_own_mapping_goes_first() -> None:
    own = source(fields={"email": "campo_7", "message": ["Texto libre"], "company": "organismo"})
    draft = posted(own, campo_7="ana@empresa.es", email="otra@empresa.es", **{"Texto libre": "hola"}, organismo="Acme")
    assert (draft.email, draft.company, draft.what["text"]) == ("ana@empresa.es", "Acme", "hola")
    assert draft.fields == {"email": "otra@empresa.es"}


def test_without_a_telling_name_the_only_address_is_the_email() -> None:
    assert posted(input_3="ana@empresa.es", input_4="hola").email == "ana@empresa.es"
    assert posted(input_3="ana@empresa.es", input_4="bo@empresa.es").email is None


def test_a_field_people_do_not_see_marks_a_machine_and_loses_nothing() -> None:
    draft = posted(email="bot@example.com", _gotcha="http://spam.example")
    assert draft.machine_because is not None
    assert (draft.email, draft.fields) == ("bot@example.com", {})
    assert posted(email="ana@empresa.es", _gotcha="").machine_because is None
    assert posted(source(honeypot="web2"), email="a@empresa.es", web2="x").machine_because is not None


def test_secrets_and_machinery_are_not_kept() -> None:
    captcha: Any = {"g-recaptcha-response": "r"}
    draft = posted(
        email="ana@empresa.es", password="hunter2", Contraseña="x", csrf_token="t", _wpnonce="n", key="k",
        card_number="4", **captcha,
    )  # fmt: skip
    assert draft.fields == {}


def test_consent_is_what_asks_for_consent() -> None:
    assert posted(email="a@empresa.es").consent is None
    assert posted(email="a@empresa.es", privacidad="on").consent is None
    given = posted(email="a@empresa.es", consentimiento="on").consent
    assert given is not None
    assert (given.basis, given.at) == ("consent", NOW)
    refused = posted(email="a@empresa.es", consent="false").consent
    assert refused is not None
    assert refused.basis == "none"


def test_campaign_page_and_agent() -> None:
    draft = read(
        urlencode({"email": "a@empresa.es", "utm_source": "google", "UTM_Medium": "cpc", "gclid": "g"}).encode(),
        referer="https://www.example.com/demo",
        user_agent="Mozilla/5.0",
    )
    assert draft.campaign == {"source": "google", "medium": "cpc", "gclid": "g"}
    assert draft.what == {"form": "site", "url": "https://www.example.com/demo"}
    assert (draft.fields, draft.agent) == ({}, "Mozilla/5.0")


def test_multipart_with_a_file_and_a_field_of_two_values() -> None:
    body, kind = multipart(
        [
            ('name="email"', "ana@empresa.es"),
            ('name="interés"', "precio"),
            ('name="interés"', "demo"),
            ('name="cv"; filename="año.pdf"\r\nContent-Type: application/pdf', "%PDF…"),
        ]
    )
    draft = read(body, kind)
    assert draft.email == "ana@empresa.es"
    assert draft.fields == {"interés": "precio, demo", "cv": "año.pdf"}


def test_json_of_any_shape() -> None:
    webflow = {
        "triggerType": "form_submission",
        "payload": {
            "data": {"First Name": "John", "Last Name": "Doe", "email": "john@example.com", "tags": ["a", "b"]},
            "submittedAt": "2024-01-15T14:30:00.000Z",
        },
    }
    draft = read(json.dumps(webflow).encode(), "application/json; charset=utf-8")
    assert (draft.email, draft.first, draft.last) == ("john@example.com", "John", "Doe")
    assert draft.occurred_at == datetime(2024, 1, 15, 14, 30, tzinfo=UTC)
    assert draft.fields == {"triggerType": "form_submission", "payload.data.tags": "a, b"}


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "ISO-8859-15"])
def test_old_pages_post_in_their_own_encoding(charset: str) -> None:
    body = f"email=a%40empresa.es&nombre={quote('Íñigo', encoding='latin-1')}".encode()
    assert read(body, f"{URLENCODED}; charset={charset}").full == "Íñigo"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"nombre=%CD%F1igo", URLENCODED, 400),
        (b"nombre=\xcd\xf1igo", URLENCODED, 400),
        (b"email=a%40b.es", f"{URLENCODED}; charset=klingon", 415),
        (b"<form/>", "application/xml", 415),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 422),
        (b'{"a": NaN}', "application/json", 422),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", 400),
        (b"&".join(b"f%d=x" % n for n in range(1200)), URLENCODED, 422),
        (json.dumps({f"f{n}": "x" for n in range(1200)}).encode(), "application/json", 422),
        (b"no boundary", "multipart/form-data", 400),
        (b"--b\r\nContent-Dis", "multipart/form-data; boundary=b", 400),
        (b"--b\r\n\r\nx\r\n--c--", "multipart/form-data; boundary=b", 400),
        (b"x" * 1000, "multipart/form-data; boundary=" + "b" * 500, 400),
        (*multipart([(f'name="f{n}"', "x") for n in range(10_000)]), 422),
        (*multipart([('name="a"\r\n' + "X: y\r\n" * 50 + "Z: z", "x")]), 400),
    ],
)
def test_what_is_no_form_is_refused_clearly(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(Unusable) as refusal:
        read(body, content_type)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("name", "short"),
    [("Correo electrónico", "correo_electronico"), ("fields[firstName]", "first_name"), ("data.E-mail", "e_mail"),
     ("interests[]", "interests"), ("¿Qué?", "que"), ("", ""), ("...", ""), ("日本", "")],
)  # fmt: skip
def test_names_are_compared_in_one_spelling(name: str, short: str) -> None:
    assert plain(name) == short


@with_material
def test_bodies_of_two_tools_posted_as_plain_forms() -> None:
    typeform, webflow = (entry["body"] for entry in json.loads((MATERIAL / "payloads.json").read_text()))
    draft = read(json.dumps(webflow).encode(), "application/json")
    assert (draft.email, draft.first, draft.last) == ("john.doe@example.com", "John", "Doe")
    assert (draft.what["text"], draft.event_id) == ("I'd like to learn more about your services", None)
    assert draft.occurred_at == datetime(2024, 1, 15, 14, 30, tzinfo=UTC)
    nobody = read(json.dumps(typeform).encode(), "application/json")
    with pytest.raises(Unusable, match="email, user_id or anonymous_id"):
        recorded(nobody, source(), b"s", NOW)
