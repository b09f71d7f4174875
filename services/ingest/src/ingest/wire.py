"""The hot doors' own HTTP: a body read with a limit, its gzip undone, a ready answer sent. No framework in between."""

import re
import zlib
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from ingest.draft import Headers, Reply, Request
from relevo.service import Problem
from relevo.stream.telemetry import new_trace

_SAFE: Headers = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))  # as the guard's
_GZIP = b"\x1f\x8b\x08"
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Gone(Exception):
    """The sender hung up before its request was whole."""


def too_large(limit: int) -> Problem:
    return Problem(413, "Body too large", detail=f"Send at most {limit // 1024} KiB.")


async def arrive(scope: Scope, headers: dict[bytes, bytes], receive: Receive, limit: int) -> Request:
    """The whole request, gzip undone. Raises Problem 413 beyond `limit` bytes (counted as they come, and again while
    unpacking, so that a gzip bomb stops there), 415, 400; Gone."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) > limit or message["type"] != "http.request":
        body = await _rest(message, receive, limit)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if body[:3] == _GZIP:  # some SDKs send it under any label, or none
        body = gunzip(body, limit)
    elif encoding not in (b"identity", b"gzip", b"x-gzip", b""):
        raise Problem(
            415, "Content encoding unknown", detail="Send gzip or plain.", headers={"Accept-Encoding": "gzip"}
        )
    return Request(scope["method"], scope["path"], body, scope.get("query_string", b""), headers)


async def _rest(message: Any, receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip body, unpacked. Raises Problem 413 beyond `limit`, 400 where it is torn."""
    parts: list[bytes] = []
    room = limit
    while body[:3] == _GZIP:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, room + 1)
        except zlib.error:
            raise Problem(400, "Not readable", detail="The gzip body is damaged.") from None
        room -= len(part)
        if room < 0:
            raise too_large(limit)
        if not member.eof:
            raise Problem(400, "Not readable", detail="The gzip body ends too early.")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def traceparent(request: Request) -> str:
    """The trace this request belongs to, or a new one."""
    told = request.headers.get(b"traceparent")
    return told.decode() if told is not None and _TRACEPARENT.fullmatch(told) else new_trace()


def json_reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(body))


def problem_reply(problem: Problem, more: Mapping[str, str] | None = None) -> Reply:
    extra = tuple((name.lower().encode(), value.encode()) for name, value in (problem.headers or {}).items())
    body = orjson.dumps(problem.body() | dict(more or {}))
    return Reply(problem.status, body, ((b"content-type", b"application/problem+json"), *extra))


def sdk_problem_reply(problem: Problem) -> Reply:
    """With `code` and `message`, as Segment names them: SDKs of its first generation that miss these take the answer
    for a broken connection and send a wrong key ten times."""
    return problem_reply(problem, {"code": problem.title, "message": problem.detail or problem.title})


async def send_reply(send: Send, reply: Reply, more: Headers = ()) -> None:
    headers = [*reply.headers, *_SAFE, (b"content-length", b"%d" % len(reply.body)), *more]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
