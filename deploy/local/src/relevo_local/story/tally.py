"""Counts what came of the story: at the receivers of webhooks and by the APIs, never from what was planned."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from relevo_local.receiver import Received
from relevo_local.story.theatre import Theatre
from relevo_local.together import together

CONSUMERS = ("SCORING", "HANDOFF", "SLA_MONITOR", "CONSOLE")
ACCEPTED = ("accepted", "contacted", "opportunity", "won", "lost")
_AT_ONCE = 4
_METRIC = re.compile(r'^relevo_ingest_touchpoints_total\{source="([^"]+)",what="([^"]+)"\} (\S+)$', re.MULTILINE)

Item = dict[str, Any]


@dataclass(frozen=True)
class Tally:
    """What each service says, and what arrived at the reps; `took` in milliseconds, from POST to webhook."""

    leads: tuple[Item, ...]  # scoring
    touchpoints: Counter[str]  # the console's timelines: by source
    admitted: Counter[tuple[str, str]]  # ingest: by source and what became of it
    funnel: dict[str, int]  # the console
    assignments: tuple[Item, ...]  # handoff
    undelivered: int  # handoff
    breaches: tuple[Item, ...]  # sla-monitor; those taken back left out
    dead: dict[str, int]  # dead letters by service
    webhooks: tuple[Received, ...]  # the receivers, verified
    forged: int  # the receivers
    took: Sequence[float]

    def assigned(self) -> list[Received]:
        """One webhook for each change of owner."""
        return [webhook for webhook in self.webhooks if webhook.type == "lead.assigned"]

    def of_stage(self, *stages: str) -> list[Item]:
        return [each for each in self.assignments if each["stage"] in stages]

    def figures(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "touchpoints": self.touchpoints.total(),
            "leads": len(self.leads),
            "mqls": self.funnel["mql"],
            "assignments": sum(each["version"] for each in self.assignments),
            "webhooks_delivered": len({webhook.webhook_id for webhook in self.assigned()}),
            "accepted": len(self.of_stage(*ACCEPTED)),
            "rejected": len(self.of_stage("rejected")),
            "breaches": len(self.breaches),
            "post_to_webhook_ms": {"p50": percentile(self.took, 0.5), "p99": percentile(self.took, 0.99)},
        }


async def count(theatre: Theatre, took: Sequence[float]) -> Tally:
    """Ask everybody. The story has settled."""
    receiver = theatre.sales.receiver
    leads = [lead async for lead in theatre.listed("SCORING", "/v1/leads")]
    failed = [item async for item in theatre.listed("HANDOFF", "/v1/deliveries", state="failed")]
    steps = (await theatre.get("CONSOLE", "/v1/funnel", days=0))["steps"]
    metrics = (await theatre.http.get(theatre.url("INGEST", "/metrics"))).text
    dead = {service: len((await theatre.get(service, "/v1/dead"))["items"]) for service in CONSUMERS}
    breaches = [item async for item in theatre.listed("SLA_MONITOR", "/v1/breaches")]
    return Tally(
        leads=tuple(leads),
        touchpoints=await _on_timelines(theatre, [lead["lead_id"] for lead in leads]),
        admitted=Counter({(source, what): int(float(n)) for source, what, n in _METRIC.findall(metrics)}),
        funnel={step["stage"]: step["count"] for step in steps},
        assignments=tuple([item async for item in theatre.listed("HANDOFF", "/v1/assignments")]),
        undelivered=len(failed),
        breaches=tuple(each for each in breaches if each["target"] and each["corrected_at"] is None),
        dead=dead,
        webhooks=tuple(receiver.received),
        forged=receiver.refused,
        took=took,
    )


async def _on_timelines(theatre: Theatre, leads: Sequence[UUID]) -> Counter[str]:
    """Touchpoints by source, each once, on the leads' pages of the console."""
    found: dict[str, str] = {}
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(lead_id: UUID) -> None:
        async with gate:
            page = await theatre.get("CONSOLE", f"/v1/leads/{lead_id}/timeline", limit=500)
        for event in page["items"]:
            if event["type"] == "touchpoint.recorded.v1":
                found[event["id"]] = event["data"]["source"]

    await together(map(read, leads))
    return Counter(found.values())


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of them does not exceed, to a tenth."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1)
