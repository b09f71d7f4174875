"""HTTP: what a lead's score is and why, what it did; merges by hand. Thin, no decisions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from relevo.service import Actor, Answer, Problem, body, needs, of, respond, takes, write
from relevo.stream import Transaction
from scoring import kept, merges, queries
from scoring.explain import LeadList, LeadShown, explain
from scoring.handlers import with_colleagues
from scoring.history import History, happened
from scoring.lead import Lead
from scoring.score import rebuild
from scoring.tell import SHOWN, Now

leads = APIRouter(prefix="/v1/leads", tags=["leads"])

Reader = Annotated[Actor, Depends(needs("read"))]
Manager = Annotated[Actor, Depends(needs("manage"))]


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
    summary="A lead's score, every reason, and what is missing for an MQL; also by the id of one that went into it",
    responses={200: {"model": LeadShown}},
)
async def show_lead(request: Request, actor: Reader, lead_id: UUID) -> Response:
    async with of(request).transaction() as tx:
        lead = await _visible(tx, actor, lead_id)
        now = Now(tx.now, tx.stamp, tx.playbook)
        if lead.version != now.playbook.version:  # the background has not come to it yet
            history = await queries.history(tx, [lead.lead_id])
            lead = rebuild(lead, history[lead.lead_id], now.playbook, [])
        lead = await with_colleagues(tx, lead)
        recent = await queries.recent(tx, [lead.lead_id], SHOWN)
        learnt = await kept.learnt(tx, lead.lead_id)
    return respond(explain(lead, recent[lead.lead_id], now, learnt))


@leads.get(
    "/{lead_id}/history",
    summary="What the lead did, newest first: what each touchpoint feeds and is worth now; its merges",
    responses={200: {"model": History}},
)
async def show_history(
    request: Request,
    actor: Reader,
    lead_id: UUID,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    async with of(request).transaction() as tx:
        lead = await _visible(tx, actor, lead_id)
        touchpoints = await queries.before(tx, lead.lead_id, cursor, limit)
        items = happened(lead, touchpoints, Now(tx.now, tx.stamp, tx.playbook))
        merged = await merges.of_lead(tx, lead.lead_id)
    following = touchpoints[-1].touchpoint_id if len(touchpoints) == limit else None
    return respond(History(lead_id=lead.lead_id, items=items, merges=tuple(merged), next=following))


async def _visible(tx: Transaction, actor: Actor, lead_id: UUID) -> Lead:
    lead = await queries.show(tx, lead_id)
    if lead is None or (actor.rep is not None and actor.rep not in {owner.rep for owner in lead.owners}):
        raise Problem(404, "No such lead", detail="It does not exist, was erased, or is another rep's.")
    return lead


class MergeWith(BaseModel):
    lead_id: UUID = Field(description="The other lead. The older of the two survives, whichever is named where.")


class Undo(BaseModel):
    merge_id: UUID | None = Field(default=None, description="Which merge; the lead's newest one where not given.")


@leads.post(
    "/{lead_id}/merge",
    summary="They are one person: the younger lead goes into the older one",
    openapi_extra=takes(MergeWith),
    responses={200: {"model": merges.Merge}},
)
async def merge_leads(request: Request, actor: Manager, lead_id: UUID) -> Response:
    other = await body(request, MergeWith)

    async def work(tx: Transaction) -> Answer:
        return Answer(await merges.merge(tx, lead_id, other.lead_id, actor.by))

    return await write(request, work)


@leads.post(
    "/{lead_id}/unmerge",
    summary="They are two people after all: undo a merge",
    openapi_extra=takes(Undo),
    responses={200: {"model": merges.Merge}},
)
async def unmerge_leads(request: Request, actor: Manager, lead_id: UUID) -> Response:
    undo = await body(request, Undo) if await request.body() else Undo()

    async def work(tx: Transaction) -> Answer:
        return Answer(await merges.unmerge(tx, lead_id, undo.merge_id, actor.by))

    return await write(request, work)
