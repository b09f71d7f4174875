"""HTTP: what was sent, what was answered at every try, and sending it again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from handoff import sent
from handoff.api.common import Body, Limit, Reader
from relevo.service import Actor, Answer, Problem, body, needs, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])

Sender = Annotated[Actor, Depends(needs("operate", "manage"))]


class Range(Body):
    """Deliveries of one endpoint that were written in [from, until); those given up, unless it says `all`."""

    endpoint_id: UUID
    start: AwareDatetime = Field(alias="from")
    until: AwareDatetime
    state: Literal["failed", "all"] = "failed"

    @model_validator(mode="after")
    def _sound(self) -> "Range":
        if self.until <= self.start:
            raise ValueError("until must be later than from")
        return self


@router.get("", summary="Deliveries, newest first")
async def list_deliveries(
    request: Request,
    actor: Reader,
    endpoint_id: UUID | None = None,
    assignment_id: UUID | None = None,
    state: Literal["pending", "made", "failed"] | None = None,
    cursor: Annotated[int | None, Query(description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    async with of(request).transaction() as tx:
        found = await sent.listed(tx, endpoint_id, state, assignment_id, cursor, actor.rep, limit)
    more = found[-1]["seq"] if len(found) == limit else None
    items = [{name: value for name, value in row.items() if name != "seq"} for row in found]
    return respond({"items": items, "next": more})


@router.get("/{delivery_id}", summary="One delivery with its body and every try: what was sent, what was answered")
async def show_delivery(request: Request, actor: Reader, delivery_id: UUID) -> Response:
    async with of(request).transaction() as tx:
        found = await sent.one(tx, delivery_id, actor.rep)
    if found is None:
        raise Problem(404, "No such delivery", detail="It does not exist, or is about another rep's lead.")
    return respond(found)


@router.post("/redeliver", summary="Send a range again, in order", status_code=202, openapi_extra=takes(Range))
async def redeliver_range(request: Request, actor: Sender) -> Response:
    wanted = await body(request, Range)

    async def work(tx: Transaction) -> Answer:
        count = await sent.redeliver_range(tx, wanted.endpoint_id, wanted.start, wanted.until, wanted.state)
        return Answer({"redelivered": count}, status=202)

    response = await write(request, work)
    of(request).database.committed()  # nothing was said to others: the deliverer is woken by hand
    return response


@router.post("/{delivery_id}/redeliver", summary="Send it again: same webhook-id, same body", status_code=202)
async def redeliver(request: Request, actor: Sender, delivery_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        again = await sent.redeliver(tx, delivery_id)
        if again is None:
            raise Problem(404, "No such delivery", detail="It does not exist, or its endpoint was removed.")
        return Answer(again, status=202)

    response = await write(request, work)
    of(request).database.committed()  # nothing was said to others: the deliverer is woken by hand
    return response
