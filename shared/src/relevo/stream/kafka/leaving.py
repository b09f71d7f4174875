"""How a client is stopped that may not stop."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def ends_in_time(work: Awaitable[Any], timeout: float) -> bool:
    """Whether `work` ended well. A client that stops awaits tasks it has just cancelled: where one had not begun, their
    CancelledError comes out of it, and is not ours."""
    us = asyncio.current_task()
    assert us is not None
    before = us.cancelling()
    try:
        async with asyncio.timeout(timeout):
            await work
    except asyncio.CancelledError:
        if us.cancelling() > before:
            raise
        return False
    except Exception:  # noqa: BLE001 - it is being thrown away, whatever it says
        return False
    return True
