"""Shows Segment's calls read as its documentation and its SDKs mean them, one bad event never costing another."""

import base64
import json
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.draft import Draft, Refused, Request, Unauthentic, Unusable
from ingest.normalise import recorded, refused
from ingest.registry import load
from ingest.sources import segment
from ingest.wire import gunzip
from relevo.events.identity import touchpoint_id

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MATERIAL = Path(os.environ.get("RELEVO_MATERIAL", Path(__file__).parents[4] / "shared" / "material")) / "segment"
with_material = pytest.mark.skipif(not MATERIAL.is_dir(), reason="RELEVO_MATERIAL is not there")
KEY = "YOUR_WRITE_KEY"  # of Segment's documentation
(APP,) = load(
    yaml.safe_dump(
        {
            "sources": [
                {
                    "name": "app",
                    "kind": "segment",
                    "access": "secret",
                    "keys": [{"sha256": sha256(KEY.encode()).hexdigest()}],
                }
            ]
        }
    )
)


def request(body: Any, call: str = "batch", headers: dict[str, str] | None = None) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    return Request("POST", f"/v1/{call}", raw, headers=sent)


def read(body: Any, call: str = "batch") -> list[Draft | Refused]:
    return list(segment.normalise(request(body, call), APP, NOW))


def draft(event: Any, call: str = "batch") -> Draft:
    (found,) = read(event, call)
    assert isinstance(found, Draft), found
    return found


def of_material(name: str) -> Any:
    return json.loads((MATERIAL / name).read_text())


def told(outcome: Draft | Refused) -> tuple[str, str, str, str | None]:
    assert isinstance(outcome, Draft), outcome
    event = recorded(outcome, APP, b"s", NOW)
    return event.touch, event.subjects[0].value, event.occurred_at.isoformat(), event.what.event


@with_material
def test_every_example_of_the_http_api_s_documentation() -> None:
    found = []
    for example in of_material("segment_docs_http_api_examples.json"):
        sent = request(example["body"], example["url"].rpartition("/")[2])
        segment.verify(sent, APP, NOW)
        found += [told(outcome) for outcome in segment.normalise(sent, APP, NOW)]
    assert found == [
        ("identified", "pgibbons@example.com", "2012-12-02T00:30:08.276000+00:00", None),
        ("tracked", "company:019mr8mf4r", "2012-12-02T00:30:12.984000+00:00", "Item Purchased"),
        ("page_viewed", "company:019mr8mf4r", "2012-12-02T00:31:29.738000+00:00", None),
        ("page_viewed", "company:019mr8mf4r", "2012-12-02T00:31:29.738000+00:00", None),
        ("grouped", "company:019mr8mf4r", "2012-12-02T00:31:38.208000+00:00", None),
        ("identified", "company:019mr8mf4r", "2012-12-02T00:31:29.738000+00:00", None),
        ("identified", "jake@yahoo.com", "2012-12-02T00:30:08.276000+00:00", None),
        ("tracked", "company:019mr8mf4r", "2012-12-02T00:30:12.984000+00:00", "Song Played"),
        ("identified", "cindy@example.com", "2015-02-02T00:30:08.276000+00:00", None),
        ("tracked", "company:971mj8mk7p", "2015-02-02T00:30:12.984000+00:00", "Song Played"),
        ("identified", "pgibbons@example.com", "2012-12-02T00:30:08.276000+00:00", None),
    ]


@with_material
def test_every_example_of_the_spec_is_understood_or_says_of_nobody() -> None:
    for example in of_material("segment_docs_spec_examples.json"):
        event = example.get("json")
        if not isinstance(event, dict) or "type" not in event:
            continue
        outcome = draft(event)
        nobody = not any(event.get(name) for name in ("userId", "anonymousId")) and not outcome.email
        try:
            assert recorded(outcome, APP, b"s", NOW).original_type == event["type"]
            assert not nobody
        except Unusable:
            assert nobody, example


@with_material
@pytest.mark.parametrize("name", ["node_segment-node", "py_analytics-python_legacy", "py_segment-analytics-python",
                                  "py_segment-analytics-python_gzip"])  # fmt: skip
