"""Shows every kind of bad input answered with a clear problem, never a 5xx, never an echo, nothing of it on a topic."""

import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relevo.events.identity import touchpoint_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

OK = {"type": "call", "email": "ana@empresa.es"}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
PII = "secret-person-4711"


def nested(depth: int) -> bytes:
    return b'{"type":"call","email":"ana@empresa.es","x":' + b"[" * depth + b"1" + b"]" * depth + b"}"


def with_field(json_text: bytes) -> bytes:
    return b'{"type":"call","email":"ana@empresa.es","text":' + json_text + b"}"


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def multipart(parts: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    return part * parts + b"--b--\r\n"


TOUCHPOINTS: list[tuple[str, bytes, int]] = [
    ("empty", b"", 400),
    ("broken", b'{"type": ', 400),
    ("text", b"hello", 400),
    ("single quotes", b"{'type':'call'}", 400),
    ("trailing", json.dumps(OK).encode() + b"{}", 400),
    ("utf-16", json.dumps(OK).encode("utf-16"), 400),
    ("byte order mark", b"\xef\xbb\xbf" + json.dumps(OK).encode(), 400),
    ("bad utf-8", with_field(b'"\xff\xfe"'), 400),
    ("surrogate in utf-8", with_field(b'"\xed\xa0\x80"'), 400),
    ("lone surrogate", with_field(b'"\\ud800"'), 422),
    ("lone surrogate in a name", b'{"type":"call","email":"a@b.es","fields":{"\\udc00":"x"}}', 422),
    ("raw NUL", with_field(b'"a\x00b"'), 400),
    ("escaped NUL", with_field(b'"a\\u0000b"'), 422),
    ("NUL in a field's name", b'{"type":"call","email":"a@b.es","fields":{"a\\u0000":"x"}}', 422),
    ("NaN", b'{"type":"call","email":"a@b.es","fields":{"n":NaN}}', 422),
    ("NaN where it is ignored", b'{"type":"call","email":"a@b.es","n":NaN}', 422),
    ("infinity", b'{"type":"call","email":"a@b.es","fields":{"n":-Infinity}}', 422),
    ("beyond a double", b'{"type":"call","email":"a@b.es","fields":{"n":1e999}}', 422),
    ("five thousand digits", b'{"type":"call","email":"a@b.es","fields":{"n":' + b"9" * 5000 + b"}}", 400),
    ("33 levels", nested(33), 400),
    ("100,000 levels", nested(100_000), 400),
    ("brackets without end", b"[" * 200_000, 400),
    ("quotes without end", b"[]" * 40 + b'"' + b'\\"' * 100_000, 400),
    ("a number", b"17", 422),
    ("null", b"null", 422),
    ("no type", json.dumps({"email": "a@b.es"}).encode(), 422),
    ("unknown type", json.dumps(OK | {"type": PII}).encode(), 422),
    ("nobody", json.dumps({"type": "call"}).encode(), 422),
    ("no address", json.dumps(OK | {"email": PII}).encode(), 422),
    ("a list for an address", json.dumps(OK | {"email": [PII]}).encode(), 422),
    ("odd date", json.dumps(OK | {"occurred_at": PII}).encode(), 422),
    ("impossible date", json.dumps(OK | {"occurred_at": "2026-02-30T00:00:00Z"}).encode(), 422),
    ("nested fields", json.dumps(OK | {"fields": {"a": {PII: 1}}}).encode(), 422),
    ("1,200 fields", json.dumps(OK | {"fields": {f"f{n}": "x" for n in range(1200)}}).encode(), 422),
    ("long text", json.dumps(OK | {"text": "x" * 50_001}).encode(), 422),
    ("wrong consent", json.dumps(OK | {"consent": {"basis": PII}}).encode(), 422),
    ("257 KiB", json.dumps(OK | {"text": "x" * 257 * 1024}).encode(), 413),
    ("501 KiB of items", b"[" + b",".join([json.dumps(OK).encode()] * 11_000) + b"]", 413),
    ("1,001 items", b"[" + b",".join([b"{}"] * 1001) + b"]", 413),
    ("gzip bomb", bomb(64), 413),
    ("torn gzip", gzip.compress(json.dumps(OK).encode())[:-9], 400),
    ("damaged gzip", gzip.compress(json.dumps(OK).encode() * 50)[:30] + b"\xff" * 30, 400),
]


@pytest.mark.parametrize(("name", "body", "status"), TOUCHPOINTS, ids=[name for name, _, _ in TOUCHPOINTS])
async def test_touchpoints(at: Any, name: str, body: bytes, status: int) -> None:
    answer = await at.post("/v1/touchpoints", content=body, headers=JSON)
    clear(answer, status)


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("no body", b"", FORM, 422),
        ("nobody", b"name=Ana", FORM, 422),
        ("no address", f"email={PII}".encode(), FORM, 422),
        ("NUL", b"email=a%40b.es&message=a%00b", FORM, 422),
        ("bad utf-8", b"email=a%40b.es&message=%FF", FORM, 400),
        ("1,200 fields", b"&".join(b"f%d=x" % n for n in range(1200)), FORM, 422),
        ("10,000 parts", multipart(3_800), {"content-type": "multipart/form-data; boundary=b"}, 422),
        ("no boundary", multipart(1), {"content-type": "multipart/form-data"}, 400),
        ("torn multipart", multipart(2)[:-9], {"content-type": "multipart/form-data; boundary=b"}, 400),
        ("xml", b"<a/>", {"content-type": "application/xml"}, 415),
        ("unknown charset", b"a=b", {"content-type": "text/plain; charset=klingon"}, 415),
        ("deep JSON", nested(40), JSON, 400),
        ("NaN", b'{"email":"a@b.es","n":NaN}', JSON, 422),
        ("blown up by escapes", b"email=a%40b.es&f=" + b"%01" * 70_000, FORM, 422),
        ("brotli", b"x", FORM | {"content-encoding": "br"}, 415),
        ("257 KiB", b"email=a%40b.es&m=" + b"x" * 257 * 1024, FORM, 413),
    ],
)
async def test_forms(at: Any, name: str, body: bytes, headers: dict[str, str], status: int) -> None:
    clear(await at.post("/v1/forms/site", "site", content=body, headers=headers), status)


