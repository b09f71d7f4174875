"""Several replicas at once over the same people: no deadlock, nothing lost, each lead is what its touchpoints say."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import orjson
import pytest
from sqlalchemy.exc import DBAPIError

from relevo.events import Event, LeadErased, LeadQualified, TouchpointRecorded
from relevo.playbook import load
from relevo.stream import Handler
from relevo.stream.transaction import is_infrastructure
from scoring import queries, ties
from scoring.handlers import erase, score_touchpoints
from scoring.rescore import judge_overdue
from scoring.rows import COLUMNS, to_event, to_lead
from scoring.score import rebuild

Touch = Callable[..., TouchpointRecorded]
PARTITIONS = 5


def crowd(make: Touch, now: datetime, dice: random.Random) -> list[TouchpointRecorded]:
    """Few people, few devices, much happening: every batch meets somebody another replica is working at."""
    told = []
    for number in range(1_000):
        person, user, device = f"p{dice.randint(1, 12)}@acme.example", f"u:{dice.randint(1, 12)}", f"a:{number // 40}"
        who = dice.choice(
            [[device], [device], [user, device], [person, device], [person, user], [person, user, device]]
        )
        form = {"form": "demo", "phone": "+34910000000"} if dice.random() < 0.05 else {}
        kind = "form_submitted" if form else dice.choice(["page_viewed", "email_clicked"])
        told.append(make(kind, who=who, name=f"{number}", at=now - timedelta(minutes=dice.randint(0, 9_000)), **form))
    return told


async def insist(kept: Any, handler: Handler, *events: Event) -> list[Event]:
    """As the runtime does: what is the database's trouble is tried again."""
    while True:
        try:
            return await kept.handle(handler, *events)  # type: ignore[no-any-return]
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03" or not is_infrastructure(error):
                raise  # a deadlock, say: only a lock out of order may be refused
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("seed", range(2))
async def test_replicas_at_the_same_people(kept: Any, make: Touch, seed: int) -> None:
    dice = random.Random(seed)
    now = await kept.stop_the_clock()
    told = crowd(make, now, dice)
    partitions: defaultdict[int, list[TouchpointRecorded]] = defaultdict(list)
    for touch in told:
        partitions[crc32(touch.key().encode()) % PARTITIONS].append(touch)
    said: list[Event] = []

    async def replica(touchpoints: list[TouchpointRecorded]) -> None:
        while touchpoints:
            size = dice.randint(1, 25)
            batch, touchpoints = touchpoints[:size], touchpoints[size:]
            said.extend(await insist(kept, score_touchpoints, *batch))

    await asyncio.gather(*map(replica, partitions.values()))

    leads = {row["lead_id"]: row for row in await kept.sql("select * from lead")}
    rows = await kept.sql("select lead_id, event from touchpoint")
    heard: defaultdict[Any, list[TouchpointRecorded]] = defaultdict(list)
    for row in rows:
        heard[row["lead_id"]].append(to_event(row["event"]))
    assert len(rows) == len(told)
    assert heard.keys() == leads.keys()
    ties = {row["subject_id"]: row["lead_id"] for row in await kept.sql("select subject_id, lead_id from identity")}
    assert set(ties.values()) <= leads.keys()
    assert all(ties[touch.key()] == lead_id for lead_id, touches in heard.items() for touch in touches)
    assert not {row[0] for row in await kept.sql("select lead_id from redirect")} & leads.keys()
    assert {row[0] for row in await kept.sql("select survivor from redirect")} <= leads.keys()

    playbook = load(kept.documents)
    for lead_id, row in leads.items():
        lead = to_lead([row[name] for name in COLUMNS.split(", ")])
        again = rebuild(lead, heard[lead_id], playbook, [])
        assert lead.sums.facts == again.sums.facts
        assert lead.sums.hand_raise == again.sums.hand_raise
        assert lead.sums.signals.keys() == again.sums.signals.keys()
        for signal, value in lead.sums.signals.items():
            assert value == pytest.approx(again.sums.signals[signal], abs=1e-6)

    # A reader who follows lead.identified knows whose every subject is, and nobody was handed over twice.
    told_of: dict[str, Any] = {}
    for row in await kept.sql("select value from outbox where type = 'lead.identified.v1' order by id"):
        identified = orjson.loads(row[0])
        shared = identified.get("touchpoint_ids") and not identified.get("from_lead_id")
        if not (shared and identified["subject_id"] in told_of):
            told_of[identified["subject_id"]] = UUID(identified["lead_id"])
    assert told_of == ties
    mqls = Counter(event.lead_id for event in said if isinstance(event, LeadQualified))
    assert mqls
    assert set(mqls.values()) == {1}
    emails = [row[0] for row in await kept.sql("select lead_id from identity where kind = 'email'")]
    assert len(set(emails)) == len(emails) == 12


