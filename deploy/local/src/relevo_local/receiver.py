"""A sales team's side of the webhooks: receives them, verifies each with the public library, remembers when it came."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from relevo_local.ports import LOOPBACK, Ports


@dataclass(frozen=True)
class Received:
    """One webhook that came and was verified."""

    endpoint: str
    webhook_id: str
    type: str
    data: dict[str, Any]
    trace: str | None
    at: float  # time.perf_counter()


@dataclass
class Receiver:
    """Endpoints by name. Give each its secret when handoff has told it; until then it answers 503."""

    url: str
    secrets: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    refused: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def endpoint(self, name: str) -> str:
        return f"{self.url}/{name}"

    async def until(self, wanted: Callable[[Received], bool], count: int = 1, within: float = 120.0) -> list[Received]:
        """The first `count` webhooks that are wanted. Raises TimeoutError, saying what came instead."""
        try:
            async with asyncio.timeout(within), self.arrived:
                await self.arrived.wait_for(lambda: sum(map(wanted, self.received)) >= count)
        except TimeoutError:
            came = [(each.endpoint, each.type) for each in self.received[-5:]]
            raise TimeoutError(
                f"{sum(map(wanted, self.received))} of {count} webhooks; the last that came: {came}"
            ) from None
        return [each for each in self.received if wanted(each)][:count]

    async def _receive(self, request: Request) -> Response:
        at = time.perf_counter()
        name = request.path_params["name"]
        try:
            body = await request.body()
        except ClientDisconnect:  # the deliverer was killed as it sent; it will come again
            return Response(status_code=400)
        secret = self.secrets.get(name)
        if secret is None:
            return Response(status_code=503)
        try:
            Webhook(secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return Response(status_code=401)
        message = orjson.loads(body)
        webhook_id = request.headers["webhook-id"]
        if all((each.endpoint, each.webhook_id) != (name, webhook_id) for each in self.received):
            trace = request.headers.get("traceparent")
            self.received.append(Received(name, webhook_id, message["type"], message["data"], trace, at))
        async with self.arrived:
            self.arrived.notify_all()
        return Response(status_code=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free loopback port, until the block ends."""
    ports = Ports()
    port = ports.take()
    receiver = Receiver(f"http://{LOOPBACK}:{port}")
    app = Starlette(routes=[Route("/{name}", receiver._receive, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, lifespan="off", ws="none"))
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
            if serving.done():
                serving.result()
        yield receiver
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=5)
        serving.cancel()
        ports.release()
