"""HTTP: assignments, the answers to them, and the decisions behind them."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from handoff import listings, queries
from handoff.answer import Act, Stage
from handoff.api.answering import settled, theirs, unknown
from handoff.api.common import Answerer, Body, Limit, Manager, Reader, on_behalf, trace_of
from handoff.assignment import Assignment
from handoff.explain import explained
from handoff.settle import Answering
from relevo.events.assignments import Channel
from relevo.events.vocabulary import RejectReason
from relevo.playbook import Playbook
from relevo.service import Actor, Answer, Problem, Text, body, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1", tags=["assignments"])

Note = Annotated[Text, Field(max_length=1000)]


class Version(Body):
    """The version that is answered: the one the webhook named."""

    version: int = Field(ge=0)


class Because(Version):
    reason: Annotated[Text, Field(max_length=200)] | None = None


class Reject(Version):
    reason: RejectReason
    note: Note | None = None


class Deal(Version):
    opportunity_id: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    amount: Decimal | None = Field(default=None, ge=0, max_digits=15, decimal_places=2)
    currency: str | None = Field(
        default=None, pattern=r"^[A-Z]{3}$", description="ISO 4217; the company's if left out."
    )


class Lost(Deal):
    reason: Annotated[Text, Field(max_length=200)] | None = None


class Recycle(Because):
    until: AwareDatetime | None = Field(default=None, description="Not qualified again before, but by a hand-raise.")


@router.get("/assignments", summary="Assignments, newest first")
async def list_assignments(
    request: Request,
    actor: Reader,
    rep: str | None = None,
    team: str | None = None,
    stage: Stage | None = None,
    lead_id: UUID | None = None,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    async with of(request).transaction() as tx:
        found = await listings.assignments(tx, actor.rep or rep, team, stage, lead_id, cursor, limit)
        items = [shown(each, tx.playbook) for each in found]
    return respond({"items": items, "next": found[-1].assignment_id if len(found) == limit else None})


@router.get("/assignments/{assignment_id}", summary="One assignment, with all that is known of its lead")
async def show_assignment(request: Request, actor: Reader, assignment_id: UUID) -> Response:
    async with of(request).transaction() as tx:
        found = await queries.assignment_of(tx, assignment_id)
        if found is None or not theirs(actor.rep, found):
            raise unknown()
        return respond(shown(found, tx.playbook) | {"about": found.about})


@router.get("/decisions/{decision_id}", summary="Why that rep: every rep, every test, every shortfall")
async def show_decision(request: Request, actor: Reader, decision_id: UUID) -> Response:
    async with of(request).transaction() as tx:
        row = await queries.decision(tx, decision_id)
        found = await queries.assignment_of(tx, row["assignment_id"]) if row is not None else None
    if row is None or found is None or not theirs(actor.rep, found):
        raise Problem(404, "No such decision", detail="It does not exist, or is about another rep's lead.")
    return respond(explained(row))


@router.post("/assignments/{assignment_id}/accept", summary="It is worth selling to", openapi_extra=takes(Version))
async def accept(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    return await _answer(request, actor, assignment_id, "accept", await body(request, Version))


@router.post("/assignments/{assignment_id}/reject", summary="It is not, for a reason", openapi_extra=takes(Reject))
async def reject(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    said = await body(request, Reject)
    return await _answer(request, actor, assignment_id, "reject", said, reject=said.reason, note=said.note)


@router.post("/assignments/{assignment_id}/contacted", summary="They spoke", openapi_extra=takes(Version))
async def contacted(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    return await _answer(request, actor, assignment_id, "contacted", await body(request, Version))


@router.post("/assignments/{assignment_id}/opportunity", summary="There is a deal to win", openapi_extra=takes(Deal))
async def opportunity(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    return await _deal(request, actor, assignment_id, "opportunity", await body(request, Deal))


@router.post("/assignments/{assignment_id}/won", summary="The deal is won", openapi_extra=takes(Deal))
async def won(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    return await _deal(request, actor, assignment_id, "won", await body(request, Deal))


@router.post("/assignments/{assignment_id}/lost", summary="The deal is lost", openapi_extra=takes(Lost))
async def lost(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    said = await body(request, Lost)
    return await _deal(request, actor, assignment_id, "lost", said, reason=said.reason)


@router.post("/assignments/{assignment_id}/pause", summary="Promises stand still", openapi_extra=takes(Because))
async def pause(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    said = await body(request, Because)
    return await _answer(request, actor, assignment_id, "pause", said, reason=said.reason)


@router.post("/assignments/{assignment_id}/resume", summary="Promises run again", openapi_extra=takes(Because))
async def resume(request: Request, actor: Answerer, assignment_id: UUID) -> Response:
    said = await body(request, Because)
    return await _answer(request, actor, assignment_id, "resume", said, reason=said.reason)


@router.post("/assignments/{assignment_id}/recycle", summary="Back to nurture", openapi_extra=takes(Recycle))
async def recycle(request: Request, actor: Manager, assignment_id: UUID) -> Response:
    said = await body(request, Recycle)
    return await _answer(request, actor, assignment_id, "recycle", said, reason=said.reason, until=said.until)


async def _deal(
    request: Request, actor: Actor, assignment_id: UUID, act: Act, said: Deal, reason: str | None = None
) -> Response:
    return await _answer(
        request, actor, assignment_id, act, said,
        reason=reason, opportunity_id=said.opportunity_id, amount=said.amount, currency=said.currency,
    )  # fmt: skip


async def _answer(
    request: Request, actor: Actor, assignment_id: UUID, act: Act, said: Version, **more: Any
) -> Response:
    channel: Channel = "console" if on_behalf(actor) else "api"
    answering = Answering(act, actor.by, channel, trace=trace_of(request), **more)

    async def work(tx: Transaction) -> Answer:
        outcome = await settled(tx, assignment_id, said.version, answering, actor.rep)
        return Answer(shown(outcome.after, tx.playbook), events=outcome.events)

    return await write(request, work)


def shown(found: Assignment, playbook: Playbook) -> dict[str, Any]:
    """An assignment in a list, and as the answer to an answer."""
    rep = playbook.routing.rep(found.rep) if found.rep else None
    snapshot = found.about.snapshot
    return {
        "assignment_id": found.assignment_id, "lead_id": found.lead_id, "cycle": found.cycle,
        "version": found.version, "stage": found.stage, "paused": found.paused,
        "team": found.team, "rep": {"id": found.rep, "name": rep.name if rep else found.rep} if found.rep else None,
        "manager": found.manager, "rule": found.rule, "decision_id": found.decision_id,
        "because": found.because, "previous_rep": found.previous_rep, "priority": found.priority,
        "mql_at": found.mql_at, "assigned_at": found.assigned_at, "changed_at": found.changed_at,
        "reason": found.reason, "until": found.until,
        "opportunity_id": found.opportunity_id, "amount": found.amount, "currency": found.currency,
        "cell": found.about.score.cell, "trigger": found.about.trigger.name,
        "contact": snapshot.contact, "company": snapshot.company,
    }  # fmt: skip
