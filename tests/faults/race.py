"""Answers racing their deadlines through the whole system: who was in time keeps the lead, and one verdict stands."""

import asyncio
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson
from tests.faults.rig import TERMS, published
from tests.people import Journey, journey
from tests.sla.histories import documents
from tests.sla.world import Policy, Terms

from relevo.events import (
    EVENTS,
    LeadAccepted,
    LeadAssigned,
    LeadQualified,
    PlaybookStamp,
    SlaBreached,
    SlaCorrected,
    SlaMet,
)
from relevo.events.leads import Company, Contact, Score, Snapshot, Trigger
from relevo.stream.kafka import Producer
from relevo_local.draining import drained
from relevo_local.system import System, Wanted, running

Say = Callable[[str], None]
BEFORE, AFTER = 1.5, 0.25  # seconds around the deadline in which the answers are sent
_TARGET_MINUTES = 1


async def race(count: int, seed: int, say: Say) -> dict[str, Any]:
    """So many leads, each accepted by its rep close to its deadline."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="relevo-faults-") as folder:
        async with running(Wanted(Path(folder)), say) as system, journey(system.environment) as people:
            await _agree(people)
            feeding = asyncio.create_task(_qualify(system, count))
            answers = await _answer_at_deadlines(system, people, count, chance, say)
            await feeding
            await drained(system.setting.kafka, system.setting.databases, 120)
            told = await _told(system)
    by_lead: dict[UUID, list[Any]] = defaultdict(list)
    for event in told:
        by_lead[getattr(event, "lead_id", UUID(int=0))].append(event)
    leads = [events for events in by_lead.values() if any(isinstance(e, LeadAssigned) for e in events)]
    problems = [problem for events in leads for problem in _wrong(events)]
    in_time = sum(isinstance(e, SlaMet) and e.kind == "answer" and not e.late for events in leads for e in events)
    corrected = sum(isinstance(e, SlaCorrected) for events in leads for e in events)
    if len(leads) != count:
        problems.append(f"{len(leads)} of {count} leads were assigned")
    if not count // 20 < in_time < count:
        problems.append(
            f"no race: {in_time} of {count} answers were in time; this machine is too busy, or too far ahead"
        )
    return {"leads": len(leads), "answers": answers, "in_time": in_time, "corrected": corrected, "problems": problems}


def _wrong(events: list[Any]) -> list[str]:
    """What is wrong with one lead's first assignment, by the times of its answer and its deadline."""
    breaches = [e for e in events if isinstance(e, SlaBreached) and e.kind == "answer" and e.version == 1]
    retracted = {e.retracts for e in events if isinstance(e, SlaCorrected)}
    standing = [breach for breach in breaches if breach.id not in retracted]
    met = [e for e in events if isinstance(e, SlaMet) and e.kind == "answer" and e.version == 1]
    accepted = [e for e in events if isinstance(e, LeadAccepted) and e.version == 1]
    owners = [e for e in events if isinstance(e, LeadAssigned) and e.version > 1]
    if not accepted:
        right = len(standing) == 1 and not met
        return [] if right else [f"silent, yet {len(standing)} breaches stand and {len(met)} were met"]
    (answer,) = accepted
    found = []
    if owners:
        found.append("an answered lead changed its owner")
    if len(met) != 1:
        return [*found, f"answered, yet met {len(met)} times"]
    in_time = answer.at <= met[0].due_at
    if met[0].late is in_time:
        found.append("in time, and called late" if in_time else "late, and called in time")
    if in_time and standing:
        found.append("in time, and a breach stands")
    if len(standing) > 1:
        found.append("two breaches stand")
    return found


async def _told(system: System) -> list[Any]:
    """What handoff and sla-monitor said, as the console keeps it: each event once."""
    connection = await asyncpg.connect(system.setting.databases["console"])
    try:
        wanted = [kind.type for kind in (LeadAssigned, LeadAccepted, SlaMet, SlaBreached, SlaCorrected)]
        rows = await connection.fetch(
            "select id, type, data::text from event where type = any($1::text[]) order by seq", wanted
        )
    finally:
        await connection.close()
    return [EVENTS[row["type"]].model_validate(orjson.loads(row["data"]) | {"id": row["id"]}) for row in rows]


async def _agree(people: Journey) -> None:
    """One minute to answer, around the clock, and nobody is ever full."""
    answer = Policy("answer", "answer", 0, _TARGET_MINUTES, _TARGET_MINUTES * 60, "always", ((1, "reassign"),))
    written = documents(Terms((TERMS.policies[0], answer), 2))
    routing = written["routing.yaml"].replace("calendar: office", "calendar: always")
    for hours in ("nights", "west"):
        routing = routing.replace(f"calendar: {hours}", "calendar: always")
    written["routing.yaml"] = routing.replace("calendar: always}", "calendar: always, capacity: 10000}")
    made = await people.http.post(
        people.url("CONSOLE", "/v1/playbooks"), json={"documents": written, "approvals": ["marketing", "sales"]}
    )
    assert made.status_code in (200, 201), made.text
    await people.eventually("SLA_MONITOR", "/v1/commitments", lambda found: found["items"] == [])


async def _qualify(system: System, count: int) -> None:
    """As scoring does, fifty a second."""
    producer = Producer(system.setting.kafka)
    try:
        for first in range(0, count, 25):
            now = datetime.now(UTC)
            await published(producer, [_mql(now) for _ in range(min(25, count - first))])
            await asyncio.sleep(0.5)
    finally:
        await producer.close()


def _mql(now: datetime) -> LeadQualified:
    return LeadQualified(
        at=now, by="system", lead_id=uuid4(), cycle=1, playbook=PlaybookStamp(revision=2, version="0" * 16),
        score=Score(persona="p", grade="A", level=1, fit=60, engagement=60), contributions=(),
        trigger=Trigger(kind="cell", id="A1", name="A1"),
        snapshot=Snapshot(contact=Contact(email=f"{uuid4().hex}@x.example"), company=Company(name="X")),
    )  # fmt: skip


async def _answer_at_deadlines(
    system: System, people: Journey, count: int, chance: random.Random, say: Say
) -> dict[str, int]:
    """Accept each assignment around its deadline; how handoff answered."""
    seen: set[UUID] = set()
    answers: dict[str, int] = defaultdict(int)
    answering: set[asyncio.Task[None]] = set()
    connection = await asyncpg.connect(system.setting.databases["sla_monitor"])

    async def accept(assignment: UUID, due_at: datetime) -> None:
        await asyncio.sleep((due_at - datetime.now(UTC)).total_seconds() + chance.uniform(-BEFORE, AFTER))
        body = {"version": 1}
        try:
            answer = await people.http.post(people.url("HANDOFF", f"/v1/assignments/{assignment}/accept"), json=body)
            answers[str(answer.status_code)] += 1
        except httpx.HTTPError:
            answers["unknown"] += 1

    try:
        for _ in range(6_000):
            rows = await connection.fetch(
                "select assignment_id, due_at from clock where kind = 'answer' and version = 1"
                " and state = 'running' and due_at > $1", datetime.now(UTC) + timedelta(seconds=BEFORE),
            )  # fmt: skip
            for row in rows:
                if row["assignment_id"] not in seen:
                    seen.add(row["assignment_id"])
                    task = asyncio.create_task(accept(*row))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
                    if len(seen) % 500 == 0:
                        say(f"  {len(seen)} of {count} run")
            if len(seen) == count:
                break
            await asyncio.sleep(0.2)
        await asyncio.gather(*answering)
    finally:
        await connection.close()
    return dict(answers)
