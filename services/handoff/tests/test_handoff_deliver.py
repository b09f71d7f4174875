"""Shows that every webhook is signed, retried, given up or held as published, whatever its target does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from handoff.channels import Tools, webhook
from handoff.deliver import deliver, pack, record
from handoff.endpoints import enable
from handoff.handlers import assign_leads
from handoff.main import service
from relevo.events import DeliveryFailed, DeliveryMade, LeadQualified
from relevo.events.leads import TouchSummary
from relevo.service import Stopping

Mql = Callable[..., LeadQualified]
Start = Callable[..., Awaitable[Any]]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@asynccontextmanager
async def delivering(kept: Any, loops: int = 1) -> AsyncIterator[Any]:
    """The deliverer at work (as many as there are replicas), on this database."""
    async with service.opened(kept.settings()) as opened:
        running = [asyncio.create_task(deliver(opened)) for _ in range(loops)]
        try:
            yield opened
        finally:
            opened.stopping.set()
            for task in running:
                with contextlib.suppress(Stopping):
                    await task


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(120):
        while not await holds():
            await asyncio.sleep(0.05)


async def states(kept: Any) -> list[tuple[str, int, int | None]]:
    rows = await kept.sql("select state, tries, status from delivery order by seq")
    return [(row["state"], row["tries"], row["status"]) for row in rows]


async def settled(kept: Any) -> bool:
    """Nothing is due and nothing is under way."""
    return not await kept.sql(
        "select from delivery where state = 'pending' and (due_at <= relevo_now() or leased_until is not null)"
    )


async def test_a_rep_gets_a_signed_webhook_that_tells_everything(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(204)
    await kept.endpoint(receiver.url)
    asked = TouchSummary.model_validate(
        {"touchpoint_id": "01890000-0000-7000-8000-000000000001", "type": "form_submitted", "source": "web",
         "title": "Demo", "text": "Does it speak SAP?", "occurred_at": "2026-03-02T08:59:00Z"}
    )  # fmt: skip
    seen = asked.model_copy(
        update={"touch": "page_viewed", "title": "Prices", "text": None, "url": "https://us.example/prices"}
    )
    scanned = asked.model_copy(update={"touch": "email_clicked", "title": "News", "machine": True})
    (assigned,) = await kept.handle(assign_leads, mql(touchpoints=[asked, seen, seen, scanned], trace="00-a-b-01"))
    async with delivering(kept):
        await until(lambda: settled(kept))
    ((headers, body),) = receiver.requests
    told = Webhook(SECRET).verify(body, headers)
    assert headers["content-type"] == "application/json"
    assert headers["traceparent"] == "00-a-b-01"
    assert (told["type"], told["timestamp"]) == ("lead.assigned", "2026-03-02T09:00:00Z")
    data = told["data"]
    assert (data["assignment_id"], data["version"]) == (str(assigned.assignment_id), 1)
    assert data["rep"] == {"id": assigned.rep.id, "name": assigned.rep.name}
    assert data["team"]["name"] == "North"
    assert [reason["name"] for reason in data["reasons"]] == ["Form", "50 employees"]
    assert data["trigger"]["name"] == "Asks for a demo"
    assert data["persona"] == "Runs the workshop"
    assert [(each["title"], each["text"]) for each in data["story"]["asked"]] == [("Demo", "Does it speak SAP?")]
    assert [(each["title"], each["times"]) for each in data["story"]["read"]] == [("Prices", 2)]
    assert data["story"]["opened"] == []
    assert data["snapshot"]["contact"]["email"] == "olga@acme.example"
    assert data["answer"]["accept"].endswith(f"/v1/assignments/{assigned.assignment_id}/accept")
    assert data["answer"]["body"] == {"version": 1}
    assert "olga" not in orjson.dumps({k: v for k, v in data["answer"].items() if k != "how"}).decode()
    assert len(body) < 20_000


async def test_a_webhook_id_stays_over_retries_and_the_timestamp_is_the_trys(
    kept: Any, mql: Mql, target: Start
) -> None:
    receiver = await target(500, 302, 404, 204)
    await kept.endpoint(receiver.url)
    (assigned,) = await kept.handle(assign_leads, mql())
    said, began = [], int(time.time())
    for _ in range(4):
        said += await kept.try_once()
        await kept.travel(timedelta(hours=1))
    assert await kept.try_once() == []
    assert len(receiver.requests) == 4
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len({body for _, body in receiver.requests}) == 1
    for headers, body in receiver.requests:
        Webhook(SECRET).verify(body, headers)
        assert began <= int(headers["webhook-timestamp"]) <= time.time(), "by the real clock, wherever ours is"
    (made,) = said
    assert isinstance(made, DeliveryMade)
    assert (made.tries, made.status, made.assignment_id) == (4, 204, assigned.assignment_id)
    assert made.webhook_id == receiver.requests[0][0]["webhook-id"]
    assert made.first_try_at == assigned.at


async def test_after_twelve_tries_over_three_days_it_is_given_up_and_said(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(500)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    said, due = [], []
    for _ in range(12):
        said += await kept.try_once()
        (row,) = await kept.sql("select extract(epoch from due_at - last_try_at)::float as pause from delivery")
        due.append(row["pause"])
        await kept.travel(timedelta(seconds=1.1 * row["pause"]))
        await kept.sql("update endpoint set spared_until = null")
    assert await kept.try_once() == []
    assert len(receiver.requests) == 12
    (failed,) = said
    assert isinstance(failed, DeliveryFailed)
    assert (failed.tries, failed.status, failed.reason) == (12, 500, "it answered 500")
    for pause, expected in zip(due[:-1], (5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400), strict=True):
        assert 0.8 * expected <= pause <= 1.2 * expected


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (500, 500, "it answered 500"),
        ("hang", None, "no whole answer within 0.4 s"),
        ("reset", None, None),
        ("trickle", None, "no whole answer within 0.4 s"),
        ((302, {"location": "http://127.0.0.1:1/"}), 302, "it answered 302"),
        ((429, {"retry-after": "3600"}), 429, "it answered 429"),
    ],
)  # fmt: skip
async def test_a_misbehaving_target_is_tried_again(
    kept: Any, mql: Mql, target: Start, behaviour: Any, status: int | None, error: str | None
) -> None:
    receiver = await target(behaviour)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    assert await kept.try_once(**({"webhook_total_seconds": 0.4} if status is None else {})) == []
    (row,) = await kept.sql("select *, extract(epoch from due_at - last_try_at)::float as pause from delivery")
    assert (row["state"], row["tries"], row["status"]) == ("pending", 1, status)
    assert error is None or row["error"] == error
    assert row["leased_until"] is None
    if status == 429:
        assert row["pause"] == 3600, "it was asked to come back in an hour"
    else:
        assert 4 <= row["pause"] <= 6


async def test_retry_after_as_a_date_counts_from_the_real_clock(kept: Any, mql: Mql, target: Start) -> None:
    until = int(time.time()) + 600
    receiver = await target((503, {"retry-after": formatdate(until, usegmt=True)}))
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    await kept.try_once()
    (row,) = await kept.sql("select extract(epoch from due_at - last_try_at)::float as pause from delivery")
    assert until - time.time() <= row["pause"] <= 600


async def test_an_endless_answer_is_cut_and_counts_as_an_answer(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target("endless")
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    (made,) = await kept.try_once()
    assert isinstance(made, DeliveryMade)


async def test_410_disables_the_endpoint_which_holds_what_comes_until_it_is_enabled(
    kept: Any, mql: Mql, target: Start
) -> None:
    receiver = await target(410, 204)
    endpoint = await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    (failed,) = await kept.try_once()
    assert isinstance(failed, DeliveryFailed)
    assert (failed.status, failed.tries) == (410, 1)
    first, second = [(await kept.handle(assign_leads, mql()))[0] for _ in range(2)]
    assert await kept.try_once() == []
    assert len(receiver.requests) == 1
    assert await kept.run(lambda tx: enable(tx, endpoint))
    assert [len(await kept.try_once()) for _ in range(3)] == [1, 1, 0], "one at a time"
    sent = [orjson.loads(body)["data"]["assignment_id"] for _, body in receiver.requests[1:]]
    assert sent == [str(first.assignment_id), str(second.assignment_id)], "in order"


async def test_a_sender_that_dies_after_the_webhook_costs_a_second_one_with_the_same_id(
    kept: Any, mql: Mql, target: Start
) -> None:
    receiver = await target(204)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    tools = Tools.of(kept.settings())
    (parcel,) = await kept.run(lambda tx: pack(tx, tools, 100))
    lost = await webhook.send(parcel, tools)  # sent, and never recorded
    assert await kept.run(lambda tx: pack(tx, tools, 100)) == [], "leased"
    await tools.close()
    await kept.sql("update delivery set leased_until = now() - interval '1 s'")
    (made,) = await kept.try_once()
    assert made.tries == 2
    first, second = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert first == second
    assert await kept.run(lambda tx: record(tx, [lost])) == [], "what comes late is said by nobody twice"


async def test_ten_at_once_to_one_endpoint_however_many_send(kept: Any, mql: Mql, target: Start) -> None:
    async def slow() -> int:
        while receiver.most_at_once < 10:  # so many come before any is answered, however slowly they are sent
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # time for an eleventh
        return 204

    receiver = await target(slow)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, *(mql() for _ in range(60)))
    async with delivering(kept, loops=3):
        await until(lambda: settled(kept))
    assert await states(kept) == [("made", 1, 204)] * 60
    assert len(receiver.requests) == 60
    assert receiver.most_at_once == 10
    events = await kept.sql("select type, count(*) as n from outbox where type like 'delivery%' group by type")
    assert {row["type"]: row["n"] for row in events} == {"delivery.made.v1": 60}


async def test_one_that_hangs_keeps_nobody_else_waiting(kept: Any, mql: Mql, target: Start) -> None:
    over = asyncio.Event()

    async def hang() -> int:
        await over.wait()
        return 204

    hanging, quick = await target(hang), await target(204)
    await kept.endpoint(hanging.url)
    await kept.endpoint(quick.url)
    await kept.handle(assign_leads, *(mql() for _ in range(40)))

    async def all_but_the_hanging() -> bool:
        (row,) = await kept.sql("select count(*) from delivery where state = 'made'")
        return row[0] == 40 and hanging.at_once >= 10

    async with delivering(kept):
        await until(all_but_the_hanging)
        assert len(quick.requests) == 40
        assert hanging.most_at_once == 10, "its own ten places, and no more, however many wait"
        over.set()


async def test_endpoints_get_what_they_asked_for_and_whose_it_is(kept: Any, mql: Mql) -> None:
    await kept.endpoint("https://everybody.example/")
    await kept.endpoint("https://ana.example/", rep="ana")
    await kept.endpoint("https://ana.example/warnings", rep="ana", types=["sla.warned"])
    said = await kept.handle(assign_leads, *(mql() for _ in range(3)))
    rows = await kept.sql("select e.url, d.assignment_id from delivery d join endpoint e using (endpoint_id)")
    sent = [row["assignment_id"] for row in rows if row["url"] == "https://ana.example/"]
    assert sent == [event.assignment_id for event in said if event.rep.id == "ana"]
    assert len([row for row in rows if row["url"] == "https://everybody.example/"]) == 3
    assert len(rows) == 4


async def test_in_production_nothing_leaves_for_this_machine(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(204)
    await kept.endpoint(receiver.url)
    await kept.endpoint(receiver.url.replace("http:", "https:"))
    await kept.handle(assign_leads, mql())
    assert await kept.try_once(local=False) == []
    assert await states(kept) == [("pending", 1, None), ("pending", 1, None)]
    assert receiver.requests == []
