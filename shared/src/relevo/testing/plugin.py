"""The pytest plugin: a real PostgreSQL, a real broker that speaks Kafka, and a TCP proxy that cuts.

Servers start when the first test asks for them and stop with the session. `RELEVO_TEST_POSTGRES` (DSN of a role that
may create databases) and `RELEVO_TEST_KAFKA` (host:port) name servers that run already.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:  # pytest loads this module in every run, also where none of these is used
    from relevo.testing.proxy import Proxy
    from relevo_local.ports import Ports

Through = Callable[[str], Awaitable["Proxy"]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=("embedded", "apache"),
        default=os.environ.get("BROKER") or "embedded",
        help="the broker tests run against: the embedded one, or a real Apache Kafka (Maven and Java 17)",
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A PostgreSQL server: the DSN of its owner."""
    if given := os.environ.get("RELEVO_TEST_POSTGRES"):
        yield given
        return
    from relevo_local import postgres as embedded

    async with embedded.running(tmp_path_factory.mktemp("postgres")) as server:
        # It speaks no TLS. Asked for it all the same, and cancelled while it answers, asyncpg leaves an error behind
        # that nobody retrieves (not on uvloop, where services run).
        yield f"{server.dsn}?sslmode=disable"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A broker with Relevo's topics: host:port. Topics live as long as the session, so each test names its own others.

    Created here, since the embedded broker makes a topic, with four partitions, for whoever only asks about it.
    """
    from relevo.events.topics import TOPICS
    from relevo.stream.kafka import create_topics

    async with AsyncExitStack() as stack:
        address = os.environ.get("RELEVO_TEST_KAFKA") or await _broker(stack, request, tmp_path_factory)
        await create_topics(address, TOPICS, "local")
        yield address


@pytest_asyncio.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """A database of the test's own, empty: its DSN."""
    from relevo.testing.databases import fresh_database

    async with fresh_database(postgres) as dsn:
        yield dsn


@pytest.fixture
def ports() -> Iterator["Ports"]:
    """`ports.take()`: a free port, which nobody else on this machine is given before the test ends."""
    from relevo_local.ports import Ports

    taken = Ports()
    yield taken
    taken.release()


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Through]:
    """`await proxy("host:port")`: a proxy before that address, open until the test ends."""
    from relevo.testing.proxy import Proxy

    async with AsyncExitStack() as stack:

        async def before(target: str) -> Proxy:
            return await stack.enter_async_context(Proxy(target))

        yield before


@pytest_asyncio.fixture
async def cut_kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ports: "Ports"
) -> AsyncIterator["Proxy"]:
    """A broker of the test's own that tells its clients to come through this proxy: use `cut_kafka.address`.

    A broker advertises where it is reached; a proxy before the shared one would be passed by after the first answer.
    """
    from relevo.testing.proxy import Proxy

    behind = ports.take()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(f"127.0.0.1:{behind}"))
        await _broker(stack, request, tmp_path_factory, port=behind, advertised=proxy.port)
        yield proxy


async def _broker(
    stack: AsyncExitStack,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    port: int | None = None,
    advertised: int | None = None,
) -> str:
    from relevo_local import apache, broker

    start = apache.running if request.config.getoption("--broker") == "apache" else broker.running
    folder = tmp_path_factory.mktemp("kafka")
    try:
        return await stack.enter_async_context(start(folder, port=port, advertised=advertised))
    except apache.Unavailable as reason:
        pytest.exit(str(reason), returncode=2)  # nothing was tested, and one line says why
