"""HTTP: what was sent, what was answered at every try, and sending it again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from handoff import sent
from handoff.api.common import Limit, Reader
from relevo.service import Actor, Answer, Problem, needs, of, respond, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])

Sender = Annotated[Actor, Depends(needs("operate", "manage"))]


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
