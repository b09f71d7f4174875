"""`make faults`: load on a whole system while services are killed; after the heal every promise is checked.

`make faults ARGS='monitor-kills'` and so on: sla-monitor's own, see `tests/faults/scenarios.py`.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import asyncpg
import httpx
from tests.faults.history import End, History, check, first_occurrences
from tests.faults.scenarios import SCENARIOS, run_scenario
from tests.people import Journey, journey

from relevo.events import RepAvailability, identity
from relevo.events.topics import ASSIGNMENTS, LEADS
from relevo.stream.kafka import Reader
from relevo.usual import PORTS
from relevo_local.draining import drained
from relevo_local.system import System, Wanted, running

KILLED = ("ingest", "scoring", "handoff", "sla_monitor", "console")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=("kills", *SCENARIOS), default="kills")
    parser.add_argument("--count", type=int, help="clocks or leads of a scenario; else as many as it promises")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--touchpoints", type=int, default=10_000)
    parser.add_argument("--full", action="store_true", help="1,000 kills over 100,000 touchpoints")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--broker", choices=get_args(Wanted.__annotations__["broker"]), default="embedded")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.full:
        arguments.kills, arguments.touchpoints = 1_000, 100_000
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    if arguments.scenario in SCENARIOS:
        return run_scenario(arguments.scenario, arguments.count, seed, arguments.json, say)
    say(f"seed {seed}: {arguments.kills} kills over {arguments.touchpoints} touchpoints")
    with tempfile.TemporaryDirectory(prefix="relevo-faults-") as folder:
        wanted = Wanted(Path(folder), broker=arguments.broker)
        report = asyncio.run(run(wanted, random.Random(seed), arguments.kills, arguments.touchpoints))
    report["seed"] = seed
    if arguments.json:
        print(json.dumps(report))
    for problem in report["problems"]:
        say(f"BROKEN PROMISE  {problem}")
    if report["problems"]:
        say(f"run it again with --seed {seed}; the kills were {report['kills']}")
    else:
        say("lost 0, phantom 0, duplicate effects 0, order kept, backlog 0, a webhook for each assignment")
    return 1 if report["problems"] else 0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def run(wanted: Wanted, chance: random.Random, kills: int, touchpoints: int) -> dict[str, Any]:
    history = History()
    async with running(wanted, say) as system, journey(system.environment) as people:
        await make_room(people)
        began = time.monotonic()
        killed: list[str] = []
        killing = asyncio.create_task(kill(system, chance, kills, killed))
        await load(people, history, chance.randrange(10**9), touchpoints, lambda: (len(killed) + 1) / (kills + 1))
        await killing
        say(f"{time.monotonic() - began:.0f} s of load; history: {dict(history.counts())}; healing")
        await system.ready()
        backlog_empty = await drained(system.setting.kafka, system.setting.databases, 120)
        await webhooks(system)
        end = await read_end(system, people, 0 if backlog_empty else 1)
    problems = check(history, end)
    return {
        "touchpoints": len(end.touchpoints),
        "history": dict(history.counts()),
        "mqls": len(end.mqls),
        "assignments": len(end.assignments),
        "webhooks": len(end.delivered),
        "kills": killed,
        "problems": problems,
    }


async def make_room(people: Journey) -> None:
    """Room for every lead: nobody answers here, and what waits for a full team has no webhook to look for."""
    spare = {"capacity": 10_000, "until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    for rep in (await people.get("HANDOFF", "/v1/reps"))["items"]:
        answer = await people.http.post(people.url("HANDOFF", f"/v1/reps/{rep['id']}/capacity"), json=spare)
        assert answer.status_code == 200, answer.text


async def load(people: Journey, history: History, seed: int, count: int, progress: Callable[[], float]) -> None:
    """Sixteen senders, in step with the kills; every eighth touchpoint is a demo request, an MQL. What ended unknown is
    sent again, as senders do, with the same id; one in fifty gives up, so that unknown stays unknown."""
    numbers = iter(range(count))

    async def sender() -> None:
        for number in numbers:
            while number > count * progress():
                await asyncio.sleep(0.02)
            await send(people, history, seed, number, tries=1 if number % 50 == 49 else 40)
            if number % 500 == 499:
                say(f"  {number + 1} of {count} sent")

    await asyncio.gather(*(sender() for _ in range(16)))


async def send(people: Journey, history: History, seed: int, number: int, tries: int) -> None:
    name = f"{seed}-{number}"
    person = number // 4  # four touchpoints a person, so that order per lead means something
    touchpoint = {
        "id": name,
        "email": f"p{person}@f{seed}.example",
        "type": "form_submitted" if number % 8 == 7 else "page_viewed",
        "form": "demo" if number % 8 == 7 else None,
        "url": "https://forja.example/precios",
    }
    touchpoint_id = identity.touchpoint_id("local", name)
    history.record(touchpoint_id, "unknown")
    for attempt in range(tries):
        try:
            answer = await people.touch(**touchpoint)
        except httpx.HTTPError:
            await asyncio.sleep(min(0.05 * (attempt + 1), 1.0))
            continue
        if answer.status_code == 202:
            history.record(touchpoint_id, "ok")
            return
        if answer.status_code < 500:
            history.record(touchpoint_id, "fail")
            return
        await asyncio.sleep(0.5)


async def kill(system: System, chance: random.Random, kills: int, killed: list[str]) -> None:
    """kill -9 of a random service at a random moment, then a start again; often before it was ready."""
    for number in range(kills):
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        service = chance.choice(KILLED)
        system.kill(service)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        system.start(service)
        if chance.random() < 0.7:
            await system.ready(service)
        killed.append(service)
        if number % 10 == 9:
            say(f"  {number + 1} of {kills} kills")


async def webhooks(system: System) -> None:
    """Wait until handoff has no delivery left to make (at most a minute: retries after kills come within seconds)."""
    for _ in range(300):
        (pending,) = await rows(system, "handoff", "select count(*) as n from delivery where state = 'pending'")
        if pending["n"] == 0:
            return
        await asyncio.sleep(0.2)


async def read_end(system: System, people: Journey, backlog: int) -> End:
    touchpoints = await rows(system, "scoring", "select touchpoint_id from touchpoint")
    mqls = await rows(system, "console", "select lead_id from event where type = 'lead.qualified.v1'")
    assignments = await rows(system, "handoff", "select lead_id from assignment where version > 0")
    delivered = [w.data["lead_id"] for w in people.receiver.received if w.type == "lead.assigned"]
    dead = [await rows(system, name, "select count(*) as n from dead_letter") for name in system.setting.databases]
    written, applied = await order(system)
    return End(
        touchpoints=[str(row["touchpoint_id"]) for row in touchpoints],
        mqls=[str(row["lead_id"]) for row in mqls],
        assignments=[str(row["lead_id"]) for row in assignments],
        delivered=delivered,
        dead_letters=sum(found[0]["n"] for found in dead),
        backlog=backlog,
        by_key=written,
        applied=applied,
    )


async def order(system: System) -> tuple[Mapping[str, Mapping[str, list[str]]], Mapping[str, Mapping[str, list[str]]]]:
    """Ids by topic and lead: as the log has them, and as the console applied them."""
    written = {
        topic.name: first_occurrences(await read_topic(system.setting.kafka, topic.name))
        for topic in (LEADS, ASSIGNMENTS)
    }
    topics = {event_id: topic for topic, keys in written.items() for ids in keys.values() for event_id in ids}
    applied: dict[str, dict[str, list[str]]] = {topic: {} for topic in written}
    for row in await rows(system, "console", "select id, lead_id from event where lead_id is not null order by seq"):
        topic = topics.get(str(row["id"]))
        if topic is not None:
            applied[topic].setdefault(str(row["lead_id"]), []).append(str(row["id"]))
    return written, applied


async def read_topic(kafka: str, topic: str) -> list[tuple[str, str]]:
    """Every (lead, event id) of a topic, in the order of each partition."""

    async def nothing() -> None:
        pass

    reader = Reader(kafka, f"faults-{topic}-{time.time_ns()}", [topic], "local", assigned=lambda: None, revoked=nothing)
    await reader.start()
    found: list[tuple[str, str]] = []
    try:
        quiet = 0
        while quiet < 3:
            polled = await reader.poll(1.0, 5_000)
            quiet = 0 if polled else quiet + 1
            for records in polled.values():
                for record in records:
                    headers = dict(record.headers)
                    if headers["ce_type"] == RepAvailability.type.encode():
                        continue  # keyed by a rep; what is promised is the order of each lead
                    found.append(((record.key or b"").decode(), headers["ce_id"].decode()))
    finally:
        await reader.stop()
    return found


async def rows(system: System, database: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(system.setting.databases[database])
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


assert set(KILLED) == set(PORTS)

if __name__ == "__main__":
    sys.exit(main())
