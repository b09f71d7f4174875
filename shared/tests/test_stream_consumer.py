"""On a real broker: effects once and in order per key, offsets committed after effects, poison never blocks."""

import asyncio

import pytest

from relevo.stream.dead import Limit, listed
from relevo.testing.stage import Stage, consuming

pytestmark = pytest.mark.broker


async def test_effects_once_and_in_order_per_key(stage: Stage) -> None:
    await stage.publish(1_000)
    async with consuming(stage.consumer()):
        effects = await stage.until_effects(1_000)
        await stage.publish(50)
        effects = await stage.until_effects(1_050)
    stage.check_effects(effects, range(1_050))
