"""A running ingest before a real broker, its sources, and what it wrote to Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import yaml

from ingest.main import ingest
from ingest.settings import Settings
from relevo.events import EVENTS, Event, TouchpointFailed, TouchpointRecorded
from relevo.events.cloudevents import decode, header
from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.service import Service
from relevo.stream.kafka import Reader
from relevo.testing.services import PATIENCE, running
from relevo_local.ports import Ports

SECRET = "an installation secret of the tests"


def key_of(name: str) -> str:
    return f"key-of-{name}"


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def source(name: str, kind: str = "api", access: str = "secret", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "access": access, "keys": [{"sha256": hashed(key_of(name))}], **more}


@dataclass
class Ingest:
    """One running ingest: where it answers, its service, its sources file, and the broker behind it."""

    url: str
    service: Service
    sources_file: Path
    kafka: str
    client: httpx.AsyncClient
    ports: Ports
    task: asyncio.Task[None]
    secret: bytes = SECRET.encode()

    def free_port(self) -> int:
        return self.ports.take()

    @staticmethod
    def source(name: str) -> dict[str, Any]:
        return source(name)

    async def post(self, path: str, key: str | None = "crm", **how: Any) -> httpx.Response:
        headers = {**({"authorization": f"Bearer {key_of(key)}"} if key else {}), **how.pop("headers", {})}
        return await self.client.post(f"{self.url}{path}", headers=headers, **how)

    async def recorded(self, count: int, ids: set[str] | None = None) -> list[TouchpointRecorded]:
        """The first `count` touchpoints on the topic, of these ids where given."""
        found = await read(self.kafka, TOUCHPOINTS.name, lambda events: len(events) >= count, ids)
        return [event for event in found if isinstance(event, TouchpointRecorded)][:count]

    async def all_of(self, ids: set[str]) -> list[Event]:
        """What is on the topic until each of `ids` has come; some may have come twice."""
        return await read(self.kafka, TOUCHPOINTS.name, lambda events: ids <= {str(e.id) for e in events}, ids)

    async def failed(self, count: int, ids: set[str] | None = None) -> list[TouchpointFailed]:
        found = await read(self.kafka, TOUCHPOINTS_FAILED.name, lambda events: len(events) >= count, ids)
        return [event for event in found if isinstance(event, TouchpointFailed)]


async def read(
    kafka: str, topic: str, enough: Callable[[list[Event]], bool], ids: set[str] | None = None
) -> list[Event]:
    """The events of a topic, of these ids where given, until there are enough; else what has come meanwhile."""
    reader = Reader(kafka, f"test-{uuid4()}", [topic], "local", lambda: None, _nothing)
    await reader.start()
    found: list[Event] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not enough(found):
                for records in (await reader.poll(0.2, 1000)).values():
                    for record in records:
                        event_type = EVENTS[header(record.headers, "ce_type") or ""]
                        event = decode(event_type, record.headers, record.value)
                        if ids is None or str(event.id) in ids:
                            found.append(event)
    except TimeoutError:
        pass
    finally:
        await reader.stop()
    return found


async def _nothing() -> None:
    return None


@asynccontextmanager
async def ingest_at(kafka: str, folder: Path, sources: list[dict[str, Any]], **settings: Any) -> AsyncIterator[Ingest]:
    sources_file = folder / "sources.yaml"
    sources_file.write_text(yaml.safe_dump({"sources": sources}))
    tokens = folder / "tokens.yaml"
    tokens.write_text(
        yaml.safe_dump(
            {"tokens": [{"name": "ops", "sha256": hashed("an-api-token"), "scopes": ["read", "touchpoints"]}]}
        )
    )
    ports = Ports()
    chosen = Settings(
        kafka=kafka,
        http_port=ports.take(),
        topics="local",
        local=True,
        secret=SECRET,
        sources=sources_file,
        tokens=tokens,
        spool=folder / "spool",
        shutdown_seconds=9,
        **settings,
    )
    async with AsyncExitStack() as stack:
        stack.callback(ports.release)
        it = await stack.enter_async_context(running(ingest(), chosen))
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=PATIENCE))
        yield Ingest(it.url, it.service, sources_file, kafka, client, ports, it.task)


SOURCES = [
    source("crm"),
    source("site", "form", "public", origins=["https://www.example.com"], country="ES"),
    source("app", "segment"),
    source("pages", "segment", "public"),
    source("shop", "form", "public", thanks="https://www.example.com/gracias"),
    source("slow", rate={"per_second": 0.01, "burst": 2}),
    source("postmark", "postmark"),
    {"name": "mailgun", "kind": "mailgun", "secrets": {"file": "mailgun"}},
    source("slow-app", "segment", rate={"per_second": 0.01, "burst": 2}),
    source("meta", "meta_lead_ads", secrets={"file": "meta"}, token={"file": "meta"}),
]


@pytest.fixture(scope="session", autouse=True)
def _disk_of_a_busy_machine() -> Iterator[None]:
    """It is asked for what is kept, and not for when: a disk that others are at gets more than a sender's patience."""
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr("ingest.journal._DISK_SECONDS", PATIENCE)
        yield


@pytest.fixture(scope="session")
def open_ingest() -> Callable[..., AbstractAsyncContextManager[Ingest]]:
    """`async with open_ingest(kafka, folder, names_or_sources, **settings) as at`: an ingest of the test's own."""

    def open_(kafka: str, folder: Path, sources: Sequence[str | dict[str, Any]], **settings: Any) -> Any:
        return ingest_at(kafka, folder, [source(s) if isinstance(s, str) else s for s in sources], **settings)

    return open_


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def at(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ingest]:
    """An ingest for every test that only posts and reads."""
    folder = tmp_path_factory.mktemp("ingest")
    for tool in ("mailgun", "meta"):
        (folder / tool).write_text(f"key-of-{tool}\n")
    async with ingest_at(kafka, folder, SOURCES) as it:
        yield it
