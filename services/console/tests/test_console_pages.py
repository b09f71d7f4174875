"""Shows who may see what: sessions, CSRF, loopback, reps; the two languages; erasure; the JSON and the stream."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from console.access import COOKIE
from relevo.events import LeadErased
from relevo.testing.services import PATIENCE


async def signed_in(console, client: httpx.AsyncClient, token: str) -> str:
    """Sign in as a browser does; returns the CSRF token of the pages."""
    answer = await client.post("/login", data={"token": console.tokens[token]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    client.headers["cookie"] = cookie.partition(";")[0]
    return re.search(r'name="csrf" value="([^"]+)"', (await client.get("/")).text)[1]


async def test_pages_need_a_session_and_a_session_dies_with_its_token(console):
    async with console.client() as browser:
        for path in ("/", "/playbook", "/leads/0190a0a0-0000-7000-8000-000000000000"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await browser.get("/v1/funnel")).status_code == 401
        assert (await browser.post("/login", data={"token": "guessed"})).status_code == 403
        await signed_in(console, browser, "reader")
        assert (await browser.get("/")).status_code == 200
        assert (await browser.get("/v1/funnel")).status_code == 200
        assert (await browser.get("/v1/playbooks")).status_code == 200
        stored = await rows(console, "select key, token, csrf from session")
        assert browser.headers["cookie"].partition("=")[2] not in str(stored)
        assert console.tokens["reader"] not in str(stored)
        console.path.write_text("tokens: []")
        assert (await browser.get("/")).status_code == 303


async def test_a_session_ends_when_its_viewer_signs_out(console):
    async with console.client() as browser:
        csrf = await signed_in(console, browser, "reader")
        assert (await browser.post("/logout", data={"csrf": "other"})).status_code == 403
        assert (await browser.post("/logout", data={"csrf": csrf})).status_code == 303
        assert (await browser.get("/")).status_code == 303
    assert await rows(console, "select 1 from session") == []


async def test_posts_need_the_pages_own_csrf_token_and_come_from_our_site(console, story):
    one = story()
    await console.hear(*one.to_rep())
    async with console.client() as browser:
        csrf = await signed_in(console, browser, "admin")
        erase = f"/leads/{one.lead_id}/erase"
        foreign = {"sec-fetch-site": "cross-site"}
        assert (await browser.post(erase, data={})).status_code == 403
        assert (await browser.post(erase, data={"csrf": "x" * len(csrf)})).status_code == 403
        assert (await browser.post(erase, data={"csrf": csrf}, headers=foreign)).status_code == 403
        assert (await browser.post(f"/v1{erase}")).status_code == 403
        assert (await browser.post("/v1/search", json={"query": "ana"})).status_code == 403
        found = await browser.post("/v1/search", json={"query": "ana"}, headers={"x-csrf-token": csrf})
        assert [item["name"] for item in found.json()["items"]] == ["Ana García"]
        assert (await browser.post("/login", data={"token": "x"}, headers=foreign)).status_code == 403
        assert await rows(console, "select 1 from outbox") == []
        assert (await browser.post(erase, data={"csrf": csrf})).status_code == 200
    ((value,),) = await rows(console, "select value from outbox")
    event = LeadErased.model_validate_json(value)
    assert (event.lead_id, event.by, set(event.subject_ids)) == (one.lead_id, "user:admin", {one.subject, one.visitor})


async def test_local_pages_open_without_a_login_on_this_machine_only(opened):
    local = await opened(local=True)
    async with local.client() as here, local.client(address="192.0.2.7") as elsewhere:
        assert (await here.get("/")).status_code == 200
        assert (await elsewhere.get("/")).status_code == 303
        rebound = await here.get("/", headers={"host": "evil.example"})
        assert rebound.status_code == 303
        assert (await here.post("/search", data={"query": "ana"})).status_code == 403
        csrf = re.search(r'name="csrf" value="([^"]+)"', (await here.get("/")).text)[1]
        assert (await here.post("/search", data={"query": "ana", "csrf": csrf})).status_code == 200


async def test_a_rep_sees_own_leads(opened, story, tokens):
    console = await opened()
    path, _ = tokens
    path.write_text(path.read_text().replace("name: reader", "name: reader\n  rep: jon"))
    mine, other = story(name="Mía"), story(name="Ajena")
    await console.hear(*mine.to_rep()[:-2], mine.assigned(rep="jon", rep_name="Jon"), *other.to_rep())
    async with console.client("reader") as api, console.client() as browser:
        assert (await api.get(f"/v1/leads/{mine.lead_id}/timeline")).status_code == 200
        assert (await api.get(f"/v1/leads/{other.lead_id}/timeline")).status_code == 403
        names = [item["name"] for item in (await api.post("/v1/search", json={"query": "a"})).json()["items"]]
        assert names == ["Mía"]
        await signed_in(console, browser, "reader")
        shown = (await browser.get("/?days=0")).text
        assert "Mía" in shown
        assert "Ajena" not in shown
        assert (await browser.get(f"/leads/{other.lead_id}")).status_code == 403


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("es-ES,es;q=0.9,en;q=0.8", "es"),
        ("fr, en;q=0.5, es;q=0.4", "en"),
        ("de", "en"),
        ("*;q=x,,es", "es"),
        ("", "en"),
    ],
)
async def test_the_page_speaks_the_readers_language(opened, accept, language):
    console = await opened(local=True)
    async with console.client() as browser:
        answer = await browser.get("/", headers={"accept-language": accept})
        assert f'<html lang="{language}">' in answer.text
        other = {"es": "en", "en": "es"}[language]
        switched = await browser.get(f"/?days=7&language={other}", headers={"accept-language": accept})
        assert (switched.status_code, switched.headers["location"]) == (303, "/?days=7")
        browser.headers["cookie"] = switched.headers["set-cookie"].partition(";")[0]
        assert f'<html lang="{other}">' in (await browser.get("/", headers={"accept-language": accept})).text


async def test_the_apis_answers(console, story):
    one = story()
    told = one.to_rep()
    await console.hear(*told)
    async with console.client("admin") as api:
        funnel = (await api.get("/v1/funnel?days=0")).json()
        assert [(step["stage"], step["count"], step["of_previous"]) for step in funnel["steps"][:4]] == [
            ("lead", 1, None),
            ("mql", 1, 1.0),
            ("sql_candidate", 1, 1.0),
            ("sql", 0, 0.0),
        ]
        first = (await api.get(f"/v1/leads/{one.lead_id}/timeline?limit=5")).json()
        rest = (await api.get(f"/v1/leads/{one.lead_id}/timeline?limit=5&before={first['next']}")).json()
        assert [item["id"] for item in (*first["items"], *rest["items"])] == [str(event.id) for event in reversed(told)]
        assert rest["next"] is None
        assert first["lead"]["known"]["name"] == "Ana García"
        assert (await api.get(f"/v1/leads/{one.lead_id}/timeline?before=nonsense")).status_code == 422
        assert (await api.get("/v1/leads/0190a0a0-0000-7000-8000-000000000000/timeline")).status_code == 404
        for bad in ({"query": ""}, {"query": "a\0"}, {"query": "x" * 201}, {"query": "a", "more": 1}):
            assert (await api.post("/v1/search", json=bad)).status_code == 422

        asked = await api.post(f"/v1/leads/{one.lead_id}/erase")
        assert (asked.status_code, asked.json()["subjects"]) == (202, 2)
        ((value,),) = await rows(console, "select value from outbox")
        await console.hear(LeadErased.model_validate_json(value))
        assert (await api.get(f"/v1/leads/{one.lead_id}/timeline")).status_code == 410
        assert (await api.post(f"/v1/leads/{one.lead_id}/erase")).json()["state"] == "erased"
    async with console.client("reader") as reader:
        assert (await reader.post(f"/v1/leads/{one.lead_id}/erase")).status_code == 403


async def test_a_merged_person_is_erased_whole(console, story):
    winner, loser = story(), story()
    await console.hear(*winner.to_rep(), *loser.to_rep())
    await console.hear(loser.merged(winner, loser.lead_id), loser.merged(winner, winner.lead_id))
    async with console.client("admin") as api:
        assert (await api.post(f"/v1/leads/{loser.lead_id}/erase")).status_code == 202
    events = [LeadErased.model_validate_json(row[0]) for row in await rows(console, "select value from outbox")]
    assert {event.lead_id for event in events} == {winner.lead_id, loser.lead_id}
    subjects = {winner.subject, winner.visitor, loser.subject, loser.visitor}
    assert all(set(event.subject_ids) == subjects for event in events)


async def test_a_person_of_a_chain_of_merges_is_erased_whole_whichever_of_the_leads_is_asked_for(console, story):
    first, second, last = story(), story(), story()
    await console.hear(*first.to_rep(), *second.to_rep(), *last.to_rep())
    for loser, winner in ((first, second), (second, last)):
        await console.hear(loser.merged(winner, loser.lead_id), loser.merged(winner, winner.lead_id))
    async with console.client("admin") as api:
        for number, each in enumerate((first, second, last), 1):
            assert (await api.post(f"/v1/leads/{each.lead_id}/erase")).status_code == 202
            events = [LeadErased.model_validate_json(row[0]) for row in await rows(console, "select value from outbox")]
            assert [event.lead_id for event in events].count(last.lead_id) == number
            assert {event.lead_id for event in events[-3:]} == {first.lead_id, second.lead_id, last.lead_id}


async def test_the_stream_resumes_where_it_was_cut_and_ends_with_the_service(served, story):
    console = await served()
    one, other = story(), story()
    headers = {"authorization": f"Bearer {console.tokens['reader']}"}
    async with httpx.AsyncClient(base_url=console.url, headers=headers, timeout=PATIENCE, trust_env=False) as client:
        async with client.stream("GET", "/v1/stream") as stream:
            lines = stream.aiter_lines()
            assert await until(lines, "event: clock")
            await console.hear(one.identified(), other.identified())
            numbers = [int((await until(lines, "id: "))[4:]) for _ in range(2)]
            assert numbers == sorted(numbers)
        await console.hear(one.scored(), other.scored(), one.qualified())
        wanted = {"last-event-id": str(numbers[0])}
        async with client.stream("GET", f"/v1/stream?lead={one.lead_id}", headers=wanted) as stream:
            lines = stream.aiter_lines()
            told = [await until(lines, 'data: {"id"') for _ in range(2)]
            assert [re.search(r'"type":"([^"]+)"', line)[1] for line in told] == ["lead.scored.v1", "lead.qualified.v1"]
            console.service.stopping.set()
            assert [line async for line in lines if line.startswith("id:")] == []


async def test_a_page_that_missed_too_much_is_told_to_read_anew(served, story):
    console = await served()
    one = story()
    first = one.identified()
    await console.hear(first)
    await console.hear(*(one.touch(known=True) for _ in range(600)))
    headers = {"authorization": f"Bearer {console.tokens['reader']}", "last-event-id": "1"}
    async with (
        httpx.AsyncClient(base_url=console.url, headers=headers, timeout=PATIENCE, trust_env=False) as client,
        client.stream("GET", "/v1/stream") as stream,
    ):
        lines = stream.aiter_lines()
        assert await until(lines, "event: reset")


async def until(lines, beginning: str) -> str:
    async with asyncio.timeout(PATIENCE):
        async for line in lines:
            if line.startswith(beginning):
                return line
    raise AssertionError(f"the stream ended without {beginning!r}")


async def rows(console, statement: str) -> list:
    async with console.service.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(statement))]


async def test_nothing_personal_is_in_an_address(opened, story):
    console = await opened(local=True)
    one = story(at=story().at + timedelta(days=1))
    await console.hear(*one.to_rep())
    async with console.client() as browser:
        shown = (await browser.get("/?days=0")).text + (await browser.get(f"/leads/{one.lead_id}")).text
    addresses = re.findall(r'(?:href|action|src)="([^"]+)"', shown)
    assert addresses
    assert not [address for address in addresses if "ana" in address.lower() or "acme" in address.lower()]


async def test_a_decision_is_asked_of_handoff_in_the_viewers_name(served):
    asked = []
    decision = {
        "rule": "todos",
        "team": "iberia",
        "rep": "lucia",
        "lead_id": "0190a0a0-0000-7000-8000-000000000000",
        "failed_rules": [],
        "reps": [
            _considered("jon", shortfall=-0.5, failed=("capacity", "20 of 20 open")),
            _considered("marta", shortfall=0.25),
            _considered("lucia", shortfall=0.75, chosen=True),
        ],
    }
    async with _answering(decision, asked) as url:
        console = await served(local=True, handoff_url=url, act_for_token="secret-of-the-console")
        async with console.client() as browser:
            known, unknown = f"/decisions/{uuid4()}", "/decisions/00000000-0000-0000-0000-000000000000"
            shown = await browser.get(known)
            assert shown.status_code == 200
            assert re.findall(r'<th scope="row">(\w+)</th>', shown.text) == ["lucia", "marta", "jon"]
            assert "needed 0.50 of a lead more" in shown.text
            assert "20 of 20 open" in shown.text
            assert (await browser.get(unknown)).status_code == 404
    assert asked[0] == (f"/v1{known}", "Bearer secret-of-the-console", "user:local;role=admin")
    async with console.client() as browser:
        assert (await browser.get(known)).status_code == 503  # handoff is gone


def _considered(rep: str, shortfall: float, chosen: bool = False, failed: tuple[str, str] | None = None) -> dict:
    test, because = failed or ("capacity", None)
    tests = [{"test": test, "passed": failed is None, "because": because}]
    counted = {"weight": 1.0, "assigned": 3, "target": 3.5, "shortfall": shortfall}
    return {"rep": rep, "chosen": chosen, "eligible": failed is None, "tests": tests, "to_get_it": None, **counted}


@asynccontextmanager
async def _answering(decision: dict, asked: list):
    """An HTTP server on this machine that answers as handoff does; notes path, token and actor of each request."""

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        token = re.search(r"(?i)^authorization: (.+)\r$", head, re.MULTILINE)[1]
        asked.append((path, token, headers["relevo-actor"]))
        found = not path.endswith("0" * 12)
        body = json.dumps(decision if found else {"title": "No such decision"}).encode()
        status = "200 OK" if found else "404 Not Found"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
