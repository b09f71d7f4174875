"""The whole service on a real broker: nothing fires early, twice, or of a lead whose answer is still on its way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from relevo.events import EVENTS, Event
from relevo.events.cloudevents import decode, encode, header
from relevo.events.topics import ASSIGNMENTS
from relevo.service import Settings
from relevo.service.migrate import migrate
from relevo.stream.kafka import Outgoing, Producer, Reader, partition_of
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE, Running, move_clock, ready, running
from relevo_local.ports import Ports
from sla_monitor import main, timer

pytestmark = pytest.mark.broker
DAYS = timedelta(days=10)
WATCH = 1.5  # seconds in which what must not happen would have happened


@dataclass
class Stage:
    """A broker, sla-monitor's database, handoff's and a listener's end of the topics."""

    kept: Any
    kafka: Proxy
    settings: Settings
    producer: Producer
    listener: Reader
    ports: Ports
    said: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def monitor(self, replicas: int = 1) -> AsyncIterator[list[Running]]:
        async with AsyncExitStack() as stack:
            up = []
            for _ in range(replicas):
                settings = self.settings.model_copy(update={"http_port": self.ports.take()})
                up.append(await stack.enter_async_context(running(replace(main.service), settings)))
            for each in up:
                await ready(each)
            yield up

    async def publish(self, *events: Event) -> None:
        """As handoff does."""
        records = [Outgoing(event.topic.name, *encode(event, "handoff")) for event in events]
        await self.producer.publish(records, PATIENCE)

    async def listen(self, seconds: float) -> None:
        for records in (await self.listener.poll(seconds, 5_000)).values():
            for record in records:
                event_class = EVENTS[header(record.headers, "ce_type") or ""]
                self.said.append(decode(event_class, record.headers, record.value))

    async def until(self, many: int) -> list[Any]:
        """What was said, as soon as it is so much; nothing more comes in the next moments."""
        ends = monotonic() + PATIENCE
        while len(self.said) < many and monotonic() < ends:
            await self.listen(0.5)
        await self.listen(0.5)
        assert len(self.said) == many, Counter(told(self.said))
        return self.said

    async def later(self, by: timedelta = DAYS) -> None:
        await move_clock(self.kept.dsn, by)


def told(events: Sequence[Any]) -> list[tuple[str, str, str | None]]:
    """(what, of which clock, what is to be done), in order."""
    return [
        (event.type.removeprefix("sla.").removesuffix(".v1"), event.kind, getattr(event, "do", None))
        for event in events
    ]


STARTED = [("started", "answer", None), ("started", "first_contact", None)]
LADDERS = [
    ("warned", "answer", "warn_rep"), ("warned", "answer", "warn_manager"), ("breached", "answer", "reassign"),
    ("warned", "first_contact", "warn_rep"), ("breached", "first_contact", "warn_manager"),
]  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def a_lead(make: Any) -> Callable[[], Any]:
    """A lead of this very moment."""
    return lambda: make(mql_at=now())


def assigned(lead: Any) -> Event:
    """To a rep whose hours never end: deadlines are 2, 3, 4 and 6, 8 hours away."""
    event: Event = lead.assigned(lead.mql_at, rep="dora", team="south", calendar="open")
    return event


def beside(lead_id: UUID) -> UUID:
    """Another lead's id, smaller, in the same partition."""
    ids = (UUID(int=number) for number in count(1))
    return next(each for each in ids if partition(each) == partition(lead_id))


def partition(lead_id: UUID) -> int:
    return partition_of(str(lead_id), ASSIGNMENTS.partitions_local)


