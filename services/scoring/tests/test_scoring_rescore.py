"""The background loop of a running scoring: a new playbook reaches everybody, a cool-down ends when its time comes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import orjson
import pytest

from relevo.events import LeadQualified, LeadRecycled, PlaybookStamp, TouchpointRecorded
from relevo.service import Settings
from relevo.testing.services import PATIENCE, move_clock, running
from relevo_local.ports import Ports
from scoring import rescore, rescoring
from scoring.handlers import learn_outcomes, score_touchpoints
from scoring.main import service

Touch = Callable[..., TouchpointRecorded]
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}


@pytest.fixture
def settings(kept: Any, ports: Ports) -> Settings:
    """Kafka is away: what is said stays in the outbox, where the tests read it."""
    return Settings(
        database=kept.dsn,
        kafka="127.0.0.1:9",
        http_port=ports.take(),
        topics="local",
        time_travel=True,
        shutdown_seconds=3,
    )


async def said(kept: Any, count: int) -> list[dict[str, Any]]:
    """The first `count` MQLs of the outbox, as soon as they are there."""
    ends = monotonic() + PATIENCE
    while True:
        rows = await kept.sql("select value from outbox where type = 'lead.qualified.v1' order by id")
        if len(rows) >= count:
            return [orjson.loads(row[0]) for row in rows]
        if monotonic() > ends:
            raise TimeoutError(f"{len(rows)} of {count} MQLs")
        await asyncio.sleep(0.05)


async def test_a_new_playbook_reaches_every_lead_once(kept: Any, make: Touch, settings: Settings) -> None:
    now = datetime.now(UTC)
    count = 2 * rescore.AT_ONCE + 7  # three transactions
    people = [make(who=f"p{n}@acme.example", at=now, fields=GOOD) for n in range(count)]
    assert not [e for e in await kept.handle(score_touchpoints, *people) if isinstance(e, LeadQualified)]
    playbook = await kept.publish(scoring=kept.documents["scoring.yaml"].replace("points: 4,", "points: 12,"))
    async with running(replace(service), settings):
        mqls = await said(kept, count)
    assert len({mql["lead_id"] for mql in mqls}) == count == len(mqls)
    assert {mql["trigger"]["kind"] for mql in mqls} == {"playbook"}
    assert [tuple(row) for row in await kept.sql("select distinct playbook_version from lead")] == [(playbook.version,)]


async def test_the_background_can_be_paused_and_the_stream_goes_on(kept: Any, make: Touch) -> None:
    now = datetime.now(UTC)
    people = [make(who=f"p{n}@acme.example", at=now, fields=GOOD) for n in range(5)]
    await kept.handle(score_touchpoints, *people)
    await kept.sql("insert into rescoring (paused_at, paused_by) values (now(), 'user:sre')")
    await kept.publish(scoring=kept.documents["scoring.yaml"].replace("points: 4,", "points: 12,"))
    assert await kept.said(rescore.judge_overdue) == []
    shown = await kept.run(rescoring.progress)
    assert (shown.leads, shown.left, shown.paused_by, shown.playbook.revision) == (5, 5, "user:sre", 2)
    said = await kept.handle(score_touchpoints, make(who="p0@acme.example", at=now))
    assert [event.trigger.kind for event in said if isinstance(event, LeadQualified)] == ["playbook"]
    assert (await kept.run(rescoring.progress)).left == 4
    await kept.sql("delete from rescoring")
    said = await kept.said(rescore.judge_overdue)
    assert len([event for event in said if isinstance(event, LeadQualified)]) == 4
    assert (await kept.run(rescoring.progress)).left == 0
    assert await kept.said(rescore.judge_overdue) == []


async def test_a_cool_down_ends_when_the_clock_says_so(kept: Any, make: Touch, settings: Settings) -> None:
    now = datetime.now(UTC)
    demo = make("form_submitted", who="ana@acme.example", at=now, form="demo", fields=GOOD)
    (mql,) = [e for e in await kept.handle(score_touchpoints, demo) if isinstance(e, LeadQualified)]
    back = LeadRecycled(
        at=now + timedelta(milliseconds=1),
        by="rep:ana",
        lead_id=mql.lead_id,
        cycle=1,
        playbook=PlaybookStamp(revision=1, version="0" * 16),
        from_stage="sql",
        reason="no_need_now",
        until=now + timedelta(days=3),
    )
    await kept.handle(learn_outcomes, back)
    hot = [make("form_submitted", who="ana@acme.example", at=now + timedelta(seconds=1)) for _ in range(2)]
    await kept.handle(score_touchpoints, *hot)
    async with running(replace(service), settings):
        await move_clock(kept.dsn, timedelta(days=2, hours=23))
        await asyncio.sleep(0.5)
        assert len(await said(kept, 1)) == 1
        await move_clock(kept.dsn, timedelta(hours=2))
        first, second = await said(kept, 2)
    assert (first["cycle"], second["cycle"]) == (1, 2)
    assert second["trigger"]["kind"] == "cool_down"
    assert datetime.fromisoformat(second["at"]) >= now + timedelta(days=3)
