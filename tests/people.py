"""The people of a journey, over HTTP: a visitor who sends a form, a team that receives webhooks, a rep who answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx

from relevo.testing.services import PATIENCE
from relevo_local.clock import travel
from relevo_local.receiver import Receiver, receiving


@dataclass
class Journey:
    """A running system, a client with its token, and a receiver for every rep's webhooks."""

    environment: Mapping[str, str]
    http: httpx.AsyncClient
    receiver: Receiver

    def url(self, service: str, path: str) -> str:
        return self.environment[f"RELEVO_{service}_URL"] + path

    async def touch(self, **touchpoint: Any) -> httpx.Response:
        """Post a touchpoint as the secret source does."""
        return await self.http.post(
            self.url("INGEST", "/v1/touchpoints"),
            json=touchpoint,
            headers={"Authorization": f"Bearer {self.environment['RELEVO_SOURCE_KEY']}"},
        )

    async def get(self, service: str, path: str, **params: Any) -> Any:
        answer = await self.http.get(self.url(service, path), params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, assignment: Mapping[str, Any], what: str, **more: Any) -> httpx.Response:
        """Answer an assignment as its rep does: by the URL and body the webhook named."""
        return await self.http.post(assignment["answer"][what], json=assignment["answer"]["body"] | more)

    async def later(self, **by: float) -> None:
        """Move the system's clock ahead: `later(hours=2)`."""
        ((unit, amount),) = by.items()
        await travel(self.environment, f"+{amount:g}{unit[0]}")

    async def eventually(self, service: str, path: str, holds: Callable[[Any], bool], within: float = PATIENCE) -> Any:
        """What a GET answers, as soon as it holds. Raises AssertionError with the last answer."""
        last, ends = None, monotonic() + within
        while monotonic() < ends:
            answer = await self.http.get(self.url(service, path))
            last = answer.text
            if answer.status_code == 200 and holds(answer.json()):
                return answer.json()
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} never came to hold; last answer: {last}")


@asynccontextmanager
async def journey(environment: Mapping[str, str], endpoint: str = "sales") -> AsyncIterator[Journey]:
    """Everybody, with an endpoint registered for all reps' notices; it is deleted at the end."""
    headers = {"Authorization": f"Bearer {environment['RELEVO_API_TOKEN']}"}
    async with receiving() as receiver, httpx.AsyncClient(trust_env=False, headers=headers, timeout=PATIENCE) as http:
        found = Journey(environment, http, receiver)
        made = await http.post(
            found.url("HANDOFF", "/v1/endpoints"), json={"name": endpoint, "url": receiver.endpoint(endpoint)}
        )
        assert made.status_code == 201, made.text
        receiver.secrets[endpoint] = made.json()["secret"]
        try:
            yield found
        finally:
            await http.delete(found.url("HANDOFF", f"/v1/endpoints/{made.json()['id']}"))
