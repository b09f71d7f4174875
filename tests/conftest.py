"""One whole system for the tests that cross services: the one `relevo exec` gave us, or our own."""

import os
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from relevo_local import apache
from relevo_local.system import Wanted, running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, str]]:
    """The addresses and keys of a running Relevo, as `relevo exec` sets them."""
    if "RELEVO_INGEST_URL" in os.environ:
        yield os.environ
        return
    wanted = Wanted(tmp_path_factory.mktemp("system"), broker=request.config.getoption("--broker"))
    try:
        async with running(wanted) as up:
            yield up.environment
    except apache.Unavailable as reason:
        pytest.exit(str(reason), returncode=2)
