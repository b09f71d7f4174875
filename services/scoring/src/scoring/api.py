"""HTTP: what a lead's score is and why. Thin, no decisions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from relevo.service import Actor, Problem, needs, of, respond
from scoring import queries
from scoring.explain import LeadList, LeadShown, explain
from scoring.score import rebuild
from scoring.tell import SHOWN, Now

leads = APIRouter(prefix="/v1/leads", tags=["leads"])

Reader = Annotated[Actor, Depends(needs("read"))]


@leads.get("", summary="Leads, newest last", responses={200: {"model": LeadList}})
async def list_leads(
    request: Request,
    actor: Reader,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    async with of(request).transaction() as tx:
        page = await queries.page(tx, cursor, limit, owned_by=actor.rep)
    return respond({"items": page, "next": page[-1]["lead_id"] if len(page) == limit else None})


@leads.get(
    "/{lead_id}",
    summary="A lead's score, every reason, and what is missing for an MQL",
    responses={200: {"model": LeadShown}},
)
async def show_lead(request: Request, actor: Reader, lead_id: UUID) -> Response:
    async with of(request).transaction() as tx:
        lead = await queries.show(tx, lead_id)
        if lead is None or (actor.rep is not None and actor.rep not in {owner.rep for owner in lead.owners}):
            raise Problem(404, "No such lead", detail="It does not exist, was erased, or is another rep's.")
        now = Now(tx.now, tx.stamp, tx.playbook)
        if lead.version != now.playbook.version:  # the background has not come to it yet
            history = await queries.history(tx, [lead.lead_id])
            lead = rebuild(lead, history[lead.lead_id], now.playbook, [])
        recent = await queries.recent(tx, [lead.lead_id], SHOWN)
    return respond(explain(lead, recent[lead.lead_id], now))
