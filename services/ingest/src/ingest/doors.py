"""The hot routes: bare ASGI in front of the app and its guard, whose layers cost more than all that is done here.

Raw bytes in, a ready answer out (to what nobody expected, too), and what pages may read of it.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import NamedTuple

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest import take, webhooks
from ingest.desk import Desk
from ingest.draft import Headers, Reply, Request
from ingest.sdks import ADDRESSES, CUSTOMERIO, Methods, post
from ingest.sources.customerio_track import CUSTOMERS
from ingest.take import FORMS
from ingest.webhooks import WEBHOOKS
from ingest.wire import Gone, arrive, problem_reply, sdk_problem_reply, send_reply, traceparent
from relevo.service import Problem, metrics, problems
from relevo.stream.telemetry import recording, span

Work = Callable[[Desk, Request], Awaitable[Reply]]

_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, content-encoding, idempotency-key, traceparent,"
        b" anonymousid, x-write-key, x-enable-debug, x-ip-policy, x-retry-count",  # as pages' SDKs send them
    ),
    (b"access-control-max-age", b"7200"),
)


class Door(NamedTuple):
    address: str  # or how it begins: without the name that stands in it, for traces and metrics
    work: Work
    limit: int = take.BATCH_LIMIT  # bytes of a body
    methods: Methods = post
    refused: Callable[[Problem], Reply] = problem_reply


_DOORS = {
    door.address: door
    for door in (
        Door("/v1/touchpoints", take.touchpoints),
        *(
            Door(path, take.sdk_calls, methods=sdk.methods, refused=sdk_problem_reply)
            for path, sdk in ADDRESSES.items()
        ),
    )
}
# Doors with a name in their address.
_NAMED = (
    Door(FORMS, take.forms, take.SINGLE_LIMIT),
    Door(WEBHOOKS, webhooks.webhook, webhooks.LIMIT, lambda _: ("GET", "HEAD", "POST")),
    Door(CUSTOMERS, take.sdk_calls, methods=CUSTOMERIO.methods, refused=sdk_problem_reply),
)


class Doors:
    """ASGI middleware: answers the hot routes, hands on everything else."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._recording = recording()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        door = _DOORS.get(path) or next((door for door in _NAMED if path.startswith(door.address)), None)
        if door is None:
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if scope["method"] == "OPTIONS":
                reply = Reply(204, headers=_PREFLIGHT)
            elif scope["method"] not in (allowed := door.methods(path)):
                ways = {"Allow": ", ".join((*allowed, "OPTIONS"))}
                raise Problem(405, "Method not allowed", detail=f"Send {' or '.join(allowed)}.", headers=ways)
            else:
                request = await arrive(scope, headers, receive, door.limit)
                reply = await (_traced(door) if self._recording else door.work)(self._desk, request)
        except Problem as problem:
            reply = door.refused(problem)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - logged, and answered as anywhere else
            reply = door.refused(problems.of_anything(error))
        metrics.answered(door.address, reply.status, perf_counter() - began)
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


def _traced(door: Door) -> Work:
    """The door's work within a span, which whatever the request causes has for its parent."""

    async def traced(desk: Desk, request: Request) -> Reply:
        with span(f"{request.method} {door.address}", traceparent(request), SpanKind.SERVER) as current:
            assert current is not None
            headers = {**request.headers, b"traceparent": current.encode()}
            return await door.work(desk, request._replace(headers=headers))

    return traced
