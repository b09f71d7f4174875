"""The running system that the story is played on, the people who act in it, and what it answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from relevo_local.clock import in_order
from relevo_local.draining import Watch
from relevo_local.story.doors import Doors
from relevo_local.story.sales import Sales
from relevo_local.trouble import Trouble

_PATIENCE = 60.0  # seconds until what was sent must have been handled
_LOOK = 0.04


@dataclass
class Theatre:
    environment: Mapping[str, str]
    http: httpx.AsyncClient
    doors: Doors
    sales: Sales
    watch: Watch
    _ahead: timedelta | None = None

    def url(self, service: str, path: str = "") -> str:
        return self.environment[f"RELEVO_{service}_URL"] + path

    @property
    def manage(self) -> dict[str, str]:
        """Headers of the one at this machine, who may do everything."""
        return {"authorization": f"Bearer {self.environment['RELEVO_API_TOKEN']}"}

    async def get(self, service: str, path: str, **params: Any) -> Any:
        """What the API of a service answers. Raises Trouble."""
        answer = await self.http.get(self.url(service, path), params=params, headers=self.manage)
        if answer.status_code != 200:
            raise Trouble(f"{service.lower()} answered {answer.status_code} to GET {path}: {answer.text[:500]}")
        return answer.json()

    async def listed(self, service: str, path: str, **params: Any) -> AsyncIterator[Any]:
        """Every item of a list, page by page."""
        while True:
            page = await self.get(service, path, limit=500, **params)
            for item in page["items"]:
                yield item
            if page.get("next") is None:
                return
            params = params | {"cursor": page["next"]}

    async def go(self, moment: datetime | None) -> datetime:
        """Set the system's clocks to `moment` (None: to the real time), never back; returns what they show."""
        real = datetime.now(UTC)
        ahead = moment - real if moment is not None else timedelta(0)
        if self._ahead is None or ahead > self._ahead:
            shifting = self.watch.tell("update clock_shift set shift = $1", ahead)
            await in_order(shifting, Path(self.environment["RELEVO_CLOCK_FILE"]), ahead, back=self._ahead is None)
            self._ahead = ahead
        return real + self._ahead

    async def promises_caught_up(self, leads: Iterable[str], now: datetime) -> None:
        """Returns when no step of the promises made to these leads is due any more. Raises Trouble."""
        until = time.monotonic() + _PATIENCE
        for lead in leads:
            while due := [c async for c in self.listed("SLA_MONITOR", "/v1/clocks", lead_id=lead) if _is_due(c, now)]:
                if time.monotonic() > until:
                    late = f"{due[0]['kind']} clock, due at {due[0]['next_step']['due_at']}"
                    raise Trouble(f"sla-monitor did not take a step within {_PATIENCE:.0f} s: {late}; see its log")
                await asyncio.sleep(_LOOK)

    async def settled(self) -> None:
        """Returns when everything that was sent has been handled and every webhook is delivered. Raises Trouble."""
        until = time.monotonic() + _PATIENCE
        while await self.watch.quiet(until - time.monotonic(), _LOOK):
            if not (await self.get("HANDOFF", "/v1/deliveries", state="pending", limit=1))["items"]:
                return
            await asyncio.sleep(_LOOK)
        raise Trouble(f"not everything was handled within {_PATIENCE:.0f} s: see the services' logs")


def _is_due(clock: dict[str, Any], now: datetime) -> bool:
    step = clock["next_step"]
    return step is not None and step["due_at"] is not None and datetime.fromisoformat(step["due_at"]) <= now
