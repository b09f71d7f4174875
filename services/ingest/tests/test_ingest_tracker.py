"""Shows the tracker in a real browser: what it sends, and once; what it never sends; that it stores nothing unasked."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Request, Response

from ingest.tracker import SCRIPT
from relevo.events import TouchpointRecorded
from relevo.events.identity import touchpoint_id
from relevo.testing.browser import chromium
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = """<form id=demo><input name=email type=email value=ana@empresa.es><input name=nombre value=Ana>
<input name=apellidos value=García><input name=empleados value=120><textarea name=mensaje>Hola</textarea>
<input type=checkbox name=acepto_comunicaciones checked><input type=checkbox name=otra value=no>
<select name=pais><option>FR<option selected>ES</select>
<input name=_gotcha><input name=clave type=password value=secreto>
<input name=csrf_token value=secreto><input name=tarjeta autocomplete=cc-number value=secreto>
<div data-relevo=off><input name=interno value=secreto></div><button name=enviar value=1>Enviar</button></form>"""


@contextmanager
def serving(pages: dict[str, str]) -> Iterator[int]:
    """A site of its own: `pages` by their paths, at this port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            self.send_response(404 if page is None else 200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Site:
    """A site whose pages hold the tracker, an ingest behind a proxy that cuts, and a browser."""

    at: Any
    proxy: Proxy
    browser: Browser
    port: int
    pages: dict[str, str]

    def page(self, body: str = "", title: str = "Precios", attributes: str = "") -> str:
        """A new page: its address."""
        path = f"/{uuid4().hex[:8]}"
        script = (
            f"<script src='http://{self.proxy.address}/relevo.js' data-key=key-of-site data-source=site {attributes}>"
        )
        self.pages[path] = f"<!doctype html><title>{title}</title>{script}</script>{body}"
        return f"http://127.0.0.1:{self.port}{path}"

    async def visitor(self, init: str = "") -> "Visitor":
        context = await self.browser.new_context(locale="es-ES", user_agent="Mozilla/5.0 (X11) a person's browser")
        if init:
            await context.add_init_script(init)
        context.set_default_timeout(PATIENCE * 1000)
        page = await context.new_page()
        found = Visitor(self, context, page)
        page.on("response", found.note)
        page.on("requestfailed", found.missed)
        return found

    async def recorded(self, bodies: list[dict[str, Any]]) -> list[TouchpointRecorded]:
        """What the topic has of these bodies, in their order."""
        ids = [touchpoint_id("site", told_id(body)) for body in bodies]
        by_id = {str(event.id): event for event in await self.at.all_of(set(ids))}
        return [by_id[one] for one in ids]


@dataclass
class Visitor:
    """One person's browser: the pages it opens, and what ingest answered them."""

    site: Site
    context: BrowserContext
    page: Page
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # ids whose sending met no answer that the page may read

    def missed(self, request: Request) -> None:
        body = request.post_data or ""
        if body.startswith("{"):
            self.failed.append(told_id(json.loads(body)))

    def note(self, response: Response) -> None:
        body = response.request.post_data or ""
        if body.startswith("{"):
            self.answers.append((response.status, json.loads(body)))

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [body for status, body in self.answers if status == 202]

    async def sent(self, count: int) -> list[dict[str, Any]]:
        await until(lambda: len(self.taken) >= count)
        return self.taken

    async def form(self) -> dict[str, Any]:
        """The one form that was taken."""
        await until(lambda: any("event_id" in body for body in self.taken))
        (found,) = (body for body in self.taken if "event_id" in body)
        return found

    async def submit(self) -> None:
        """Submit the page's form, as pages do that send theirs by script: the page stays."""
        await self.page.evaluate(
            "const form = document.querySelector('form'); form.onsubmit = event => event.preventDefault();"
            "form.requestSubmit()"
        )

    async def storage(self) -> list[str]:
        """The names of whatever this browser keeps for the site."""
        names = await self.page.evaluate(
            "async () => [...Object.keys(localStorage), ...Object.keys(sessionStorage),"
            " ...(await indexedDB.databases()).map(db => db.name), ...(await caches.keys())]"
        )
        return [*names, *(cookie["name"] for cookie in await self.context.cookies())]

    async def keeps(self, *names: str) -> None:
        """Returns once the browser keeps these and no others: what is being sent lies there until it has arrived."""
        async with asyncio.timeout(PATIENCE):
            while await self.storage() != [*names]:
                await asyncio.sleep(0.05)


def told_id(body: dict[str, Any]) -> str:
    return str(body.get("event_id") or body["id"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(
    kafka: str, tmp_path_factory: pytest.TempPathFactory, open_ingest: Callable[..., Any]
) -> AsyncIterator[Site]:
    pages: dict[str, str] = {}
    folder = tmp_path_factory.mktemp("tracker")
    async with chromium() as browser:
        with serving(pages) as port:
            listed = {
                "name": "site",
                "kind": "form",
                "access": "public",
                "keys": [{"sha256": sha256(b"key-of-site").hexdigest()}],
                "origins": [f"http://127.0.0.1:{port}"],
            }
            async with open_ingest(kafka, folder, [listed]) as at, Proxy(at.url.removeprefix("http://")) as proxy:
                yield Site(at, proxy, browser, port, pages)


async def test_the_script_is_small_packed_and_kept_by_browsers(site: Site) -> None:
    address = f"{site.at.url}/relevo.js"
    assert len(gzip.compress(SCRIPT, 9)) < 4096
    async with site.at.client.stream("GET", address, headers={"accept-encoding": "gzip, br"}) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert (answer.status_code, answer.headers["content-encoding"], len(packed) < 4096) == (200, "gzip", True)
    assert gzip.decompress(packed) == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "max-age=3600" in answer.headers["cache-control"]
    assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == ("*", "Accept-Encoding")
    plain = await site.at.client.get(address, headers={"accept-encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding")) == (SCRIPT, None)
    again = await site.at.client.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert b"import " not in SCRIPT
    assert b"http" not in SCRIPT.replace(b"https://ingest.example.com", b"")


async def test_page_views_also_of_pages_that_change_without_loading(site: Site) -> None:
    visitor = await site.visitor()
    url = site.page()
    await visitor.page.goto(f"{url}?utm_source=ads&utm_campaign=otoño&gclid=g1#precios", referer="https://example.org/")
    await visitor.sent(1)
    await visitor.page.evaluate("history.pushState({}, '', '?step=2'); document.title = 'Paso 2'")
    await visitor.sent(2)
    await visitor.page.evaluate("location.hash = 'below'; history.replaceState({}, '', '?step=2')")  # no other page
    await visitor.page.evaluate("location.hash = '/route'")
    await visitor.sent(3)
    await visitor.page.go_back()
    await visitor.page.go_back()
    bodies = await visitor.sent(4)
    first, second, *_ = events = await site.recorded(bodies)
    assert [event.what.url.removeprefix(url) for event in events if event.what.url] == [
        "?utm_source=ads&utm_campaign=oto%C3%B1o&gclid=g1",
        "?step=2",
        "?step=2#/route",
        "?step=2",
    ]
    assert (first.touch, first.what.title, second.what.title) == ("page_viewed", "Precios", "Paso 2")
    assert (first.campaign.source, first.campaign.name, first.campaign.ad_ids) == ("ads", "otoño", {"gclid": "g1"})
    assert first.fields == {"referrer": "https://example.org/"}
    assert len({event.subjects[0].value for event in events}) == 1


async def test_a_form_is_captured_with_who_was_here_and_without_secrets(site: Site) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(f"{site.page(FORM)}?utm_source=ads")
    await visitor.page.evaluate("history.pushState({}, '', '/otra')")  # the campaign of the landing stays with it
    await visitor.page.evaluate("document.querySelector('form').dataset.relevo = 'on'")  # although it has a password
    await visitor.submit()
    await visitor.submit()  # a second click is the same form
    view, *_ = await visitor.sent(3)
    form = await visitor.form()
    (event,) = await site.recorded([form])
    assert "secreto" not in json.dumps(form)
    assert (event.touch, event.what.form, event.what.text) == ("form_submitted", "demo", "Hola")
    assert (event.names.first, event.names.last, event.fields) == (
        "Ana",
        "García",
        {"empleados": "120", "pais": "ES", "acepto_comunicaciones": "on"},
    )
    assert {subject.kind: subject.value for subject in event.subjects} == {
        "email": "ana@empresa.es",
        "anonymous": view["anonymous_id"],
    }
    assert event.consent is not None
    assert (event.consent.basis, event.campaign.source, event.machine) == ("consent", "ads", False)
    await asyncio.sleep(0.3)
    assert len(visitor.answers) == 3


async def test_an_event_id_of_the_form_s_own_does_not_make_one_of_two_people(site: Site) -> None:
    ids = set()
    for mail in ("ana@empresa.es", "eva@empresa.es"):
        visitor = await site.visitor()
        await visitor.page.goto(
            site.page(f"<form><input name=email value={mail}><input name=event_id value=w1></form>")
        )
        await visitor.submit()
        ids.add((await visitor.form())["event_id"])
    assert len(ids - {"w1"}) == 2


async def test_a_filled_honeypot_marks_a_machine(site: Site) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(site.page("<form><input name=email value=a@empresa.es><input name=_gotcha value=x></form>"))
    await visitor.submit()
    (event,) = await site.recorded([await visitor.form()])
    assert event.machine


@pytest.mark.parametrize(
    "form",
    [
        "<form><input name=q value=precios></form>",
        "<form data-relevo=off><input name=email value=a@empresa.es></form>",
        "<form><input name=user value=a@empresa.es><input type=password name=p value=secreto></form>",
        "<form><input name=tel type=tel><input name=otro value=x></form>",
    ],
)
async def test_searches_logins_and_what_opts_out_are_no_forms_of_interest(site: Site, form: str) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(site.page(form))
    await visitor.sent(1)
    await visitor.submit()
    await visitor.page.evaluate("history.pushState({}, '', '?after')")
    bodies = await visitor.sent(2)
    assert [body["type"] for body in bodies] == ["page_viewed", "page_viewed"]


async def test_a_form_that_goes_to_ingest_by_itself_is_only_told_who_was_here(site: Site) -> None:
    visitor = await site.visitor()
    action = f"http://{site.proxy.address}/v1/forms/site?key=key-of-site"
    await visitor.page.goto(
        site.page(f"<form method=post action='{action}'><input name=email value=a@empresa.es></form>")
    )
    (view,) = await visitor.sent(1)
    async with visitor.page.expect_request(lambda request: "forms" in request.url) as asked:
        await visitor.page.evaluate("document.querySelector('form').requestSubmit()")
    form = dict(pair.split("=", 1) for pair in ((await asked.value).post_data or "").split("&"))
    (event,) = await site.recorded([form])
    assert {subject.value for subject in event.subjects} == {"a@empresa.es", view["anonymous_id"]}


async def test_before_consent_nothing_is_stored_and_the_id_dies_with_the_page(site: Site) -> None:
    visitor = await site.visitor()
    url = site.page(FORM)
    await visitor.page.goto(url)
    await visitor.sent(1)  # of a page that is gone nobody sees the answer
    await visitor.page.goto(url)
    one, other = await visitor.sent(2)
    assert one["anonymous_id"] != other["anonymous_id"]
    assert await visitor.storage() == []
    site.proxy.cut()
    try:
        await visitor.page.evaluate("history.pushState({}, '', '?unsent')")
        await asyncio.sleep(0.3)
        assert await visitor.storage() == []
    finally:
        site.proxy.heal()


async def test_with_consent_the_id_stays_and_without_it_all_goes(site: Site) -> None:
    visitor = await site.visitor()
    url = site.page(FORM.replace("type=password", "type=text"))
    await visitor.page.goto(url)
    await visitor.page.evaluate("relevo.consent(true)")
    await visitor.keeps("relevo")
    await visitor.page.goto(site.page(attributes="data-consent=given"))
    one, other = await visitor.sent(2)
    assert one["anonymous_id"] == other["anonymous_id"]
    await visitor.page.goto(url)
    await visitor.sent(3)
    await visitor.page.evaluate("relevo.consent(false)")
    assert await visitor.storage() == []
    await visitor.page.evaluate("history.pushState({}, '', '?not-seen')")
    await visitor.submit()
    form = await visitor.form()
    assert (form["email"], form.get("anonymous_id")) == ("ana@empresa.es", None)
    assert await visitor.storage() == []


async def test_consent_may_be_told_before_the_script_is_there(site: Site) -> None:
    visitor = await site.visitor("window.relevo = []; relevo.push(['consent', true])")
    await visitor.page.goto(site.page())
    await visitor.sent(1)
    await visitor.keeps("relevo")


@pytest.mark.parametrize(
    "signal",
    ["Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})",
     "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})"],
)  # fmt: skip
async def test_a_browser_that_objects_is_heeded_unless_its_person_or_the_site_says_otherwise(
    site: Site, signal: str
) -> None:
    visitor = await site.visitor(signal)
    await visitor.page.goto(site.page(title="Objects"))
    await visitor.page.evaluate("relevo.consent(true)")
    (body,) = await visitor.sent(1)
    assert body["title"] == "Objects"
    await visitor.page.evaluate("localStorage.clear()")
    await visitor.page.goto(site.page())
    await asyncio.sleep(0.3)
    await visitor.page.goto(site.page(title="Ignored", attributes="data-signals=ignore"))
    assert [body["title"] for body in await visitor.sent(2)] == ["Objects", "Ignored"]


async def test_what_could_not_be_sent_is_sent_once_when_ingest_is_back(site: Site) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(site.page())
    await visitor.sent(1)
    site.proxy.cut()
    await visitor.page.evaluate("history.pushState({}, '', '?away')")
    await until(lambda: bool(visitor.failed))
    site.proxy.heal()
    await visitor.page.evaluate("dispatchEvent(new Event('online'))")
    _, away = await visitor.sent(2)
    assert set(visitor.failed) == {away["id"]}
    await site.recorded([away])
    await asyncio.sleep(0.3)
    assert [body["id"] for body in visitor.taken].count(away["id"]) == 1


async def test_with_consent_an_unsent_form_outlives_its_page_and_arrives_once(site: Site) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(site.page(FORM.replace("type=password", "type=text"), attributes="data-consent=given"))
    await visitor.sent(1)
    site.proxy.cut()
    await visitor.page.click("button")  # the form loads the page again, from which ingest cannot be reached
    await until(lambda: "?" in visitor.page.url)
    names = await visitor.storage()
    kept = [name for name in names if name.startswith("relevo:")]
    site.proxy.heal()
    await visitor.page.goto(site.page(attributes="data-consent=given"))
    bodies = await visitor.sent(len(kept) + 2)
    forms = [body for body in bodies if "event_id" in body]
    assert len(forms) == 1
    assert f"relevo:{forms[0]['event_id']}" in kept
    await site.recorded(forms)
    await visitor.keeps("relevo")


async def test_what_waits_when_the_page_is_left_goes_by_beacon(site: Site) -> None:
    visitor = await site.visitor(
        "const own = JSON.stringify; window.made = []; JSON.stringify = value => (made.push(value), own(value))"
    )
    await visitor.page.goto(site.page("<form><input name=email value=ana@empresa.es></form>"))
    (view,) = await visitor.sent(1)
    site.proxy.freeze()
    try:
        async with visitor.page.expect_request(lambda request: "touchpoints" in request.url):
            await visitor.page.evaluate("history.pushState({}, '', '?hangs')")
        await visitor.submit()  # it waits behind the view
        form = await visitor.page.evaluate("made.find(value => value.event_id)")
        await visitor.page.goto("about:blank")
    finally:
        site.proxy.heal()
    (event,) = await site.recorded([form])
    assert {subject.value for subject in event.subjects} == {"ana@empresa.es", view["anonymous_id"]}


async def test_a_page_that_is_not_listed_may_not_send(site: Site) -> None:
    visitor = await site.visitor()
    await visitor.page.goto(site.page().replace("127.0.0.1", "localhost"))
    await until(lambda: bool(visitor.failed))
    assert visitor.taken == []
    answer = await site.at.post("/v1/touchpoints", "site", json={}, headers={"origin": f"http://localhost:{site.port}"})
    assert answer.status_code == 403
