"""Shows that unchanged SDKs, as their makers publish them, have every event arrive once and send none again: on a
broker that works, on one that is away in the middle, and on an Apache Kafka that is killed and started again.

`make sdks` sends 1,000 events by each and takes the broker away for ten seconds; `make test` less of both.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from tests.sdks.tap import Tap, tapping

from relevo.events.cloudevents import header
from relevo.events.identity import touchpoint_id
from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.stream.kafka import Reader, create_topics
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE
from relevo_local import apache
from relevo_local.ports import LOOPBACK, Ports
from relevo_local.processes import Processes

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

EVENTS = int(os.environ.get("RELEVO_SDK_EVENTS", "200"))
AWAY = float(os.environ.get("RELEVO_SDK_AWAY", "1"))  # seconds without a broker
ROOT = Path(__file__).parents[1]
SDKS = ROOT / "tests" / "sdks"
PYTHON = {
    name: [sys.executable, "-m", "tests.sdks.client", name]
    for name in ("segment-analytics-python", "analytics-python", "rudder-sdk-python")
}
NODE = {name: ["node", "client.mjs", name] for name in ("@segment/analytics-node", "@rudderstack/rudder-sdk-node")}


@dataclass(frozen=True)
class Clients:
    """What sends: a command for each SDK, and the folder it runs in."""

    commands: Mapping[str, Sequence[str]]
    folder: Path


@pytest.fixture(scope="module", params=["python", "node"])
def clients(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Python's are in our own lock; Node's are installed as theirs says."""
    if request.param == "python":
        return Clients(PYTHON, ROOT)
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node.js: its SDKs were not run")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "client.mjs"):
        shutil.copy(SDKS / name, folder)
    quiet = ("--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run(["npm", "ci", *quiet], cwd=folder, check=True, timeout=300)
    return Clients(NODE, folder)


def source_of(sdk: str) -> str:
    return sdk.strip("@").replace("/", "-")


@asynccontextmanager
async def ingest(kafka: str, folder: Path, sdks: Collection[str]) -> AsyncIterator[int]:
    """A process of its own on this broker, with a source for each SDK, whose name is its key: the port."""
    sources = [
        {
            "name": source_of(sdk),
            "kind": "segment",
            "access": "secret",
            "keys": [{"sha256": sha256(sdk.encode()).hexdigest()}],
        }
        for sdk in sdks
    ]
    (folder / "sources.yaml").write_text(yaml.safe_dump({"sources": sources}))
    ports = Ports()
    port = ports.take()
    own = {
        "KAFKA": kafka, "TOPICS": "local", "LOCAL": "1", "SECRET": "an installation secret of the tests",
        "SOURCES": str(folder / "sources.yaml"), "SPOOL": str(folder / "spool"), "HTTP_PORT": str(port),
    }  # fmt: skip
    environment = os.environ | {f"RELEVO_{name}": value for name, value in own.items()}
    with (folder / "ingest.log").open("wb") as log:
        command = (sys.executable, "-m", "ingest", "run")
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(PATIENCE):
            while True:
                try:
                    if (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.returncode is None
                await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        assert await process.wait() == 0
        ports.release()


async def sent_by(clients: Clients, sdk: str, port: int, seconds: float) -> Tap:
    """EVENTS by this SDK, spread over so many seconds: what passed on the wire, once it says that it is done."""
    async with tapping(LOOPBACK, port) as tap:
        command = [*clients.commands[sdk], tap.url, sdk, str(EVENTS), str(seconds)]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=clients.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
    return tap


async def exchanged(
    clients: Clients, kafka: str, folder: Path, seconds: float, meanwhile: Coroutine[Any, Any, None]
) -> Mapping[str, Counter[str]]:
    """All SDKs send at once, while `meanwhile` happens: how often each of their events is on the topic. On the wire
    each was there once, in requests that were answered with 200, whatever happened."""
    async with ingest(kafka, folder, clients.commands) as port:
        happening = asyncio.create_task(meanwhile)
        taps = await asyncio.gather(*(sent_by(clients, sdk, port, seconds) for sdk in clients.commands))
        await happening
        expected: dict[str, set[str]] = {}
        for sdk, tap in zip(clients.commands, taps, strict=True):
            ids = tap.message_ids
            assert (len(ids), len(set(ids))) == (EVENTS, EVENTS), f"{sdk} sent events again"
            assert tap.statuses == [200] * len(tap.requests), sdk
            expected[sdk] = {touchpoint_id(source_of(sdk), one) for one in ids}
        on_topic = await copies(kafka, set().union(*expected.values()))
    return {sdk: Counter({one: on_topic[one] for one in ids}) for sdk, ids in expected.items()}


async def copies(kafka: str, ids: set[str]) -> Counter[str]:
    """How often each of these touchpoints is on the topic, once all are and it has been quiet."""
    reader = Reader(kafka, f"sdks-{uuid4()}", [TOUCHPOINTS.name], "local", lambda: None, _nothing)
    await reader.start()
    found: Counter[str] = Counter()
    quiet = 0
    try:
        async with asyncio.timeout(PATIENCE):
            while quiet < 3 or len(found) < len(ids):
                polled = await reader.poll(0.5, 5_000)
                quiet = 0 if polled else quiet + 1
                for record in (record for records in polled.values() for record in records):
                    if (identity := header(record.headers, "ce_id")) in ids:
                        found[identity] += 1
    finally:
        await reader.stop()
    return found


async def _nothing() -> None:
    return None


async def test_every_event_of_every_sdk_arrives_once(kafka: str, tmp_path: Path, clients: Clients) -> None:
    told(tmp_path, await exchanged(clients, kafka, tmp_path, 0, _nothing()))


async def test_while_the_broker_is_away_in_the_middle_sdks_notice_nothing(
    cut_kafka: Proxy, tmp_path: Path, clients: Clients
) -> None:
    await create_topics(cut_kafka.address, [TOUCHPOINTS, TOUCHPOINTS_FAILED], "local")

    async def outage() -> None:
        await asyncio.sleep(AWAY / 2)
        cut_kafka.cut()
        await asyncio.sleep(AWAY)
        cut_kafka.heal()

    told(tmp_path, await exchanged(clients, cut_kafka.address, tmp_path, 2 * AWAY, outage()))


async def test_while_kafka_is_killed_and_started_again_sdks_notice_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, clients: Clients
) -> None:
    if request.config.getoption("--broker") != "apache":
        pytest.skip("for --broker apache: the embedded broker forgets what it had when it is killed")
    ports, processes = Ports(), Processes(tmp_path)
    port = ports.take()
    try:
        address = await apache.start(processes, ports, tmp_path, port)
        await create_topics(address, [TOUCHPOINTS, TOUCHPOINTS_FAILED], "local")

        async def death() -> None:
            await asyncio.sleep(AWAY / 2)
            processes.kill("broker")
            await asyncio.sleep(AWAY)
            await apache.start(processes, ports, tmp_path, port)

        told(tmp_path, await exchanged(clients, address, tmp_path, 2 * AWAY, death()))
    finally:
        await processes.stop()
        ports.release()


async def test_an_sdk_of_the_first_generation_believes_a_refusal(kafka: str, tmp_path: Path) -> None:
    sdk = "analytics-python"
    async with ingest(kafka, tmp_path, [sdk]) as port, tapping(LOOPBACK, port) as tap:
        process = await asyncio.create_subprocess_exec(
            *PYTHON[sdk], tap.url, "a wrong key", "1", "0", cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 1
        assert tap.statuses == [401]


def told(folder: Path, arrived: Mapping[str, Counter[str]]) -> None:
    """Every event is there, and once: unless ingest waited in vain for the broker's word. What was under way then is
    sent again under the same id, because whether it arrived is not to be known; readers take it once."""
    unknown = "did not acknowledge in time" in (folder / "ingest.log").read_text()
    for sdk, events in arrived.items():
        assert 0 not in events.values(), sdk
        assert unknown or max(events.values()) == 1, sdk
        print(f"{sdk}: {len(events)} events, {events.total()} records")
