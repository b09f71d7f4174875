"""Shows the calls of RudderStack, Jitsu, PostHog and Customer.io read as their documentation means them."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from ingest.draft import Draft, Refused, Request, Unauthentic, Unusable
from ingest.normalise import recorded
from ingest.registry import load
from ingest.sdks import sdk_of
from relevo.events import TouchpointRecorded
from relevo.events.identity import touchpoint_id

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "key-of-app"
(APP,) = load(
    yaml.safe_dump(
        {
            "sources": [
                {
                    "name": "app",
                    "kind": "posthog",
                    "access": "secret",
                    "keys": [{"sha256": sha256(KEY.encode()).hexdigest()}],
                }
            ]
        }
    )
)


def request(path: str, body: Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    return Request(method, path, raw, headers=sent)


def read(sent: Request) -> list[Draft | Refused]:
    sdk = sdk_of(sent.path, sent.headers)
    assert sdk is not None
    return list(sdk.normalise(sent, APP, NOW))


def drafts(sent: Request) -> list[Draft]:
    found = read(sent)
    assert all(isinstance(outcome, Draft) for outcome in found), found
    return [outcome for outcome in found if isinstance(outcome, Draft)]


def event(path: str, body: Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> TouchpointRecorded:
    (draft,) = drafts(request(path, body, headers, method))
    return recorded(draft, APP, b"s", NOW)


def who(found: TouchpointRecorded) -> dict[str, str]:
    return {subject.kind: subject.value for subject in found.subjects}


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


PATHS = ["/v1/batch", "/beacon/v1/batch", "/api/s/track", "/api/s/s2s/page", "/batch/", "/e/", "/capture", "/i/v0/e/",
         "/api/v1/customers/5", "/api/v1/events"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_another_s_key_is_refused_wherever_it_stands(path: str) -> None:
    wrong: list[tuple[Any, dict[str, str]]] = [
        ({}, {}), ({}, basic("x", "y")), ({}, {"X-Write-Key": "id:x"}), ({"api_key": "x"}, {}), ({"writeKey": 7}, {}),
        ({"api_key": [KEY]}, {}), ({"batch": [{"properties": {"token": "x"}}]}, {}), (b"{", {}), (b"", {}),
        ([], {}), (b"data=%", {}), ({}, {"Authorization": "Basic !"}),
    ]  # fmt: skip
    for body, headers in wrong:
        sent = request(path, body, headers)
        sdk = sdk_of(path, sent.headers)
        assert sdk is not None
        with pytest.raises(Unauthentic):
            sdk.verify(sent, APP, NOW)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/batch", {}, basic(KEY)),
        ("/v1/batch", {}, basic(KEY, '""')),  # as RudderStack's documentation packs an empty password
        ("/api/s/track", {}, {"X-Write-Key": f"relevo:{KEY}"}),
        ("/api/s/track", {}, {"X-Write-Key": KEY}),
        ("/api/s/s2s/track", {"writeKey": "relevo:***"}, {"X-Write-Key": f"relevo:{KEY}"}),
        ("/api/s/s2s/track", {}, basic("relevo", KEY)),
        ("/batch/", {"api_key": KEY, "batch": []}, {}),
        ("/e/", [{"event": "e", "properties": {"token": KEY}}], {}),
        ("/capture/", {"token": KEY}, {}),
        ("/e/", b"data=" + quote(base64.b64encode(json.dumps({"api_key": KEY}).encode()).decode()).encode(), {}),
        ("/api/v1/customers/5", {}, basic("site", KEY)),
        ("/api/v1/events", {}, basic("site", KEY)),
    ],
)
def test_the_key_stands_where_each_tool_has_it(path: str, body: Any, headers: dict[str, str]) -> None:
    sent = request(path, body, headers)
    sdk = sdk_of(path, sent.headers)
    assert sdk is not None
    sdk.verify(sent, APP, NOW)


# https://www.rudderstack.com/docs/event-spec/standard-events/identify/
RUDDER_IDENTIFY = {
    "type": "identify",
    "context": {"traits": {"name": "Richard Hendricks", "email": "rhedricks@example.com", "logins": 2}},
    "userId": "27340af5c8819",
}


def test_rudderstack_s_identify_has_its_traits_in_the_context() -> None:
    found = event("/v1/identify", RUDDER_IDENTIFY)
    assert (found.touch, found.names.full, found.fields) == ("identified", "Richard Hendricks", {"logins": "2"})
    assert who(found) == {"email": "rhedricks@example.com", "user": "company:27340af5c8819"}


def test_rudderstack_s_header_names_the_visitor_of_events_that_do_not() -> None:
    packed = {"AnonymousId": base64.b64encode(b"visitor-1").decode()}
    page, own = {"type": "page", "userId": "", "anonymousId": None}, {"type": "page", "anonymousId": "visitor-2"}
    found = drafts(request("/v1/batch", {"batch": [page, own]}, packed))
    assert [one.anonymous_id for one in found] == ["visitor-1", "visitor-2"]
    assert event("/v1/page", {}, {"AnonymousId": "not base64!"}).subjects[0].value == "not base64!"


def test_rudderstack_s_node_sdk_tells_times_its_own_way() -> None:
    track = {"type": "track", "event": "e", "userId": "u", "originalTimestamp": "2026-11-23T10:00:00.000Z",
             "sentAt": "2026-11-23T10:00:02.000Z", "messageId": "m"}  # fmt: skip
    batch = {"batch": [track], "timestamp": "2026-11-23T10:00:02.000Z", "sentAt": "2026-11-23T10:00:02.000Z"}
    assert event("/v1/batch", batch).occurred_at == datetime(2026, 11, 23, 11, 59, 58, tzinfo=UTC)


# https://docs.jitsu.com/sending-data/http
JITSU_TRACK = {
    "type": "track",
    "event": "testEvent",
    "properties": {"testProp": "test event properties"},
    "userId": "user@example.com",
    "anonymousId": "bKTtbVZw3yiqCJvCSJgjVeXp",
    "timestamp": "2023-04-12T13:29:04.690Z",
    "sentAt": "2023-04-12T13:29:04.690Z",
    "messageId": "voV6fulcZR4CTVnN89AnxTkC",
    "context": {"page": {"title": "Example page event", "url": "https://example.com/"}},
}


@pytest.mark.parametrize("path", ["/api/s/track", "/api/s/s2s/track", "/api/s/event"])
def test_jitsu_s_example(path: str) -> None:
    found = event(path, JITSU_TRACK)
    assert (found.touch, found.what.event, found.what.url) == ("tracked", "testEvent", "https://example.com/")
    assert found.fields == {"testProp": "test event properties"}
    assert who(found)["email"] == "user@example.com"
    assert str(found.touchpoint_id) == touchpoint_id("app", "voV6fulcZR4CTVnN89AnxTkC")


def test_a_jitsu_call_is_what_its_address_says() -> None:
    assert event("/api/s/s2s/identify", {"userId": "u", "traits": {"email": "a@empresa.es"}}).touch == "identified"


# https://posthog.com/docs/api/capture
POSTHOG_EVENT = {
    "api_key": KEY,
    "event": "event name",
    "distinct_id": "user distinct id",
    "properties": {"account_type": "pro"},
    "timestamp": "2022-09-21 09:03:11.913767",
}


def test_posthog_s_example() -> None:
    found = event("/i/v0/e/", POSTHOG_EVENT)
    assert (found.touch, found.original_type, found.what.event) == ("tracked", "event name", "event name")
    assert (found.fields, who(found)) == ({"account_type": "pro"}, {"user": "company:user distinct id"})
    assert found.occurred_at == datetime(2022, 9, 21, 9, 3, 11, 913767, tzinfo=UTC)


def test_a_posthog_batch_and_its_ids() -> None:
    one = {"event": "$pageview", "distinct_id": "ian@posthog.com", "uuid": "01a21b40-2809-7117-9992-ff3671476b74",
           "properties": {"$current_url": "https://empresa.es/precios?utm_source=ads", "title": "Precios",
                          "$raw_user_agent": "Mozilla/5.0", "$lib": "web"},
           "timestamp": "2026-11-23T10:00:00Z"}  # fmt: skip
    (draft,) = drafts(request("/batch/", {"api_key": KEY, "batch": [one], "sent_at": "2026-11-23T10:00:10Z"}))
    found = recorded(draft, APP, b"s", NOW)
    assert (found.touch, found.original_type, found.what.title) == ("page_viewed", "$pageview", "Precios")
    assert (found.campaign.source, found.fields, who(found)["email"]) == ("ads", {}, "ian@posthog.com")
    assert str(found.touchpoint_id) == touchpoint_id("app", "01a21b40-2809-7117-9992-ff3671476b74")
    assert found.occurred_at == datetime(2026, 11, 23, 11, 59, 50, tzinfo=UTC)
    assert KEY not in json.dumps(drafts(request("/e/", one | {"api_key": KEY}))[0].told)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"event": "$identify", "distinct_id": "u1", "properties": {"$anon_distinct_id": "v1"},
          "$set": {"email": "ana@empresa.es", "first_name": "Ana", "company": "Empresa"}},
         {"touch": "identified", "user_id": "u1", "anonymous_id": "v1", "email": "ana@empresa.es", "first": "Ana",
          "company": "Empresa"}),
        ({"event": "$set", "distinct_id": "u1", "properties": {"$set": {"plan": "pro"}, "$set_once": {"plan": "x"}}},
         {"touch": "identified", "fields": {"plan": "pro"}}),
        ({"event": "$create_alias", "distinct_id": "u1", "properties": {"distinct_id": "u1", "alias": "v1"}},
         {"touch": "identified", "user_id": "u1", "anonymous_id": "v1", "fields": {}}),
        ({"event": "$groupidentify", "distinct_id": "u1", "properties": {"$group_set": {"name": "Acme"}}},
         {"touch": "grouped", "company": "Acme", "user_id": "u1"}),
        ({"event": "$groupidentify", "distinct_id": "$company_acme",
          "properties": {"$group_type": "company", "$group_key": "acme"}}, {"user_id": None, "anonymous_id": None}),
        ({"event": "e", "properties": {"distinct_id": "v1", "$device_id": "v1"}},
         {"user_id": None, "anonymous_id": "v1"}),
        ({"event": "e", "properties": {"distinct_id": "u1", "$device_id": "v1", "$is_identified": True}},
         {"user_id": "u1", "anonymous_id": "v1"}),
        ({"event": "e", "distinct_id": "r", "properties": {"$process_person_profile": False}},
         {"user_id": None, "anonymous_id": "r"}),
        ({"event": "$screen", "distinct_id": "u1", "properties": {"$screen_name": "Precios"}},
         {"touch": "page_viewed", "what": {"title": "Precios"}}),
        ({"event": "$autocapture", "distinct_id": "v1", "offset": 1500},
         {"touch": "tracked", "occurred_at": datetime(2026, 11, 23, 11, 59, 58, 500_000, tzinfo=UTC)}),
    ],
)  # fmt: skip
def test_posthog_s_own_events(body: dict[str, Any], expected: dict[str, Any]) -> None:
    (found,) = drafts(request("/e/", [body]))
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_posthog_page_s_beacon_is_a_form_of_base64() -> None:
    packed = base64.b64encode(json.dumps(POSTHOG_EVENT).encode()).decode()
    assert event("/e/", b"data=" + quote(packed).encode()).what.event == "event name"
    assert event("/e/", b"data=" + quote(json.dumps(POSTHOG_EVENT)).encode()).what.event == "event name"


# https://docs.customer.io/integrations/api/track/
def test_a_customer_put_to_customer_io() -> None:
    body = {"email": "bob@example.com", "created_at": 1361205308, "first_name": "Bob", "plan": "basic"}
    found = event("/api/v1/customers/5", body, method="PUT")
    assert (found.touch, found.original_type, found.names.first) == ("identified", "identify", "Bob")
    assert who(found) == {"email": "bob@example.com", "user": "company:5"}
    assert found.fields == {"plan": "basic", "created_at": "1361205308"}
    assert event("/api/v1/customers/5", body, method="PUT").id == found.id
    assert event("/api/v1/customers/5", body | {"plan": "pro"}, method="PUT").id != found.id


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "customers/5/events", {"name": "purchase", "data": {"price": 13.99, "type": "socks"},
                                        "id": "01BX5ZZKBKACTAV9WEVGEMMVRZ", "timestamp": 1361205308},
         {"touch": "tracked", "original_type": "event", "user_id": "5", "event_id": "01BX5ZZKBKACTAV9WEVGEMMVRZ",
          "fields": {"price": "13.99", "type": "socks"},
          "occurred_at": datetime(2013, 2, 18, 16, 35, 8, tzinfo=UTC)}),
        ("POST", "customers/ana@empresa.es/events", {"name": "https://empresa.es/precios", "type": "page", "data": {}},
         {"touch": "page_viewed", "email": "ana@empresa.es", "what": {"url": "https://empresa.es/precios"}}),
        ("POST", "customers/5/events", {"name": "Precios", "type": "screen"},
         {"touch": "page_viewed", "what": {"title": "Precios"}}),
        ("POST", "events", {"name": "viewed", "anonymous_id": "v1"}, {"anonymous_id": "v1", "user_id": None}),
        ("POST", "events", {"name": "invite", "data": {"recipient": "ana@empresa.es"}}, {"email": "ana@empresa.es"}),
        ("PUT", "customers/5", {"anonymous_id": "v1", "_update": True},
         {"touch": "identified", "anonymous_id": "v1", "fields": {}}),
        ("PUT", "customers/a/b", {}, {"user_id": "a/b"}),
        ("POST", "customers/a/b/events", {"name": "e"}, {"user_id": "a/b", "touch": "tracked"}),
        ("DELETE", "customers/5", {}, {"touch": "other", "original_type": "delete", "user_id": "5"}),
        ("POST", "customers/5/suppress", {}, {"touch": "email_unsubscribed", "original_type": "suppress"}),
        ("POST", "customers/5/unsuppress", {}, {"touch": "other", "original_type": "unsuppress"}),
        ("PUT", "customers/5/devices", {"device": {"id": "d"}}, {"touch": "other", "original_type": "devices"}),
        ("DELETE", "customers/5/devices/d", {}, {"original_type": "devices", "user_id": "5"}),
        ("POST", "merge_customers", {"primary": {"email": "ana@empresa.es"}, "secondary": {"id": "6"}},
         {"touch": "other", "email": "ana@empresa.es"}),
    ],
)  # fmt: skip
def test_customer_io_s_calls(method: str, path: str, body: Any, expected: dict[str, Any]) -> None:
    (found,) = drafts(request(f"/api/v1/{path}", body, method=method))
    assert {name: getattr(found, name) for name in expected} == expected


def test_who_unsubscribed_at_customer_io_gives_no_consent() -> None:
    (found,) = drafts(request("/api/v1/customers/5", {"unsubscribed": True}, method="PUT"))
    assert found.consent is not None
    assert found.consent.basis == "none"


def test_what_differs_only_in_what_is_asked_is_not_one_touchpoint() -> None:
    asked = [("POST", "suppress"), ("POST", "unsuppress"), ("PUT", "devices")]
    ids = {event(f"/api/v1/customers/5/{what}", {}, method=method).id for method, what in asked}
    assert len(ids | {event("/api/v1/customers/5", {}, method="DELETE").id}) == 4


@pytest.mark.parametrize("path", PATHS)
def test_what_cannot_be_mended_is_one_refusal_and_no_exception(path: str) -> None:
    bodies: list[Any] = [
        b"{", b"\xff", b"[" * 5_000, b"17", b"null", b'"x"', b"data=e30", b'{"batch": 7}', b'{"properties": []}',
        b'{"event": "\\ud800", "userId": "u"}', b'{"distinct_id": {"a": NaN}}', b'{"timestamp": 1e400}',
        b'{"offset": 1e9, "timestamp": []}', b'{"data": 5, "primary": 5, "name": {}}', b"data=%FF",
    ]  # fmt: skip
    for body in bodies:
        for outcome in read(request(path, body)):
            if isinstance(outcome, Draft):
                with suppress(Unusable):
                    recorded(outcome, APP, b"s", NOW)