async def test_erasure_and_rescoring_in_the_midst_of_it(kept: Any, make: Touch) -> None:
    dice = random.Random(7)
    now = await kept.stop_the_clock()
    told = crowd(make, now, dice)

    async def replica(touchpoints: list[TouchpointRecorded]) -> None:
        for start in range(0, len(touchpoints), 20):
            await insist(kept, score_touchpoints, *touchpoints[start : start + 20])

    async def privacy() -> None:
        """Four of the twelve go, each as soon as they are known, and two of them a second time."""
        for number in (1, 2, 3, 4, 1, 2):
            subject = make(who=f"p{number}@acme.example").key()
            find = "select lead_id from identity where subject_id = $1"
            while not (found := await kept.sql(find, subject)):
                await asyncio.sleep(0.005)
            gone = LeadErased(
                at=now,
                by="user:dpo",
                lead_id=found[0][0] or uuid4(),
                subject_ids=(subject,),
                received_before=now + timedelta(1),
            )
            await insist(kept, erase, gone)

    async def agreement() -> None:
        before = kept.documents["scoring.yaml"]
        for points in range(2, 8):
            await asyncio.sleep(0.05)
            await kept.publish(scoring=before.replace("points: 8,", f"points: {points},"))
            while await kept.said(judge_overdue):
                pass

    halves = [[t for t in told if crc32(t.key().encode()) % 3 == part] for part in range(3)]
    await asyncio.gather(*map(replica, halves), privacy(), agreement())
    while await kept.said(judge_overdue):
        pass
    erased = {row[0] for row in await kept.sql("select subject_id from identity where erased_before is not null")}
    kept_of = {row[0] for row in await kept.sql("select distinct subject_id from touchpoint")}
    assert {make(who=f"p{number}@acme.example").key() for number in range(1, 5)} <= erased
    assert not erased & kept_of
    (version,) = {row[0] for row in await kept.sql("select distinct playbook_version from lead")}
    assert version == load(kept.documents).version


async def test_who_erases_has_the_subjects_before_the_lead_and_who_has_leads_does_not_wait(
    kept: Any, make: Touch
) -> None:
    """Else the erasure would have the lead that who claims waits for, and wait for what that one claimed."""
    ana, bea = make(who="ana@acme.example"), make(who="bea@acme.example")
    now = await kept.stop_the_clock()
    await kept.handle(score_touchpoints, ana, bea)
    of = dict(await kept.sql("select subject_id, lead_id from identity"))

    async def erased(lead_id: UUID) -> None:
        more = {"subject_ids": (ana.key(),), "received_before": now + timedelta(1)}
        await kept.handle(erase, LeadErased(at=now, by="user:dpo", lead_id=lead_id, **more))

    await erased(of[ana.key()])
    async with kept.database.transaction() as tx:
        await queries.lock(tx, [of[bea.key()]])
        erasing = asyncio.create_task(erased(of[bea.key()]))
        while not await kept.sql("select from pg_stat_activity where wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)
        with pytest.raises(DBAPIError) as refused:
            await kept.said(lambda other: ties.claim(other, {ana.key(): ("email", uuid4())}, [ana.key()], wait=False))
        assert getattr(refused.value.orig, "sqlstate", None) == "55P03"
    await erasing
    assert not await kept.sql("select from lead")
