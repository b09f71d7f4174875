"""What SREs ask every service: alive? ready? metrics, its OpenAPI document, its dead letters."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from relevo.events.cloudevents import Unreadable
from relevo.service.problems import Problem
from relevo.service.tokens import Actor, needs
from relevo.service.web import of, respond
from relevo.stream import dead
from relevo.stream.transaction import is_infrastructure

health = APIRouter(tags=["operate"])
letters = APIRouter(prefix="/v1/dead", tags=["operate"])

NOT_NOW: dict[int | str, dict[str, Any]] = {503: {"description": "It cannot; the body says why"}}
Operator = Annotated[Actor, Depends(needs("operate"))]


@health.get("/livez", summary="Whether this process works; asks nobody else", responses=NOT_NOW)
async def livez(request: Request) -> Response:
    stuck = of(request).stuck()
    return respond({"alive": not stuck, "stuck": stuck}, 503 if stuck else 200)


@health.get("/readyz", summary="Whether it can do its job now, and what it waits for", responses=NOT_NOW)
async def readyz(request: Request) -> Response:
    missing = await of(request).missing()
    return respond({"ready": not missing, "waiting_for": missing}, 503 if missing else 200)


@health.get("/metrics", summary="Prometheus metrics; keep it inside your network", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    await of(request).measure()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@health.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    app: FastAPI = request.app
    return respond(app.openapi())


@letters.get("", summary="Dead letters, oldest first")
async def list_dead(
    request: Request,
    actor: Operator,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    found = await dead.listed(of(request).database, after, limit)
    return respond({"items": found, "next": found[-1].id if len(found) == limit else None})


@letters.get("/{letter_id}", summary="One dead letter with its bytes")
async def show_dead(request: Request, actor: Operator, letter_id: int) -> Response:
    try:
        return respond(printable(await dead.show(of(request).database, letter_id)))
    except dead.NotFound as error:
        raise Problem(404, str(error)) from None


@letters.post("/{letter_id}/replay", summary="Handle it again, in this service only")
async def replay_dead(request: Request, actor: Operator, letter_id: int) -> Response:
    service = of(request)
    try:
        await dead.replay(service.database, service.handled, letter_id)
    except dead.NotFound as error:
        raise Problem(404, str(error)) from None
    except Unreadable as error:
        raise Problem(409, "Still unreadable", detail=str(error)) from None
    except Exception as error:
        if is_infrastructure(error):
            raise
        raise Problem(409, "Its handler failed again", detail=f"{type(error).__name__}; the letter is kept") from error
    return respond({"replayed": letter_id})


@letters.post("/{letter_id}/drop", summary="Delete it for good")
async def drop_dead(request: Request, actor: Operator, letter_id: int) -> Response:
    try:
        await dead.drop(of(request).database, letter_id)
    except dead.NotFound as error:
        raise Problem(404, str(error)) from None
    return respond({"dropped": letter_id})


def printable(letter: dict[str, Any]) -> dict[str, Any]:
    """A letter for people: headers as text, key and value as text where they are, else base64."""
    names, values = letter.pop("header_names"), letter.pop("header_values")
    letter["headers"] = {name: _text(value) for name, value in zip(names, values, strict=True)}
    return letter | {"key": _text(letter["key"]), "value": _text(letter["value"])}


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()
