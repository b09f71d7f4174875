"""What the stream's tests share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from relevo.testing.ledger import Ledger, open_ledger


@pytest_asyncio.fixture
async def ledger(database: str) -> AsyncIterator[Ledger]:
    async with open_ledger(database) as opened:
        yield opened