def test_what_real_sdks_send(name: str) -> None:
    seen = []
    for capture in of_material(f"sdk_captures/{name}.json"):
        headers = dict(capture["headers"])
        raw = base64.b64decode(capture["body_raw_base64"]) if "body_raw_base64" in capture else capture["body"].encode()
        sent = request(gunzip(raw, 500_000) or raw, headers=headers)
        segment.verify(sent, APP, NOW)
        events = json.loads(sent.body)["batch"]
        outcomes = segment.normalise(sent, APP, NOW)
        assert len(outcomes) == len(events)
        for event, outcome in zip(events, outcomes, strict=True):
            assert isinstance(outcome, Draft)
            assert outcome.event_id == event["messageId"]
            seen.append((event["type"], recorded(outcome, APP, b"s", NOW)))
    assert {kind for kind, _ in seen} >= {"identify", "track", "page", "group"}
    kinds = {kind: event for kind, event in seen if event.what.event in (None, "Item Purchased")}
    assert kinds["identify"].subjects[0].value == "pgibbons@example.com"
    assert (kinds["identify"].names.full, kinds["identify"].fields["industry"]) == ("Peter Gibbons", "Technology")
    assert (kinds["group"].company.name, kinds["group"].fields["employees"]) == ("Initech", "329")
    assert kinds["track"].fields == {"name": "Leap to Conclusions Mat", "revenue": "14.99"}
    assert kinds["track"].campaign.name == "TPS Innovation Newsletter"


@with_material
def test_a_retried_batch_is_the_same_touchpoints() -> None:
    first, again = of_material("sdk_captures/retry503_py_segment-analytics-python.json")[:2]
    ids = [
        [recorded(o, APP, b"s", NOW).touchpoint_id for o in read(capture["body"].encode()) if isinstance(o, Draft)]
        for capture in (first, again)
    ]
    assert ids[0] == ids[1]


def test_the_batch_s_context_is_merged_into_each_event() -> None:
    body = {
        "batch": [
            {"type": "page", "anonymousId": "a", "properties": {"url": "https://x.example/a"}},
            {"type": "page", "anonymousId": "a", "context": {"campaign": {"name": "own"}}},
        ],
        "context": {"campaign": {"name": "shared", "source": "s"}, "userAgent": "Mozilla/5.0"},
    }
    one, two = read(body)
    assert isinstance(one, Draft)
    assert isinstance(two, Draft)
    assert one.campaign == {"name": "shared", "source": "s"}
    assert two.campaign == {"name": "own"}
    assert (one.agent, two.agent) == ("Mozilla/5.0", "Mozilla/5.0")


def test_what_an_event_leaves_null_the_batch_says() -> None:
    body = {
        "batch": [{"type": "track", "event": "e", "userId": "u", "messageId": "m", "context": None}],
        "context": {"userAgent": "Mozilla/5.0"},
        "integrations": {"All": False},
    }
    (found,) = read(body)
    assert isinstance(found, Draft)
    assert (found.agent, found.told["integrations"]) == ("Mozilla/5.0", {"All": False})


def test_traits_of_an_identify_may_stand_in_its_context() -> None:
    traits = {"email": "ana@empresa.es", "plan": "pro", "company": {"employees": 9}}
    found = draft({"type": "identify", "userId": "u", "context": {"traits": traits}})
    assert (found.email, found.fields) == ("ana@empresa.es", {"plan": "pro", "employees": "9"})


