"""Shows what Prometheus is told of handoff: who waits, which endpoints get nothing, which webhook nobody tries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY

from handoff.handlers import assign_leads
from handoff.measures import measure
from relevo.events import LeadQualified

Mql = Callable[..., LeadQualified]


async def measured(kept: Any) -> dict[str, float | None]:
    await kept.run(measure)
    names = ("leads_waiting", "endpoints_disabled", "deliveries_pending", "delivery_overdue_seconds")
    return {name: REGISTRY.get_sample_value(f"relevo_handoff_{name}") for name in names}


async def test_what_prometheus_is_told(kept: Any, mql: Mql) -> None:
    assert set((await measured(kept)).values()) == {0}
    endpoint = await kept.endpoint("http://127.0.0.1:1/")
    await kept.handle(assign_leads, mql(), mql())
    await kept.travel(timedelta(minutes=10))
    told = await measured(kept)
    assert (told["leads_waiting"], told["endpoints_disabled"], told["deliveries_pending"]) == (0, 0, 2)
    assert 600 <= (told["delivery_overdue_seconds"] or 0) < 700  # nobody delivers here
    await kept.sql("update delivery set leased_until = clock_timestamp() + interval '1 minute'")
    assert (await measured(kept))["delivery_overdue_seconds"] == 0  # now somebody is at it
    await kept.sql("update delivery set leased_until = null")
    await kept.sql("update endpoint set disabled_at = now() where endpoint_id = $1", endpoint)
    told = await measured(kept)  # held, which is no deliverer's fault
    assert (told["endpoints_disabled"], told["deliveries_pending"], told["delivery_overdue_seconds"]) == (1, 2, 0)
    await kept.sql("update assignment set stage = 'waiting'")
    assert (await measured(kept))["leads_waiting"] == 2