@pytest.mark.parametrize("path", ["/v1/touchpoints", "/v1/forms/site", "/v1/forms/nothing", "/v1/batch", "/v1/track"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Bearer key-of-crm, key-of-app", "Basic !!!", "Digest x",
     "Basic " + "x" * 5000, "Bearer ключ"],
)  # fmt: skip
async def test_without_its_key_nothing_comes_in(at: Any, path: str, authorization: str | None) -> None:
    headers = JSON | ({"authorization": authorization.encode()} if authorization is not None else {})
    clear(await at.client.post(f"{at.url}{path}", json=OK, headers=headers), 401)
    clear(await at.client.post(f"{at.url}{path}?key=key-of-crm", json=OK), 401)  # a secret key in an address


async def test_a_body_counted_as_it_comes(at: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10_000

    answer = await at.post("/v1/touchpoints", content=endless(), headers=JSON)
    clear(answer, 413)


async def test_methods_and_keys_of_another_kind(at: Any) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        answer = await at.client.request(method, f"{at.url}/v1/touchpoints")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    for key in ("", "x" * 201, "a\tb"):
        clear(await at.post("/v1/touchpoints", json=OK, headers={"idempotency-key": key}), 400)


async def test_what_a_sender_may_not_set_is_ignored(at: Any) -> None:
    answer = await at.post(
        "/v1/touchpoints",
        json=OK | {"id": "bind", "score": 99, "owner_id": "x", "machine_because": "x", "subjects": [], "by": "step",
                   "touchpoint_id": "00000000-0000-0000-0000-000000000000", "received_at": "2001-01-01T00:00:00Z"},
    )  # fmt: skip
    assert answer.status_code == 202
    (event,) = await at.recorded(1, {answer.json()["touchpoint_id"]})
    assert (event.by, event.received_at.year > 2001, event.machine_because, event.fields) == ("system", True, None, {})


@pytest.mark.parametrize(
    ("name", "members", "reason"),
    [
        ("nobody", '"event":"e"', "email: Nothing says who it was"),
        ("NUL", '"userId":"u","event":"a\\u0000"', "Holds a NUL"),
        ("surrogate", '"userId":"u","event":"\\ud800"', "Holds half a character"),
        ("NaN", '"userId":"u","event":"e","properties":{"n":NaN}', "Holds NaN"),
        ("deep", '"userId":"u","event":"e","properties":' + "[" * 40 + "]" * 40, "Nest at most 32"),
        ("many", '"userId":"u","properties":' + json.dumps({f"p{n}": 1 for n in range(999)}), "fields: More than 256"),
        ("a public source's unsubscribe", '"userId":"u","event":"Unsubscribed"', "type: A public source"),
    ],
)
async def test_one_bad_sdk_event_is_kept_aside_and_costs_the_others_nothing(
    at: Any, name: str, members: str, reason: str
) -> None:
    good = [f'{{"type":"page","anonymousId":"a","messageId":"{name}-{n}"}}' for n in (1, 2)]
    bad = f'{{"type":"track","messageId":"{name}",{members}}}'
    answer = await at.post("/v1/batch", "pages", content=f'{{"batch":[{good[0]},{bad},{good[1]}]}}'.encode())
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (kept,) = await at.failed(1, {touchpoint_id("pages", name)})
    assert kept.reason.startswith(reason)
    assert (kept.method, kept.path, kept.source) == ("POST", "/v1/batch", "pages")
    assert repr(json.loads(base64.b64decode(kept.body_base64))) == repr(json.loads(bad))
    ids = {touchpoint_id("pages", f"{name}-{n}") for n in (1, 2)}
    assert len(await at.recorded(2, ids)) == 2


def clear(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert PII not in answer.text
    assert "ana@empresa.es" not in answer.text
