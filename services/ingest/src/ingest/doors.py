"""The hot routes: bare ASGI in front of FastAPI's own layers, which cost more than all that is done here.

Raw bytes in, a ready answer out, and what pages may read of it.
"""

import dataclasses
from collections.abc import Awaitable, Callable

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest import take, webhooks
from ingest.desk import Desk
from ingest.draft import Headers, Reply, Request
from ingest.sources import segment
from ingest.take import FORMS
from ingest.webhooks import WEBHOOKS
from ingest.wire import Gone, arrive, problem_reply, send_reply, traceparent
from relevo.service import Problem
from relevo.stream.telemetry import recording, span

Work = Callable[[Desk, Request], Awaitable[Reply]]

_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, idempotency-key, traceparent"),
    (b"access-control-max-age", b"7200"),
)


# Doors with the source's name in their address.
_NAMED: tuple[tuple[str, tuple[Work, int]], ...] = (
    (FORMS, (take.forms, take.SINGLE_LIMIT)),
    (WEBHOOKS, (webhooks.webhook, webhooks.LIMIT)),
)


class Doors:
    """ASGI middleware: answers the hot routes, hands on everything else."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._works: dict[str, tuple[Work, int]] = {"/v1/touchpoints": (take.touchpoints, take.BATCH_LIMIT)}
        self._works |= {f"/v1/{call}": (take.segment_calls, take.BATCH_LIMIT) for call in ("batch", *segment.CALLS)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        found = self._works.get(path) or next((work for begins, work in _NAMED if path.startswith(begins)), None)
        if found is None:
            await self._app(scope, receive, send)
            return
        work, limit = found
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if scope["method"] == "OPTIONS":
                reply = Reply(204, headers=_PREFLIGHT)
            elif scope["method"] != "POST" and not (path.startswith(WEBHOOKS) and scope["method"] in ("GET", "HEAD")):
                raise Problem(405, "Method not allowed", headers={"Allow": "POST, OPTIONS"})
            else:
                request = await arrive(scope, headers, receive, limit)
                reply = await (work(self._desk, request) if not recording() else _traced(work, self._desk, request))
        except Problem as problem:
            reply = problem_reply(problem)
        except Gone:
            return
        await send_reply(send, reply, self._cors(headers.get(b"origin")))

    def _cors(self, origin: bytes | None) -> Headers:
        """Pages of any public source's list may read answers; whether they may send is checked with the key, which a
        browser's preflight does not carry."""
        if origin is None:
            return ()
        listed = self._desk.sources.now.origins
        if "*" not in listed and origin.decode("latin-1") not in listed:
            return ((b"vary", b"origin"),)
        return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))


async def _traced(work: Work, desk: Desk, request: Request) -> Reply:
    """Within a span, which whatever the request causes has for its parent."""
    path = next((begins for begins, _ in _NAMED if request.path.startswith(begins)), request.path)
    name = f"{request.method} {path}"
    with span(name, traceparent(request), SpanKind.SERVER) as current:
        assert current is not None
        headers = {**request.headers, b"traceparent": current.encode()}
        return await work(desk, dataclasses.replace(request, headers=headers))