@pytest.mark.parametrize(
    ("times", "occurred"),
    [
        ({"timestamp": "2026-11-23T10:00:00Z"}, "10:00:00"),
        ({"timestamp": "2026-11-23T10:00:00Z", "sentAt": "2026-11-23T10:00:30Z"}, "11:59:30"),  # two hours behind
        ({"timestamp": "2026-11-23T14:00:00Z", "sentAt": "2026-11-23T14:00:05Z"}, "11:59:55"),  # two hours ahead
        ({"originalTimestamp": "2026-11-23T10:00:00Z", "sentAt": "2026-11-23T10:01:00Z"}, "11:59:00"),
        ({"timestamp": "2026-11-23T11:00:00Z", "sentAt": "2026-11-23T12:00:00Z"}, "11:00:00"),  # its clock is right
        ({"timestamp": "2026-11-23T11:00:00Z", "originalTimestamp": "2026-11-23T10:00:00Z",
          "sentAt": "2026-11-23T10:00:00Z"}, "11:00:00"),  # corrected before
        ({"timestamp": "2026-11-23T11:00:00Z", "receivedAt": "2026-11-23T11:00:00Z",
          "sentAt": "2026-11-23T10:00:00Z"}, "11:00:00"),
        ({"timestamp": "2026-11-23T10:00:00Z", "sentAt": "nonsense"}, "10:00:00"),
        ({"sentAt": "2026-11-23T10:00:00Z"}, None),
        ({"timestamp": "9999-12-31T00:00:00Z", "sentAt": "1970-01-01T00:00:00Z"}, "00:00:00"),
    ],
)  # fmt: skip
def test_the_sender_s_clock_is_corrected_by_the_time_it_sent(times: dict[str, str], occurred: str | None) -> None:
    found = draft({"type": "track", "event": "e", "userId": "u", "messageId": "m", **times}).occurred_at
    assert (found and f"{found:%H:%M:%S}") == occurred


def test_a_batch_s_time_of_sending_is_its_events() -> None:
    event = {"type": "track", "event": "e", "userId": "u", "timestamp": "2026-11-23T10:00:00Z"}
    own = {"sentAt": "2026-11-23T10:00:10Z"}
    found = read({"batch": [event, event | own], "sentAt": "2026-11-23T10:00:30Z"})
    assert [f"{one.occurred_at:%H:%M:%S}" for one in found if isinstance(one, Draft)] == ["11:59:30", "11:59:50"]


def test_a_retry_without_message_id_is_the_same_touchpoint() -> None:
    event = {"type": "track", "event": "e", "userId": "u", "timestamp": "2026-11-23T10:00:00Z"}
    ids = {
        recorded(draft({"batch": [event], "sentAt": sent_at}), APP, b"s", NOW).touchpoint_id
        for sent_at in ("2026-11-23T10:00:10Z", "2026-11-23T10:00:20Z")
    }
    assert len(ids) == 1


@pytest.mark.parametrize("message_id", ["m", "x" * 2_000, "ñ €", "a b\tc", 17, "\u0000"])
def test_a_message_id_is_any_string(message_id: Any) -> None:
    event = recorded(draft({"type": "page", "userId": "u", "messageId": message_id}), APP, b"s", NOW)
    assert str(event.touchpoint_id) == touchpoint_id("app", str(message_id))


def test_one_bad_event_costs_the_others_nothing() -> None:
    good = '{"type":"track","userId":"u","event":"e"}'
    bad = [
        "17", "null", '"x"', "[]",
        '{"type":"track","userId":"u","event":"e","properties":{"n":NaN}}',
        '{"type":"track","userId":"u","event":"\\ud800"}',
        '{"type":"track","userId":"u","properties":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
        '{"type":"track","userId":"u","properties":' + json.dumps({f"p{n}": n for n in range(300)}) + "}",
    ]  # fmt: skip
    outcomes = read(f'{{"batch":[{",".join([good, *bad, good])}]}}'.encode())
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [False, *[True] * len(bad), False]


def test_a_body_that_is_no_json_is_one_failed_touchpoint() -> None:
    (outcome,) = read(b'{"batch": [')
    assert isinstance(outcome, Refused)
    assert outcome.told == b'{"batch": ['


