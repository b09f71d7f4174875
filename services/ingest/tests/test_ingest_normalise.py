"""Shows how people, companies, times and machines are told: addresses, phones, domains, campaigns, dates, agents."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from ingest import campaign, contact
from ingest.dates import lenient, occurred
from ingest.draft import Draft, Unusable
from ingest.machine import robot
from ingest.normalise import described, recorded
from ingest.phone import _parsed, e164
from ingest.registry import Source
from ingest.safe import touchpoint
from relevo.events import TouchpointRecorded
from relevo.events.cloudevents import decode, encode
from relevo.events.identity import subject_id, touchpoint_id
from relevo.events.touchpoints import Consent

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = b"secret"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
HASH = "0" * 64


def source(access: str = "secret", **more: Any) -> Source:
    return Source.model_validate({"name": "crm", "kind": "api", "access": access, "keys": [{"sha256": HASH}], **more})


def event(**draft: Any) -> TouchpointRecorded:
    """As its readers will have it; and what the doors write of the same draft is read as just that."""
    of = draft.pop("source", None) or source()
    whole = Draft(**({"touch": "page_viewed", "told": b"{}", "email": "ana@empresa.es"} | draft))
    made = recorded(whole, of, SECRET, NOW, TRACE)
    written = touchpoint(described(whole, of, SECRET, NOW), TRACE)
    assert (written.topic, written.key) == (made.topic.name, made.key())
    assert decode(TouchpointRecorded, written.headers, written.value) == made
    assert written.headers == encode(made, "ingest")[1]
    return made


def test_a_touchpoint_with_everything_is_written_as_it_will_be_read() -> None:
    consent = Consent(basis="consent", text_version="2", at=datetime(2026, 3, 1, 9, tzinfo=ZoneInfo("Europe/Madrid")))
    made = event(
        touch="form_submitted", event_id="e-1", original_type="Lead", email="info@gmail.com", user_id="7",
        anonymous_id="a-1", phone="+34600123456",
        first=" Ana ", last="García", company="Empresa & Cía", website="https://www.empresa.es/", agent="Googlebot/2.1",
        what={"form": "demo", "url": "https://x.example/?gclid=1", "text": "«¿Precio?»\n\t\x7f"}, consent=consent,
        fields={"puesto": "CEO"}, campaign={"source": "google", "fbclid": "2"}, occurred_at=NOW - timedelta(days=1),
    )  # fmt: skip
    assert not {name for name, value in made if not value}, "every field is filled, or this shows too little"
    assert made.consent == consent
    assert (made.campaign.source, made.campaign.ad_ids) == ("google", {"gclid": "1", "fbclid": "2"})


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (" Ana@Empresa.ES ", "ana@empresa.es"),
        ("mailto:ana@empresa.es", "ana@empresa.es"),
        ("ana@español.es", "ana@xn--espaol-zwa.es"),
        ("a.b-c_d'e+tag@sub.empresa.co.uk", "a.b-c_d'e+tag@sub.empresa.co.uk"),
    ],
)
def test_an_address_has_one_spelling(given: str, canonical: str) -> None:
    assert event(email=given).subjects[0].value == canonical


@pytest.mark.parametrize(
    "given",
    ["ana", "ana@", "@empresa.es", "ana@empresa", "ana..b@empresa.es", "a b@empresa.es", "ana@empresa.es, bo@x.es",
     "ana@-empresa.es", "ana@emp_resa.es", "x" * 65 + "@empresa.es", "ana@" + "x" * 250 + ".es", "ana@[127.0.0.1]",
     "<script>@empresa.es", "ana@empresa..es", "ana\n@empresa.es"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_echoed(given: str) -> None:
    with pytest.raises(Unusable) as refusal:
        event(email=given)
    assert refusal.value.field == "email"
    assert given not in refusal.value.detail


def test_the_strongest_identifier_comes_first_and_a_user_id_carries_its_namespace() -> None:
    found = event(user_id=" 4711 ", anonymous_id="a-1", source=source(id_namespace="shop"))
    assert [(s.kind, s.value) for s in found.subjects] == [
        ("email", "ana@empresa.es"), ("user", "shop:4711"), ("anonymous", "a-1"),
    ]  # fmt: skip
    assert found.key() == found.subjects[0].subject_id
    assert event(email=None, user_id="4711").subjects[0].value == "company:4711"


def test_nobody_at_all_is_unusable() -> None:
    with pytest.raises(Unusable, match="email, user_id or anonymous_id"):
        event(email="  ", user_id=" ", phone="+34600123456")


def test_a_form_with_nothing_but_a_phone_still_stands() -> None:
    found = event(email=None, phone="600 123 456", must_reach=True, event_id="f-1", source=source(country="ES"))
    assert found.phone == "+34600123456"
    assert found.subjects[0].value == f"touchpoint:{touchpoint_id('crm', 'f-1')}"


@pytest.mark.parametrize(
    ("given", "country", "expected"),
    [
        ("+34 600 12 34 56", None, "+34600123456"),
        ("0034 600 123 456", None, "+34600123456"),
        ("600 123 456", "ES", "+34600123456"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("+44 20 7946 0958 ext. 12", None, "+442079460958"),
        ("600 123 456", None, None),
        ("call me", "ES", None),
        ("2026-11-23T12:00:00Z", "ES", None),
        ("12", "ES", None),
        ("+" + "9" * 30, None, None),
        ("٦٠٠١٢٣٤٥٦", "ES", "+34600123456"),
    ],
)
def test_phones_are_e164_only_where_they_are_phones(given: str, country: str | None, expected: str | None) -> None:
    assert e164(given, country) == expected


@pytest.mark.parametrize("kind", [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE])
def test_the_quick_way_and_the_library_agree_on_every_country(kind: int) -> None:
    for country in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number_for_type(country, kind)
        if number is None:
            continue
        for style in (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.E164):
            whole = phonenumbers.format_number(number, style)
            for text in (whole, whole[:-1], whole + "1", whole.replace(" ", "-"), whole.lstrip("+")):
                for told in (country, "ES", None):
                    expected = _parsed(text, told) if told or text.startswith(("+", "00")) else None
                    if 6 <= len(text) <= 24 and not text.startswith("00"):
                        assert e164(text, told) == expected, (text, told)


def test_a_phone_nobody_can_read_stays_a_field() -> None:
    assert event(phone="ask for Ana").fields == {"phone": "ask for Ana"}


@pytest.mark.parametrize(
    ("website", "email", "domain"),
    [
        (None, "ana@mail.empresa.co.uk", "empresa.co.uk"),
        (None, "ana@gmail.com", None),
        (None, "ana@hotmail.es", None),
        (None, "ana@yahoo.com.mx", None),
        (None, "ana@live.studio", "live.studio"),
        (None, "ana@telefonica.net", None),
        (None, "ana@mailinator.com", None),
        ("https://www.Empresa.es/contacto?x=1", "ana@gmail.com", "empresa.es"),
        ("empresa.es", None, "empresa.es"),
        ("http://user:pw@empresa.es:8080", None, "empresa.es"),
        ("gmail.com", "ana@empresa.es", "empresa.es"),
        ("no website", "ana@empresa.es", "empresa.es"),
        ("localhost", None, None),
        ("127.0.0.1", None, None),
        ("co.uk", None, None),
    ],
)
def test_a_company_is_its_registrable_domain(website: str | None, email: str | None, domain: str | None) -> None:
    assert contact.company_domain(website, email) == domain


@pytest.mark.parametrize(
    ("email", "marks"),
    [
        ("ana@empresa.es", ()),
        ("ana@gmail.com", ("free_mail",)),
        ("info@empresa.es", ("role_address",)),
        ("ana+webinar@gmail.com", ("free_mail", "tagged_address")),
        ("x@mailinator.com", ("disposable",)),
    ],
)
def test_marks(email: str, marks: tuple[str, ...]) -> None:
    assert event(email=email).marks == marks


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.es/?x=1&utm_source=a+b%2Fc#seccion", {"source": "a b/c"}),
        ("https://a.es/#/precios?utm_source=google&GCLID=g", {"source": "google", "gclid": "g"}),
        ("https://a.es/p#utm_source=google", {"source": "google"}),
        ("https://a.es/?utm_content=que?ya", {"content": "que?ya"}),
        ("https://a.es/?utm_source=&utm_none=1&source=x&=y", {}),
        ("https://a.es/utm_source=google", {}),
        ("https://a.es/?utm_\u017fource=x", {}),  # a long s, whose capital is S
        ("https://a.es/", {}),
    ],
)
def test_a_campaign_stands_in_an_address_s_query_or_its_fragment(url: str, told: dict[str, str]) -> None:
    assert campaign.of_url(url) == told


def test_a_subject_id_is_hmac_sha_256_of_kind_and_value() -> None:
    for value in ("ana@empresa.es", "luis@empresa.es"):
        made = hmac.digest(SECRET, f"email\0{value}".encode(), "sha256")[:16].hex()
        assert subject_id(SECRET, "email", value) == made


def test_a_touchpoint_id_is_uuid_5_within_its_source() -> None:
    namespace = UUID("6f0a4c1e-5b1d-5c7e-9d43-2f7d0b6f9a10")
    for number in range(64):
        assert touchpoint_id("crm", str(number)) == str(uuid5(namespace, f"crm\0{number}"))


def test_the_campaign_comes_from_the_address_and_what_is_told_goes_first() -> None:
    found = event(
        what={"url": "https://empresa.es/?utm_source=google&utm_medium=cpc&UTM_Campaign=x&gclid=g1&other=1"},
        campaign={"source": "newsletter", "fbclid": "f1"},
    ).campaign
    assert (found.source, found.medium, found.name) == ("newsletter", "cpc", "x")
    assert found.ad_ids == {"gclid": "g1", "fbclid": "f1"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://empresa.es/a?b#c", "https://empresa.es/a?b#c"),
        ("https://ana:secret@empresa.es/a", "https://empresa.es/a"),
        ("javascript:alert(1)", None),
        ("/relative", None),
        ("https://empresa.es/" + "a" * 3000, None),
        ("https://empresa.es/a b", None),
    ],
)
def test_addresses_are_http_and_without_passwords(given: str, kept: str | None) -> None:
    assert campaign.web_address(given) == kept


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2015-2-02T00:30:08.276Z", datetime(2015, 2, 2, 0, 30, 8, 276000, UTC)),
        ("2012-12-02T00:30:08.276000+00:00", datetime(2012, 12, 2, 0, 30, 8, 276000, UTC)),
        ("2024-01-15T14:30:00+0200", datetime(2024, 1, 15, 12, 30, tzinfo=UTC)),
        ("2024-01-15 14:30", datetime(2024, 1, 15, 14, 30, tzinfo=UTC)),
        ("2024-01-15", datetime(2024, 1, 15, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        (1705329000, datetime(2024, 1, 15, 14, 30, tzinfo=UTC)),
        (1705329000000, datetime(2024, 1, 15, 14, 30, tzinfo=UTC)),
        ("1705329000", datetime(2024, 1, 15, 14, 30, tzinfo=UTC)),
        ("2023-02-30T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (10**40, None),
        (float("nan"), None),
        ({"$date": 1}, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_dates_as_odd_as_they_come(given: object, moment: datetime | None) -> None:
    assert lenient(given) == moment


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (NOW - timedelta(days=5000), NOW - timedelta(days=5000)),
        (NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)),
        (NOW + timedelta(minutes=5, seconds=1), NOW),
        (datetime(2030, 1, 1, tzinfo=UTC), NOW),
        (datetime(1969, 1, 1, tzinfo=UTC), NOW),
        (datetime.min.replace(tzinfo=UTC), NOW),
        (None, NOW),
        (datetime(2026, 11, 23, 11, 0), datetime(2026, 11, 23, 11, 0, tzinfo=UTC)),  # noqa: DTZ001
    ],
)
def test_nothing_occurs_later_than_five_minutes_after_its_receipt(told: datetime | None, expected: datetime) -> None:
    assert occurred(told, NOW) == expected


@pytest.mark.parametrize(
    ("agent", "machine"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36", True),
        ("facebookexternalhit/1.1", True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.1 Safari/605.1.15", False),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/119.0 Mobile Safari/537.36", False),
        ("python-requests/2.31", False),
    ],
)
def test_machines_that_say_so(agent: str, machine: bool) -> None:
    assert (robot(agent) is not None) is machine
    found = event(agent=agent)
    assert (found.machine, found.machine_because is not None) == (machine, machine)


def test_a_public_source_speaks_of_pages_and_forms_only() -> None:
    public = source("public")
    assert event(source=public).touch == "page_viewed"
    for touch in ("email_unsubscribed", "email_opened", "call", "meeting_booked", "imported", "other"):
        with pytest.raises(Unusable) as refusal:
            event(touch=touch, source=public)
        assert (refusal.value.status, refusal.value.field) == (403, "type")


@pytest.mark.parametrize(
    "draft",
    [
        {"fields": {f"f{n}": "x" for n in range(257)}},
        {"fields": {"f" * 129: "x"}},
        {"fields": {"f": "x" * 50_001}},
        {"what": {"text": "x" * 50_001}},
        {"what": {"title": "x" * 2_001}},
        {"user_id": "x" * 257},
        {"first": "x" * 201},
    ],
)
def test_more_than_a_touchpoint_holds_is_refused(draft: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        event(**draft)


def test_what_is_one_line_is_one_line() -> None:
    found = event(first="  Ana\r\n María\t", what={"title": "a\nb"})
    assert (found.names.first, found.what.title) == ("Ana María", "a b")
