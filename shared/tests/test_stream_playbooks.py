"""The playbook's way into a service: nothing is read before there is one, a bad one changes nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from relevo.events import Event, PlaybookPublished, PlaybookStamp, Topic
from relevo.events.cloudevents import encode
from relevo.events.console import Approval
from relevo.playbook import load
from relevo.stream import Database, NoPlaybook, Transaction, connect, on
from relevo.stream.consumer import Consumer
from relevo.stream.handlers import Handlers, index
from relevo.stream.kafka import Outgoing, Producer, create_topics
from relevo.stream.playbooks import keep_playbook
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE
from relevo.testing.stage import NOW, Stage, consuming

pytestmark = pytest.mark.broker

GOOD = {p.name: p.read_text() for p in (Path(__file__).parents[2] / "deploy/playbook").glob("*.yaml")}
BAD = {**GOOD, "scoring.yaml": "signals: everything\n"}


def other(documents: Mapping[str, str], company: str) -> dict[str, str]:
    lines = documents["company.yaml"].splitlines()
    named = [f"name: {company}" if line.startswith("name:") else line for line in lines]
    return {**documents, "company.yaml": "\n".join(named)}


class Agreed:
    """A stage whose handler decides by the playbook, and a `playbooks` topic of its own."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.stamps: list[PlaybookStamp] = []
        self.topic = Topic(f"playbooks-{secrets.token_hex(4)}", partitions=1, partitions_local=1, compacted=True)
        monkeypatch.setattr(PlaybookPublished, "topic", self.topic)
        monkeypatch.setattr("relevo.stream.consumer.PLAYBOOKS", self.topic)

    @property
    def handlers(self) -> Handlers:
        @on(self.stage.source)
        async def decide(tx: Transaction, events: Sequence[Any]) -> Sequence[Event]:
            assert tx.playbook.company.name
            self.stamps.append(tx.stamp)
            return await self.stage.handler(tx, events)

        return index([keep_playbook, decide])

    def consumer(self, database: Database) -> Consumer:
        return self.stage.consumer(database=database, handlers=self.handlers)

    async def publish(self, revision: int, documents: Mapping[str, str], version: str | None = None) -> None:
        event = PlaybookPublished(
            at=NOW, by="user:ana", revision=revision, version=version or f"{revision:016x}", documents=dict(documents),
            approvals=(Approval(side="sales", by="user:ana", at=NOW),),
        )  # fmt: skip
        key, headers, value = encode(event, "console")
        producer = Producer(self.stage.kafka)
        await producer.publish([Outgoing(self.topic.name, key, headers, value)], PATIENCE)
        await producer.close()

    @asynccontextmanager
    async def database(self, dsn: str | None = None) -> AsyncIterator[Database]:
        database = connect(dsn or self.stage.dsn, uses_playbook=True)
        try:
            yield database
        finally:
            await database.close()


@pytest.fixture
async def agreed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Agreed:
    found = Agreed(stage, monkeypatch)
    await create_topics(stage.kafka, [found.topic], "local")
    return found


async def test_without_a_playbook_the_input_stays_unread_and_is_read_once_there_is_one(agreed: Agreed) -> None:
    stage = agreed.stage
    await stage.publish(60)
    async with (
        agreed.database() as first,
        agreed.database() as second,
        # One of the two members has the partition of `playbooks`; the other learns of it from the database.
        consuming(agreed.consumer(first)) as one,
        consuming(agreed.consumer(second)) as two,
    ):
        await asyncio.sleep(1.5)
        assert await stage.effects() == []
        assert [member.ready for member in (one, two)] == [False, False]
        assert await stage.rows("select 1 from dead_letter") == []
        async with first.transaction() as tx:
            with pytest.raises(NoPlaybook, match="relevo playbook publish"):
                _ = tx.playbook
        await agreed.publish(1, GOOD)
        effects = await stage.until_effects(60)
        await stage.publish(60)
        effects = await stage.until_effects(120)
        assert [member.ready for member in (one, two)] == [True, True]
    stage.check_effects(effects, range(120))
    assert {stamp.revision for stamp in agreed.stamps} == {1}


async def test_a_bad_revision_is_kept_with_its_problem_and_the_last_good_one_stays(agreed: Agreed) -> None:
    stage = agreed.stage
    await agreed.publish(1, GOOD)
    await agreed.publish(2, BAD)
    async with agreed.database() as database, consuming(agreed.consumer(database)):
        await stage.publish(10)
        await stage.until_effects(10)
        await until_kept(stage, 2)
        await stage.publish(10)
        await stage.until_effects(20)
        assert {stamp.revision for stamp in agreed.stamps} == {1}
        await agreed.publish(3, other(GOOD, "Otra"))
        await until_kept(stage, 3)
        await stage.publish(10)
        await stage.until_effects(30)
        assert agreed.stamps[-1] == PlaybookStamp(revision=3, version=f"{3:016x}")
        await agreed.publish(2, GOOD)  # an old one again, under another event id: it changes nothing
        await stage.publish(10)
        await stage.until_effects(40)
        assert agreed.stamps[-1].revision == 3
    problems = {row["revision"]: row["problem"] for row in await stage.rows("select revision, problem from playbook")}
    assert (problems[1], problems[3]) == (None, None)
    assert "scoring.yaml" in problems[2]


async def until_kept(stage: Stage, revision: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await stage.rows("select 1 from playbook where revision = $1", revision):
            await asyncio.sleep(0.02)


async def test_a_revision_that_this_release_cannot_load_any_more_gives_way_to_the_one_before(agreed: Agreed) -> None:
    stage = agreed.stage
    async with agreed.database() as database, consuming(agreed.consumer(database)):
        await agreed.publish(1, GOOD)
        await until_kept(stage, 1)
    await stage.rows(  # taken by an earlier release, whose rules were laxer
        "insert into playbook select 2, 'laxer', documents || '{\"scoring.yaml\": \"signals: everything\"}', null, at"
        " from playbook"
    )
    async with agreed.database() as database, consuming(agreed.consumer(database)):
        await stage.publish(10)
        await stage.until_effects(10)
        assert {stamp.revision for stamp in agreed.stamps} == {1}
        await agreed.publish(3, other(GOOD, "Otra"))  # and a new one still comes in
        await until_kept(stage, 3)
        async with database.transaction() as tx:
            assert (tx.stamp.revision, tx.playbook.company.name) == (3, "Otra")


async def test_postgresql_away_at_the_start(agreed: Agreed, proxy: Callable[[str], Awaitable[Proxy]]) -> None:
    stage = agreed.stage
    parts = urlsplit(stage.dsn)
    cut = await proxy(parts.netloc.rpartition("@")[2])
    dsn = parts._replace(netloc=f"{parts.username}:{parts.password}@{cut.address}").geturl()
    await agreed.publish(1, GOOD)
    await stage.publish(30)
    async with agreed.database() as database, consuming(agreed.consumer(database)):
        await stage.until_effects(30)
    cut.cut()
    async with agreed.database(dsn) as database, consuming(agreed.consumer(database), joined=False):
        await stage.publish(30)
        await asyncio.sleep(3)
        cut.heal()  # the playbook is there, and no new one comes
        effects = await stage.until_effects(60)
    stage.check_effects(effects, range(60))


def test_the_example_is_good_and_the_bad_one_is_bad() -> None:
    assert load(GOOD).company.name
    assert load(other(GOOD, "Otra")).company.name == "Otra"