@pytest_asyncio.fixture
async def stage(kept: Any, cut_kafka: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Steps are late by days here, or not at all: however slow the machine is, it makes none late, and nobody loses
    patience with it."""
    monkeypatch.setattr(timer, "LATE", timedelta(hours=1))
    monkeypatch.setattr(timer, "PATIENCE", 3_600.0)
    await kept.sql(
        "create or replace function relevo_now() returns timestamptz language sql volatile as"
        " $$ select clock_timestamp() + (select shift from clock_shift) $$"
    )
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f"tokens: [{{name: reader, sha256: {sha256(b'r').hexdigest()}, scopes: [read]}}]")
    settings = Settings(
        database=kept.dsn, kafka=cut_kafka.address, topics="local", local=True, time_travel=True, tokens=tokens
    )
    await migrate(settings, None, (), main.service.topics())
    producer = Producer(cut_kafka.address)

    async def revoked() -> None:
        pass

    listener = Reader(cut_kafka.address, f"listener-{uuid4().hex[:6]}", ["slas"], "local", lambda: None, revoked)
    await listener.start()
    ports = Ports()
    try:
        yield Stage(kept, cut_kafka, settings, producer, listener, ports)
    finally:
        cut_kafka.heal()
        await listener.stop()
        await producer.close()
        ports.release()


async def test_silence_is_warned_of_then_breached_each_step_once(stage: Stage, a_lead: Callable[[], Any]) -> None:
    lead = a_lead()
    async with stage.monitor() as (up,):
        await stage.publish(assigned(lead))
        assert told(await stage.until(2)) == STARTED
        await stage.later()
        said = await stage.until(7)
        assert told(said[2:]) == LADDERS
        assert all(event.lateness_seconds > 0 for event in said[2:])
        assert {event.late_because for event in said[2:]} == {"the clock was moved"}
        async with httpx.AsyncClient(base_url=up.url, headers={"Authorization": "Bearer r"}) as http:
            clocks = (await http.get("/v1/clocks", params={"lead_id": str(lead.lead_id)})).json()
            assert [(clock["kind"], clock["state"]) for clock in clocks["items"]] == [
                ("answer", "breached"), ("first_contact", "breached"),
            ]  # fmt: skip
            breaches = (await http.get("/v1/breaches", params={"lead_id": str(lead.lead_id)})).json()
            assert [breach["event_id"] for breach in breaches["items"]] == [str(said[4].id), str(said[6].id)]


async def test_a_deadline_is_slept_to_and_an_earlier_one_wakes_the_sleeper(
    stage: Stage, a_lead: Callable[[], Any], documents: dict[str, str]
) -> None:
    await stage.kept.publish(sla=documents["sla.yaml"].replace("target: 4h", "target: 2s"))
    async with stage.monitor():
        await stage.publish(assigned(a_lead()))
        said = await stage.until(5)
        assert told(said) == STARTED + LADDERS[:3]
        assert [event.late_because for event in said[2:]] == [None] * 3
        assert all(event.fired_at >= event.due_at for event in said[2:])


async def test_an_answered_lead_never_breaches(stage: Stage, a_lead: Callable[[], Any]) -> None:
    lead = a_lead()
    async with stage.monitor():
        await stage.publish(assigned(lead), lead.contacted(now()))
        assert told(await stage.until(4))[2:] == [("met", "answer", None), ("met", "first_contact", None)]
        await stage.later()
        await asyncio.sleep(WATCH)
        await stage.until(4)


async def test_an_answer_that_is_published_and_not_applied_holds_the_deadline(
    stage: Stage, a_lead: Callable[[], Any]
) -> None:
    lead, before = a_lead(), a_lead()
    before.lead_id = beside(lead.lead_id)
    async with stage.monitor():
        await stage.publish(assigned(before), before.contacted(now()), assigned(lead))
        await stage.until(6)
        other = await asyncpg.connect(stage.kept.dsn)
        async with other.transaction():  # the handler waits for this lock; the lead itself is free
            await other.execute("select 1 from lead where lead_id = $1 for update", before.lead_id)
            await stage.publish(before.won(now()), lead.contacted(now()))
            await stage.later()
            await asyncio.sleep(WATCH)
            await stage.until(6)
        await other.close()
        assert told(await stage.until(8))[6:] == [("met", "answer", None), ("met", "first_contact", None)]
        await asyncio.sleep(WATCH)
        await stage.until(8)


async def test_a_monitor_that_was_down_never_breaches_what_was_answered_meanwhile(
    stage: Stage, a_lead: Callable[[], Any]
) -> None:
    answered, silent = [a_lead() for _ in range(20)], [a_lead() for _ in range(20)]
    async with stage.monitor():
        await stage.publish(*(assigned(lead) for lead in answered + silent))
        await stage.until(80)
    await stage.publish(*(lead.contacted(now()) for lead in answered))
    await stage.later()
    async with stage.monitor():
        said = (await stage.until(80 + 40 + 100))[80:]
    of_answered = {lead.lead_id for lead in answered}
    assert {event.type for event in said if event.lead_id in of_answered} == {"sla.met.v1"}
    for lead in silent:
        assert told([event for event in said if event.lead_id == lead.lead_id]) == LADDERS
    steps = [event for event in said if event.lead_id not in of_answered]
    assert {event.late_because for event in steps} == {"sla-monitor was not running"}
    fired = await stage.kept.sql("select due_at from breach order by seq")
    assert [row["due_at"] for row in fired] == sorted(row["due_at"] for row in fired)


async def test_what_is_late_waits_for_what_was_due_before_it_but_not_for_ever(
    stage: Stage, a_lead: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, then = a_lead(), a_lead()
    while partition(first.lead_id) == partition(then.lead_id):
        then = a_lead()
    async with stage.monitor():
        await stage.publish(assigned(first), assigned(then))
        await stage.until(4)
        other = await asyncpg.connect(stage.kept.dsn)
        async with other.transaction():  # the handler of the first one's answer waits for this lock
            await other.execute("select 1 from lead where lead_id = $1 for update", first.lead_id)
            await stage.publish(first.contacted(now()))
            await stage.later()
            await asyncio.sleep(WATCH)
            await stage.until(4)
            monkeypatch.setattr(timer, "PATIENCE", 0.0)
            said = await stage.until(9)
            assert {event.lead_id for event in said[4:]} == {then.lead_id}
            assert told(said[4:]) == LADDERS
        await other.close()
        assert told(await stage.until(11))[9:] == [("met", "answer", None), ("met", "first_contact", None)]


async def test_without_kafka_nothing_fires_and_then_once(stage: Stage, a_lead: Callable[[], Any]) -> None:
    lead = a_lead()
    async with stage.monitor():
        await stage.publish(assigned(lead))
        await stage.until(2)
        stage.kafka.cut()
        timer.WAITING.set(0)
        await stage.later()
        while timer.WAITING._value.get() == 0:  # until it has found something due, and nobody to ask
            await asyncio.sleep(0.05)
        await asyncio.sleep(WATCH)
        assert await stage.kept.sql("select 1 from breach") == []
        assert {row["state"] for row in await stage.kept.sql("select state from clock")} == {"running"}
        stage.kafka.heal()
        said = await stage.until(7)
        assert told(said[2:]) == LADDERS
        assert {event.late_because for event in said[2:]} == {"Kafka did not answer"}


async def test_two_replicas_fire_each_step_once_also_when_one_goes(stage: Stage, a_lead: Callable[[], Any]) -> None:
    leads = [a_lead() for _ in range(600)]
    async with stage.monitor(replicas=2) as (_, going):
        await stage.publish(*(assigned(lead) for lead in leads))
        await stage.until(1200)
        await stage.later(timedelta(hours=5))
        await asyncio.sleep(0.2)
        going.service.stopping.set()
        said = (await stage.until(1200 + 1800))[1200:]
        assert len({event.id for event in said}) == 1800
        assert Counter(event.lead_id for event in said) == {lead.lead_id: 3 for lead in leads}
        for lead in leads:
            assert told([event for event in said if event.lead_id == lead.lead_id]) == LADDERS[:3]


async def test_late_news_takes_the_breach_back(stage: Stage, a_lead: Callable[[], Any]) -> None:
    lead = a_lead()
    async with stage.monitor():
        await stage.publish(assigned(lead))
        await stage.until(2)
        await stage.later(timedelta(hours=5))
        breach = (await stage.until(5))[-1]
        await stage.publish(lead.accepted(lead.mql_at + timedelta(hours=3)))
        corrected, met = (await stage.until(7))[5:]
        assert told([corrected, met]) == [("corrected", "answer", None), ("met", "answer", None)]
        assert (corrected.retracts, met.late) == (breach.id, False)
        await stage.later(timedelta(hours=5))
        assert told(await stage.until(9))[7:] == LADDERS[3:], "the other promise stands"


async def test_a_new_playbook_reaches_clocks_that_nothing_touches(
    stage: Stage, a_lead: Callable[[], Any], documents: dict[str, str]
) -> None:
    async with stage.monitor():
        await stage.publish(*(assigned(a_lead()) for _ in range(3)))
        await stage.until(6)
        await stage.kept.publish(sla=documents["sla.yaml"].replace("target: 4h", "target: 5h"))
        said = (await stage.until(9))[6:]
        assert told(said) == [("started", "answer", None)] * 3
        assert {event.target_seconds for event in said} == {5 * 3600}
        assert {event.playbook.revision for event in said} == {2}
