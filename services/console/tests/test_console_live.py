"""Shows the page in a real browser: changes appear without a reload, nothing leaves the origin, no script gets in."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from playwright.async_api import Browser, Page, expect

from relevo.events.cloudevents import encode
from relevo.events.leads import Company, Contact, Contribution, Snapshot, Trigger
from relevo.events.touchpoints import CompanyName, Names, What
from relevo.testing.services import PATIENCE, move_clock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVIL = (
    "<script>window.hit=1</script>",
    "\"'><img src=x onerror=window.hit=1>",
    "<svg/onload=window.hit=1>",
    "javascript:window.hit=1//",
    "{{7*7}}${7*7}<%=7*7%>",
    "</title></textarea></style><script>window.hit=1</script>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "' onmouseover='window.hit=1' style='position:fixed;inset:0",
    "<a href=https://evil.example/>x</a><link rel=stylesheet href=//evil.example/x.css>",
    "]]><!--<math><mi//xlink:href='data:x,<script>window.hit=1</script>'>",
)


async def visit(browser: Browser, url: str, **options) -> Page:
    """A page that remembers what it asked for and what went wrong in it."""
    context = await browser.new_context(**options)
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: page.wrong.append(dialog.message))
    await page.goto(url)
    await page.evaluate(
        "window.unloaded = false; window.addEventListener('beforeunload', () => window.unloaded = true)"
    )
    return page


async def test_what_kafka_brings_shows_without_a_reload(served, browser, story, kafka):
    console = await served(local=True, kafka=kafka)
    page = await visit(browser, f"{console.url}/?days=0", locale="en-GB")
    await expect(page.locator("#pulse.on")).to_be_visible()
    one = story(name=f"Ana {uuid4().hex[:8]}")
    count = page.locator("li[data-key=mql] .count")
    before = int(await count.inner_text())
    # Other tests' touchpoints come over the same broker, so what is announced last need not be of this one.
    await page.evaluate(
        "window.mark = 'the same page'; window.said = [];"
        "new MutationObserver(() => said.push(announce.textContent))"
        ".observe(announce, {childList: true, characterData: true, subtree: true})"
    )

    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for event in one.to_rep():
            key, headers, value = encode(event, "test")
            await producer.send_and_wait(event.topic.name, value, key.encode(), headers=list(headers))
    finally:
        await producer.stop()

    await expect(page.locator("section:has(#leads)")).to_contain_text(one.name)
    await expect(page.locator("section:has(#mqls)")).to_contain_text(one.name)
    await expect(page.locator("section:has(#assignments)")).to_contain_text("Lucía Prado")
    await expect(page.locator("section:has(#clocks)")).to_contain_text("Answer")
    await expect(count).to_have_text(str(before + 1))
    async with asyncio.timeout(PATIENCE):  # asked from here: the page's policy lets no script wait for an expression
        while not await page.evaluate("said.some(text => text.includes('Funnel'))"):
            await asyncio.sleep(0.05)
    assert await page.evaluate("window.mark") == "the same page"
    assert page.wrong == []


async def test_a_leads_page_grows_as_it_goes_on(served, browser, story):
    console = await served(local=True)
    one = story()
    *first, clock, _ = one.to_rep()
    await console.hear(*first)
    page = await visit(browser, f"{console.url}/leads/{one.lead_id}", locale="es-ES")
    entries = page.locator(".timeline li")
    await expect(entries).to_have_count(len(first))
    await expect(page.locator("#pulse.on")).to_be_visible()
    await console.hear(clock)
    await console.hear(one.accepted(), one.sla_met())
    await expect(entries).to_have_count(len(first) + 3)
    await expect(entries.first).to_contain_text("Promesa cumplida: Respuesta")
    await expect(page.locator(".person .stage")).to_have_text("SQL")
    moments = [
        await entries.nth(n).locator("time").first.get_attribute("datetime") for n in range(await entries.count())
    ]
    assert moments == sorted(moments, reverse=True)
    assert page.wrong == []


async def test_clocks_run_and_follow_time_travel(served, browser, story):
    console = await served(local=True)
    async with console.service.transaction() as tx:
        now = tx.now
    one = story(at=now - timedelta(hours=1))
    await console.hear(*one.to_rep())
    page = await visit(browser, console.url, locale="en-GB")
    await expect(page.locator("#pulse.on")).to_be_visible()
    clock = page.locator(".clocks li", has_text="Answer")
    await expect(clock.locator("time")).to_have_text(re.compile(r"^3 h \d+ min left$"))
    await move_clock(console.dsn, timedelta(hours=5))
    await expect(clock).to_have_class("breached")
    await expect(clock.locator("time")).to_have_text(re.compile(r"^1 h( \d+ min)? over$|^\d+ min( \d+ s)? over$"))
    await expect(page.locator(".alarm dd").first).to_have_text("1")


async def test_the_page_comes_back_when_the_stream_was_cut(served, browser, story):
    console = await served(local=True)
    page = await visit(browser, console.url, locale="en-GB")
    await expect(page.locator("#pulse.on")).to_be_visible()
    await page.context.set_offline(True)
    one = story()
    await console.hear(*one.to_rep())
    await page.context.set_offline(False)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("section:has(#leads)")).to_contain_text(one.name)


async def test_html_in_every_field_is_shown_and_never_run(served, browser, story):
    console = await served(local=True)
    page = await visit(browser, console.url)
    for number, evil in enumerate(EVIL):
        one = story(name=evil, company=evil, rep_name=evil, at=START + timedelta(hours=number))
        await console.hear(*told_by(one, evil))
        await expect(page.locator("section:has(#mqls)")).to_contain_text(evil)  # mended into the open page
        for address in (f"{console.url}/leads/{one.lead_id}", console.url):
            await page.goto(address)
            await expect(page.locator("main")).to_contain_text(evil)
        await page.fill("#query", evil)
        await page.click(".find button")
        await expect(page.locator("#found")).to_have_text(evil)
        assert await page.evaluate("window.hit") is None
        await page.goto(console.url)
    assert page.wrong == []
    assert {re.match(r"https?://[^/]+", asked)[0] for asked in page.asked} == {console.url}


def told_by(one, evil: str) -> list:
    """Everything that can be said of a lead, with `evil` in every field that is text."""
    return [
        one.touch(
            "form_submitted",
            known=True,
            names=Names(full=evil),
            company=CompanyName(name=evil, domain=evil),
            what=What(form=evil, title=evil, url=evil, link=evil, text=evil),
            fields={evil: evil},
            machine=True,
            machine_because=evil,
            source=evil,
        ),
        one.identified(),
        one.qualified(
            trigger=Trigger(kind="hand_raise", id=evil, name=evil),
            contributions=(Contribution(kind="criterion", id=evil, name=evil, points=1, persona=evil),),
            snapshot=Snapshot(
                contact=Contact(full_name=evil, email=evil, job_title=evil, phone=evil, country=evil, language=evil),
                company=Company(name=evil, industry=evil),
                first_source=evil,
            ),
        ),
        one.waiting().model_copy(update={"team": evil, "rule": evil}),
        one.assigned(rep=evil, rep_name=evil),
        one.sla_started(),
        one.sla_breached().model_copy(update={"policy": evil, "late_because": evil}),
        one.rejected().model_copy(update={"note": evil}),
        one.delivered().model_copy(update={"endpoint": evil}),
        one.recycled().model_copy(update={"reason": evil, "by": f"user:{evil}"}),
    ]


async def test_every_request_stays_at_home_and_needs_no_inline_code(served, browser, story):
    console = await served(local=True)
    one = story()
    await console.hear(*one.to_rep())
    page = await visit(browser, console.url)
    for path in ("/", f"/leads/{one.lead_id}", "/playbook", "/login", f"/decisions/{uuid4()}"):
        await page.goto(console.url + path)
        assert await page.evaluate("document.querySelectorAll('script:not([src]), [style], style').length") == 0
    policy = (await page.goto(console.url)).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert {re.match(r"https?://[^/]+", asked)[0] for asked in page.asked} == {console.url}
    assert [wrong for wrong in page.wrong if "503" not in wrong] == []  # no handoff here: its decision page says so


async def test_no_page_is_wider_than_the_screen(served, browser, story):
    console = await served(local=True)
    one = story(name="Íñigo " + "Peñalver" * 8, company="Sociedad" * 12)
    await console.hear(*one.to_rep())
    page = await visit(browser, console.url)
    for path in ("/", f"/leads/{one.lead_id}", "/playbook", "/login"):
        await page.goto(console.url + path)
        for width in (360, 800, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