def test_an_unusable_event_keeps_its_identifiers_for_an_erasure() -> None:
    event = {"type": "track", "userId": 7, "messageId": "m", "context": {"traits": {"email": "Ana@empresa.es"}},
             "properties": {f"p{n}": n for n in range(300)}}  # fmt: skip
    (outcome,) = read({"batch": [event]})
    assert isinstance(outcome, Refused)
    assert (outcome.event_id, outcome.identifiers) == ("m", (("email", "Ana@empresa.es"), ("user", "7")))
    assert refused(draft({"type": "track", "event": "e", "anonymousId": "a"}), outcome.because).identifiers == (
        ("anonymous", "a"),
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "identify", "userId": "u", "traits": {"email": "bad"}}, {"touch": "identified", "email": None}),
        ({"type": "identify", "userId": "ana@empresa.es"}, {"email": "ana@empresa.es", "user_id": "ana@empresa.es"}),
        ({"type": "track", "userId": "u", "event": "e", "email": "a@empresa.es"}, {"email": "a@empresa.es"}),
        ({"type": "group", "userId": "u", "traits": {"name": "Acme", "website": "acme.es", "email": "info@acme.es"}},
         {"touch": "grouped", "company": "Acme", "website": "acme.es", "email": None, "full": None}),
        ({"type": "identify", "userId": "u", "traits": {"company": {"name": "Acme", "employees": 9}, "title": "CTO",
                                                        "address": {"country": "ES"}}, "context": {"locale": "es-ES"}},
         {"company": "Acme", "fields": {"employees": "9", "title": "CTO", "country": "ES", "locale": "es-ES"}}),
        ({"type": "alias", "userId": "u", "previousId": "anon"}, {"touch": "identified", "anonymous_id": "anon"}),
        ({"type": "screen", "userId": "u", "name": "Pricing"}, {"touch": "page_viewed", "what": {"title": "Pricing"}}),
        ({"type": "track", "userId": "u", "event": "Email Link Clicked", "properties": {"link_url": "https://x.es"}},
         {"touch": "email_clicked"}),
        ({"type": "track", "userId": "u", "event": "Unsubscribed"}, {"touch": "email_unsubscribed"}),
        ({"type": "heartbeat", "userId": "u"}, {"touch": "other", "original_type": "heartbeat"}),
        ({"userId": "u"}, {"touch": "other", "original_type": None}),
        ({"type": "page", "userId": 12, "messageId": 34}, {"user_id": "12", "event_id": "34"}),
        ({"type": "page", "userId": "u", "timestamp": "nonsense"}, {"occurred_at": None}),
    ],
)  # fmt: skip
def test_calls_and_what_becomes_of_them(event: dict[str, Any], expected: dict[str, Any]) -> None:
    found = draft(event)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_single_call_is_what_its_address_says() -> None:
    assert draft({"userId": "u", "event": "e"}, "track").touch == "tracked"
    assert draft({"userId": "u", "type": "track"}, "identify").touch == "identified"
    assert [draft({"userId": "u"}, short).touch for short in "itpsga"] == list(segment.CALLS.values())
    assert draft({"batch": [{"userId": "u", "type": "page"}]}, "import").touch == "page_viewed"


def test_the_key_stands_in_a_header_or_in_the_body() -> None:
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    segment.verify(request({}, headers={"Authorization": f"Basic {basic}"}), APP, NOW)
    segment.verify(request({}, headers={"Authorization": f"Bearer {KEY}"}), APP, NOW)
    segment.verify(request({"writeKey": KEY}), APP, NOW)
    segment.verify(request({"batch": [{"writeKey": KEY}]}), APP, NOW)
    segment.verify(request({"writeKey": KEY}, headers={"Authorization": "Bearer an-oauth-token"}), APP, NOW)
    wrong = [request({"writeKey": "x"}), request({"writeKey": 7}), request({}), request(b"{"), request([])]
    wrong += [request({"writeKey": "x"}, headers={"Authorization": "Basic eDo="})]
    for sent in wrong:
        with pytest.raises(Unauthentic):
            segment.verify(sent, APP, NOW)


def test_the_key_in_the_body_is_not_kept() -> None:
    (outcome,) = read({"type": "track", "writeKey": KEY, "properties": {f"p{n}": n for n in range(300)}}, "track")
    assert isinstance(outcome, Refused)
    assert KEY not in json.dumps(outcome.told)
