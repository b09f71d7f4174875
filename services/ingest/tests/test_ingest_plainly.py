"""Shows that a touchpoint read plainly, into a struct, is what the contract's models make of the same body."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.draft import Draft, Outcome, Request, Unusable, usable
from ingest.normalise import described
from ingest.registry import Source
from ingest.sources import api
from relevo.events.touchpoints import Consent
from relevo.events.vocabulary import TouchpointType

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SOURCE = Source.model_validate({"name": "crm", "kind": "api", "keys": [{"sha256": "0" * 64}]})
EVERYTHING: dict[str, Any] = {
    "type": "form_submitted", "id": "e-1", "occurred_at": "2026-11-23T09:30:00.123456+01:00", "email": "Ana@empresa.es",
    "user_id": "7", "anonymous_id": "a-1", "phone": "+34600123456", "name": "Ana García", "first_name": "Ana",
    "last_name": "García", "company": {"name": "Empresa", "domain": "empresa.es"}, "form": "demo",
    "url": "https://empresa.es/?gclid=1", "title": "«Catálogo»", "asset": "a.pdf", "event": "Visto",
    "message_id": "m-1", "subject_line": "Hola", "link": "https://x.example/", "text": "¿Precio?\n",
    "user_agent": "curl/8", "machine": True,
    "fields": {"puesto": "CEO", "empleados": 120, "sí": True, "nota": 7.5, "nada": None},
    "campaign": {"source": "g", "medium": "cpc", "name": "n", "term": "t", "content": "c", "ad_ids": {"fbclid": "2"}},
    "consent": {"basis": "consent", "text_version": "2", "at": "2026-03-01T09:00:00Z"},
}  # fmt: skip


def judged(body: bytes) -> Outcome:
    value, suspicious = api.parse(body)
    return api._item(value, body, suspicious)


def written(outcome: Outcome) -> Any:
    """The data of its event, moments as text; or why there is none."""
    try:
        data = described(usable(outcome), SOURCE, b"secret", NOW)
    except Unusable as unusable:
        return unusable.field, unusable.detail
    return json.loads(json.dumps(data, default=datetime.isoformat))


def agree(body: bytes) -> bool:
    """Whether it is read plainly; then it must be what the models make of it."""
    draft = api._plainly(body)
    if draft is None:
        return False
    contract = usable(judged(body))  # which must not refuse it
    if draft.occurred_at is not None and contract.occurred_at is not None:
        # Beyond microseconds msgspec rounds, and pydantic cuts off.
        assert abs(draft.occurred_at - contract.occurred_at) <= timedelta(microseconds=1)
        draft = draft._replace(occurred_at=contract.occurred_at)
    assert written(draft) == written(contract)
    return True


def test_a_touchpoint_with_everything_is_read_plainly() -> None:
    assert set(EVERYTHING) == set(api.TouchpointBody.model_fields)
    assert set(EVERYTHING["campaign"]) == set(api.CampaignBody.model_fields)
    assert set(EVERYTHING["consent"]) == set(Consent.model_fields)
    assert agree(json.dumps(EVERYTHING).encode())


@pytest.mark.parametrize("name", sorted(EVERYTHING.keys() - {"type"}))
def test_so_is_one_with_each_field_alone(name: str) -> None:
    assert agree(json.dumps({"type": "page_viewed", name: EVERYTHING[name]}).encode())


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"owner_id": 7}, False), ({"owner_id": float("nan")}, True), ({"owner_id": "\ud800"}, True),
        ({"email": 7}, False), ({"text": "\ud800"}, True), ({"machine": "yes"}, False),
        ({"occurred_at": 1764000000}, False), ({"occurred_at": "yesterday"}, True), ({"title": "x" * 2_001}, True),
        ({"id": "x" * 257}, True), ({"text": "x" * 50_001}, True), ({"fields": {"n": 2**63}}, False),
        ({"fields": {"n": [1]}}, True), ({"company": {"name": "E", "size": 9}}, False),
        ({"campaign": {"ad_ids": 7}}, True),
        ({"consent": {"basis": "consent", "at": "2026-03-01T09:00:00"}}, True), ({"consent": {"basis": "yes"}}, True),
    ],
)  # fmt: skip
def test_whatever_is_not_plain_is_for_the_models_to_judge(more: dict[str, Any], refused: bool) -> None:
    body = json.dumps({"type": "page_viewed", "user_id": "7"} | more).encode()
    assert api._plainly(body) is None
    (outcome,) = api.normalise(Request("POST", "/v1/touchpoints", body), SOURCE, NOW)
    assert (outcome == judged(body)) if not refused else not isinstance(outcome, Draft)


# Any JSON, and what is nearly right.
_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_ANY = st.recursive(_SCALAR, lambda of: st.lists(of, max_size=2) | st.dictionaries(st.text(max_size=5), of, max_size=2))
_MOMENT = st.from_regex(
    r"(19|20)\d\d-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-5]\d(:[0-6]\d([.,]\d{1,10})?)?(Z|z|[+-][0-2]\d:?[0-5]\d)?",
    fullmatch=True,
)
_PART = st.dictionaries(st.sampled_from(["name", "domain", "source", "ad_ids", "basis", "at"]), _SCALAR | _MOMENT)
_TYPES = st.sampled_from(TouchpointType.__args__)


@given(
    touch=_TYPES | _TYPES | _SCALAR,
    told=st.fixed_dictionaries(
        {}, optional={name: st.just(told) | _SCALAR | _ANY for name, told in EVERYTHING.items()}
    ),
    more=st.fixed_dictionaries(
        {},
        optional={"occurred_at": _MOMENT, "company": _PART, "campaign": _PART, "consent": _PART, "fields": _PART}
        | {"junk": _ANY},
    ),
)
def test_any_json_is_read_alike_or_left_to_the_models(touch: Any, told: dict[str, Any], more: dict[str, Any]) -> None:
    agree(json.dumps({**told, **more, "type": touch}).encode())


_WHOLE = json.dumps(EVERYTHING, ensure_ascii=False).encode()


@given(at=st.integers(0, len(_WHOLE)), cut=st.integers(0, 3), put=st.binary(max_size=3) | st.sampled_from(
    [b"\\ud800", b"\\u0000", b"NaN", b"1e999", b"-0", b"\xed\xa0\x80", b"\x00", b"{", b"}", b'"', b",", b"[[[["]
))  # fmt: skip
@example(at=_WHOLE.index(b".123456"), cut=0, put=b"\\u0000")
@example(at=0, cut=0, put=b"\xef\xbb\xbf")
@example(at=len(_WHOLE), cut=0, put=b" x")
def test_a_damaged_body_is_read_alike_or_left_to_the_models(at: int, cut: int, put: bytes) -> None:
    agree(_WHOLE[:at] + put + _WHOLE[at + cut :])
