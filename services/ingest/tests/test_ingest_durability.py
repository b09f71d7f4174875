"""Shows that what was answered 2xx is on the topic in the end: broker away, process killed, disk full, disk failing."""

import asyncio
import errno
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
import pytest_asyncio

from ingest import desk
from ingest.desk import CannotStart
from ingest.segments import Segments
from relevo.events.identity import touchpoint_id
from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.stream.kafka import create_topics
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE

Open = Callable[..., Any]


@pytest_asyncio.fixture
async def broker(cut_kafka: Proxy) -> AsyncIterator[Proxy]:
    """A broker of the test's own, behind a proxy that cuts."""
    await create_topics(cut_kafka.address, [TOUCHPOINTS, TOUCHPOINTS_FAILED], "local")
    yield cut_kafka
    cut_kafka.heal()


async def post(at: Any, name: str) -> int:
    body = {"type": "call", "email": "ana@empresa.es", "id": name}
    return int((await at.post("/v1/touchpoints", "crm", json=body)).status_code)


def journal_of(at: Any) -> Any:
    return at.service.uses[0].__self__.journal


def spool_of(at: Any) -> Any:
    return at.service.uses[0].__self__.spool


async def metrics_of(at: Any) -> str:
    return str((await at.client.get(f"{at.url}/metrics")).text)


async def gauge(at: Any, name: str) -> float:
    told = re.search(rf"^relevo_ingest_{name} (\S+)$", await metrics_of(at), re.MULTILINE)
    assert told
    return float(told[1])


