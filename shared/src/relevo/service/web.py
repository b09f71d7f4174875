"""The HTTP side of a service: its app, the guard around it, writes in one transaction, JSON that is safe to keep."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
from fastapi import FastAPI, Request
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relevo.events import Event
from relevo.service import metrics, openapi, problems
from relevo.service.problems import Problem
from relevo.stream import Transaction
from relevo.stream.transaction import is_infrastructure

if TYPE_CHECKING:
    from relevo.service.runtime import Service

BODY_LIMIT = 256 * 1024
DEPTH_LIMIT = 32

_UNSAFE = re.compile("[\0\ud800-\udfff]")


def _keepable(value: str) -> str:
    if _UNSAFE.search(value):
        raise ValueError("holds a NUL or half a character (a lone surrogate), which cannot be kept")
    return value


Text = Annotated[str, AfterValidator(_keepable)]
"""A string that PostgreSQL can hold: pydantic lets NUL and lone surrogates through, PostgreSQL does not."""

M = TypeVar("M")
# A string without an end is taken whole, and never twice: else 256 KiB of quotes would cost minutes.
_STRUCTURE = re.compile(rb'[\[{\]}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def too_deep(raw: bytes, limit: int = DEPTH_LIMIT) -> bool:
    """Whether JSON text nests deeper than `limit`; linear in its length, before any parser recurses into it."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    depth = 0
    for match in _STRUCTURE.finditer(raw):
        first = match.group()[0]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def parse(raw: bytes, into: type[M] | TypeAdapter[M]) -> M:
    """A request's JSON body as a pydantic type. Raises Problem 400 (no JSON, too deep) or 422 (not valid)."""
    if too_deep(raw):
        raise Problem(400, "JSON too deep", detail=f"Nest at most {DEPTH_LIMIT} levels.")
    adapter = into if isinstance(into, TypeAdapter) else TypeAdapter(into)
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        if errors and errors[0]["type"] == "json_invalid":
            raise Problem(400, "Not JSON", detail="The body is not valid JSON in UTF-8.") from None
        raise problems.of_validation(errors) from None


async def body(request: Request, into: type[M] | TypeAdapter[M]) -> M:
    """The request's body as a pydantic type: for writes, instead of FastAPI's body parameters."""
    return parse(await request.body(), into)


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads itself, with `body`: its `openapi_extra`."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def of(request: Request) -> "Service":
    """The service that serves this request."""
    service: Service = request.app.state.service
    return service


@dataclass(frozen=True)
class Answer:
    """What a write answers, and the events it causes."""

    body: Any = None
    status: int = 200
    events: Sequence[Event] = ()
    headers: dict[str, str] = field(default_factory=dict)


def respond(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; pydantic models as they serialise themselves."""
    return Response(to_json(body), status, headers=headers, media_type="application/json")


def to_json(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


_CLAIM = text(
    "insert into idempotency (key, body_sha256, at) values (:key, :body, clock_timestamp()) on conflict do nothing"
    " returning key"
)
_KEPT = text("select body_sha256, status, answer from idempotency where key = :key")
_KEEP = text("update idempotency set status = :status, answer = :answer where key = :key")


async def write(request: Request, work: Callable[[Transaction], Awaitable[Answer]]) -> Response:
    """Run `work` in one transaction with its events and answer; with an `Idempotency-Key` only once per key.

    A deadlock or a serialisation failure is tried again, three times in all.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and (len(key) > 200 or not key.isprintable()):
        raise Problem(400, "Idempotency-Key malformed", detail="Send at most 200 printable characters.")
    for attempt in range(3):
        try:
            return await _write_once(request, work, key)
        except DBAPIError as error:
            if attempt == 2 or not is_infrastructure(error) or error.connection_invalidated:
                raise
            await asyncio.sleep(0.02 * (attempt + 1))
    raise AssertionError("unreachable")


async def _write_once(request: Request, work: Callable[[Transaction], Awaitable[Answer]], key: str | None) -> Response:
    async with of(request).transaction() as tx:
        if key is None:
            answer = await work(tx)
        else:
            who = sha256(request.headers.get("authorization", "").encode()).hexdigest()[:16]
            whole_key = f"{who} {request.method} {request.url.path} {key}"
            digest = sha256(await request.body()).digest()
            claimed = await tx.execute(_CLAIM, {"key": whole_key, "body": digest})
            if claimed.first() is None:
                return _kept(digest, (await tx.execute(_KEPT, {"key": whole_key})).one())
            answer = await work(tx)
            await tx.execute(_KEEP, {"key": whole_key, "status": answer.status, "answer": to_json(answer.body)})
        tx.emit(*answer.events)
    return respond(answer.body, answer.status, answer.headers)


def _kept(digest: bytes, row: Any) -> Response:
    body_sha256, status, answer = row
    if bytes(body_sha256) != digest:
        raise Problem(422, "Idempotency-Key used before", detail="It was sent with another body: use a new key.")
    return Response(bytes(answer), status, media_type="application/json", headers={"Idempotency-Replayed": "true"})


class Guard:
    """The outermost ASGI layer: bounds the body (also chunked), answers what nobody expected, adds safe headers.

    `larger`: by path, what may be longer than `limit`."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT, larger: Mapping[str, int] | None = None) -> None:
        self.app, self.limit, self.larger = app, limit, larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        started = finished = False
        received, limit = 0, self.larger.get(scope["path"], self.limit)

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise Problem(413, "Body too large", detail=f"Send at most {limit // 1024} KiB.")
            return message

        async def watched(message: Message) -> None:
            nonlocal started, finished
            if message["type"] == "http.response.start":
                started = True
                route = getattr(scope.get("route"), "path", "none")  # of nothing that we have, whatever it was
                metrics.answered(route, message["status"], perf_counter() - began)
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            elif message["type"] == "http.response.body":
                finished = not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, bounded, watched)
        except Exception as error:
            if finished:
                return  # Starlette answers what nobody expected by our handler, then raises it again
            if started:
                raise
            problem = error if isinstance(error, Problem) else problems.of_anything(error)
            await problems.respond(problem)(scope, receive, watched)


def create_app(title: str, description: str) -> FastAPI:
    """A FastAPI app with problem+json errors and nothing else: no docs pages from elsewhere, no redirects."""
    app = FastAPI(title=title, description=description, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False
    problems.install(app)
    openapi.describe(app)
    return app
