"""Errors as problem+json (RFC 9457): what is wrong, in which field, what to do; never the value that was sent."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from relevo.stream.kafka import KafkaAway
from relevo.stream.transaction import NoPlaybook, is_infrastructure, is_unkeepable, kind_of

log = logging.getLogger(__name__)


class Problem(Exception):
    """Raise it to refuse a request; nothing of its transaction remains."""

    def __init__(
        self,
        status: int,
        title: str,
        *,
        detail: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.field = status, title, detail, field
        self.headers, self.more = headers, more

    def body(self) -> dict[str, Any]:
        members = {"title": self.title, "status": self.status, "detail": self.detail, "field": self.field}
        return {name: value for name, value in members.items() if value is not None} | dict(self.more or {})


def respond(problem: Problem) -> Response:
    return Response(
        orjson.dumps(problem.body()),
        problem.status,
        headers=dict(problem.headers or {}),
        media_type="application/problem+json",
    )


def of_validation(errors: Sequence[Any], status: int = 422) -> Problem:
    """A Problem out of pydantic's errors: field and message of each, at most ten, without the input."""
    listed = [
        {"field": ".".join(str(part) for part in error["loc"] if part != "body"), "message": error["msg"]}
        for error in errors[:10]
    ]
    first = listed[0] if listed else {"field": "", "message": "not valid"}
    return Problem(status, "Not valid", detail=first["message"], field=first["field"] or None, more={"errors": listed})


def unavailable(detail: str) -> Problem:
    return Problem(503, "Not available now", detail=detail, headers={"Retry-After": "2"})


def of_anything(error: Exception) -> Problem:
    """What an error that nobody expected looks like from outside: 503 where waiting helps, 422 where the database
    cannot hold what was sent (each address and parameter would have to know the limits of its column), else 500."""
    if isinstance(error, NoPlaybook):
        return unavailable(str(error))
    if isinstance(error, KafkaAway) or is_infrastructure(error):
        log.warning("request not served", extra={"because": type(error).__name__})
        return unavailable("The database or the broker does not answer; the same request may succeed soon.")
    if is_unkeepable(error):
        log.warning("request refused", extra={"because": kind_of(error)})
        return Problem(422, "Not valid", detail="A value is larger than can be kept, or holds what no text may hold.")
    log.error("request failed", exc_info=error)
    return Problem(500, "Our mistake", detail="It is logged. Nothing of the request was kept.")


def _allowed(request: Request) -> str:
    """Every method of this address; Starlette names those of the first route alone."""
    here = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in here for method in getattr(route, "methods", None) or ()}))


def install(app: FastAPI) -> None:
    """FastAPI's own handlers echo the input, and can fail on it: all are replaced."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return respond(error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(of_validation(error.errors()))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return respond(Problem(error.status_code, str(error.detail), headers=headers))

    async def on_anything(request: Request, error: Exception) -> Response:
        return respond(of_anything(error))

    app.add_exception_handler(Exception, on_anything)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
