"""The hot routes: bare ASGI inside the FastAPI app, raw bytes in, a ready answer out, and what pages may read of it."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest import take
from ingest.desk import Desk
from ingest.draft import Request
from ingest.sources import segment
from ingest.wire import Gone, Reply, arrive, problem_reply, send_reply
from relevo.service import Problem

_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, idempotency-key, traceparent"),
    (b"access-control-max-age", b"7200"),
)


class Door:
    """One route. A class with `__call__`, so that Starlette takes it for an ASGI app and puts nothing before it."""

    def __init__(self, desk: Desk, work: Callable[[Desk, Request, Scope], Awaitable[Reply]], limit: int) -> None:
        self._desk, self._work, self._limit = desk, work, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                reply = Reply(204, headers=_PREFLIGHT)
            elif scope["method"] != "POST":
                raise Problem(405, "Method not allowed", headers={"Allow": "POST, OPTIONS"})
            else:
                request = await arrive(scope, receive, self._limit)
                reply = await self._work(self._desk, request, scope)
        except Problem as problem:
            reply = problem_reply(problem)
        except Gone:
            return
        await send_reply(send, reply, self._cors(scope))

    def _cors(self, scope: Scope) -> Sequence[tuple[bytes, bytes]]:
        """Pages of any public source's list may read answers; whether they may send is checked with the key, which a
        browser's preflight does not carry."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is None:
            return ()
        listed = self._desk.sources.now.origins
        if "*" not in listed and origin.decode("latin-1") not in listed:
            return ((b"vary", b"origin"),)
        return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))


def routes(desk: Desk) -> list[Route]:
    return [
        Route("/v1/touchpoints", Door(desk, take.touchpoints, take.BATCH_LIMIT)),
        *(Route(f"/v1/{call}", Door(desk, take.segment_calls, take.BATCH_LIMIT)) for call in ("batch", *segment.CALLS)),
        Route("/v1/forms/{source}", Door(desk, take.forms, take.SINGLE_LIMIT)),
    ]
