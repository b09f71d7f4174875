"""`make faults ARGS=monitor-…`, small: real processes of sla-monitor, killed, down, with a wall clock that jumps."""

import pytest
from tests.faults import monitor


async def test_a_monitor_that_was_down_fires_what_is_left_and_nothing_that_was_answered() -> None:
    report = await monitor.down(200, 6, lambda line: None)
    assert report["problems"] == []
    assert report["answered"] == 60


@pytest.mark.skipif(monitor.faketime() is None, reason="no libfaketime: apt-get install faketime")
async def test_a_wall_clock_that_jumps_by_an_hour_makes_nothing_early_or_twice() -> None:
    assert (await monitor.wall(100, 6, lambda line: None))["problems"] == []