async def drained(at: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not journal_of(at).straight_to_kafka:
            await asyncio.sleep(0.05)


async def on_topic(at: Any, names: list[str]) -> list[str]:
    """Which of `names` are on the topic, in the order of their first copies."""
    known = {touchpoint_id("crm", name): name for name in names}
    found: dict[str, None] = {}
    for event in await at.all_of(set(known)):
        found.setdefault(known[str(event.id)])
    return list(found)


@pytest.mark.parametrize("failure", ["freeze", "cut"])
async def test_while_the_broker_is_away_the_spool_answers_and_drains_in_order(
    broker: Proxy, tmp_path: Path, open_ingest: Open, failure: str
) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"]) as at:
        names = [f"n{n}" for n in range(40)]
        assert [await post(at, name) for name in names[:10]] == [202] * 10
        await drained(at)
        assert spool_of(at).empty
        getattr(broker, failure)()
        since = time()
        assert [await post(at, name) for name in names[10:25]] == [202] * 15
        assert not spool_of(at).empty
        assert await gauge(at, "spool_bytes") == spool_of(at).size  # as it is now, though no drain gets on
        assert 0 < await gauge(at, "spool_age_seconds") <= time() - since
        broker.heal()
        assert [await post(at, name) for name in names[25:35]] == [202] * 10  # behind what the spool holds
        await drained(at)
        assert spool_of(at).empty
        assert [await post(at, name) for name in names[35:]] == [202] * 5
        assert await on_topic(at, names) == names
        assert list((tmp_path / "spool").glob("*.spool")) == []


async def test_an_outage_costs_one_slow_answer_and_not_each(broker: Proxy, tmp_path: Path, open_ingest: Open) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"]) as at:
        await post(at, "before")
        await drained(at)
        broker.freeze()
        asked = 0
        publish = at.service.producer.publish

        async def counting(records: Any, timeout: float) -> None:
            nonlocal asked
            asked += timeout < 5  # the drain waits five seconds
            await publish(records, timeout)

        at.service.producer.publish = counting
        assert [await post(at, f"away{n}") for n in range(20)] == [202] * 20
        assert asked == 1


async def test_the_spool_is_left_under_load(
    broker: Proxy, tmp_path: Path, open_ingest: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.journal.KAFKA_SECONDS", 5.0)  # so that a busy machine is no outage, again and again
    async with open_ingest(broker.address, tmp_path, ["crm"]) as at:
        stop = asyncio.Event()
        accepted: list[str] = []

        async def visitor(who: int) -> None:
            n = 0
            while not stop.is_set():
                name = f"v{who}-{n}"
                assert await post(at, name) == 202
                accepted.append(name)
                n += 1

        async with asyncio.TaskGroup() as group:
            for who in range(8):
                group.create_task(visitor(who))
            await asyncio.sleep(0.5)
            broker.cut()
            while spool_of(at).empty:
                await asyncio.sleep(0.01)
            broker.heal()
            await drained(at)  # while visitors go on
            stop.set()
        await drained(at)
        assert sorted(await on_topic(at, accepted)) == sorted(accepted)


async def test_a_killed_ingest_brings_what_it_answered_when_it_starts_again(
    broker: Proxy, tmp_path: Path, open_ingest: Open
) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"]) as at:  # only for its files and its reading
        environment = {
            **os.environ,
            "RELEVO_KAFKA": broker.address,
            "RELEVO_TOPICS": "local",
            "RELEVO_LOCAL": "1",
            "RELEVO_SECRET": at.secret.decode(),
            "RELEVO_SOURCES": str(at.sources_file),
            "RELEVO_SPOOL": str(tmp_path / "spool-of-the-killed"),
            "RELEVO_HTTP_PORT": str(at.free_port()),
        }
        url = f"http://127.0.0.1:{environment['RELEVO_HTTP_PORT']}"
        broker.cut()
        accepted = []
        for life in range(2):
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", "run", env=environment)
            await answers(at, url, process)
            for n in range(10):
                body = {"type": "call", "email": "ana@empresa.es", "id": f"life{life}-{n}"}
                answer = await at.client.post(
                    f"{url}/v1/touchpoints", json=body, headers={"authorization": "Bearer key-of-crm"}
                )
                assert answer.status_code == 202
                accepted.append(body["id"])
            process.send_signal(signal.SIGKILL)
            await process.wait()
        broker.heal()
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", "run", env=environment)
        try:
            await answers(at, url, process)
            assert await on_topic(at, accepted) == accepted
        finally:
            process.terminate()
            assert await process.wait() == 0


async def answers(at: Any, url: str, process: asyncio.subprocess.Process) -> None:
    ends = monotonic() + PATIENCE
    while monotonic() < ends:
        assert process.returncode is None
        try:
            if (await at.client.get(f"{url}/livez")).status_code == 200:
                return
        except OSError:
            pass
        except Exception as error:
            if "connect" not in type(error).__name__.lower():
                raise
        await asyncio.sleep(0.05)
    raise TimeoutError


async def test_a_full_spool_without_a_broker_is_503_and_never_a_false_2xx(
    broker: Proxy, tmp_path: Path, open_ingest: Open
) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"], spool_limit=1024**2) as at:
        broker.cut()
        names, statuses = [], []
        for n in range(40):
            body = {"type": "call", "email": "ana@empresa.es", "id": f"full{n}", "text": "x" * 40_000}
            answer = await at.post("/v1/touchpoints", "crm", json=body)
            statuses.append(answer.status_code)
            if answer.status_code == 202:
                names.append(f"full{n}")
        assert set(statuses) == {202, 503}
        assert statuses == sorted(statuses)
        assert (answer.json()["title"], answer.headers["retry-after"]) == ("Not kept", "5")
        page = {"type": "page", "anonymousId": "a", "properties": {"x": "y" * 40_000}}
        sdk = await at.post("/v1/batch", "crm", json={"batch": [page]})
        assert (sdk.status_code, sdk.headers["retry-after"]) == (503, "5")
        ready = await at.client.get(f"{at.url}/readyz")
        assert (ready.status_code, ready.json()["waiting_for"]) == (503, ["Kafka, and the spool is full"])
        assert 'relevo_http_requests_total{route="/v1/touchpoints",status="503"}' in await metrics_of(at)
        broker.heal()
        await drained(at)
        assert await post(at, "after") == 202
        assert await on_topic(at, [*names, "after"]) == [*names, "after"]
        assert (await at.client.get(f"{at.url}/readyz")).status_code == 200


async def test_a_disk_too_slow_for_the_sender_s_patience_is_503_which_says_so(
    broker: Proxy, tmp_path: Path, open_ingest: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"]) as at:
        broker.cut()
        assert await post(at, "in-time") == 202
        monkeypatch.setattr("ingest.journal._DISK_SECONDS", 0)
        body = {"type": "call", "email": "ana@empresa.es", "id": "too-late"}
        answer = await at.post("/v1/touchpoints", "crm", json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "(the disk is too slow)" in answer.json()["detail"]
        broker.heal()


async def test_after_a_failed_sync_nothing_is_answered_2xx_and_the_process_ends(
    broker: Proxy, tmp_path: Path, open_ingest: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(desk, "Segments", partial(Segments, sync=failing))

    async def live() -> None:
        async with open_ingest(broker.address, tmp_path, ["crm"]) as at:
            broker.cut()
            assert await post(at, "lost") == 503
            await asyncio.wait_for(asyncio.shield(at.task), PATIENCE)

    with pytest.raises(RuntimeError, match="did not confirm a sync"):
        await live()


async def test_a_second_ingest_on_the_same_spool_is_told_so(broker: Proxy, tmp_path: Path, open_ingest: Open) -> None:
    async with open_ingest(broker.address, tmp_path, ["crm"]):
        second = open_ingest(broker.address, tmp_path, ["crm"])
        with pytest.raises(CannotStart, match="RELEVO_SPOOL"):
            await second.__aenter__()
