"""HTTP: which promises run, which were broken, what a policy comes to. Thin, no decisions."""

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from relevo.events.vocabulary import ClockKind
from relevo.service import Actor, Problem, body, needs, of, respond, takes
from sla_monitor import counting, lists, queries
from sla_monitor.commitments import period_of
from sla_monitor.preview import Asked, Preview, preview
from sla_monitor.reckoning import reckon, since
from sla_monitor.shown import BreachList, ClockList, CommitmentList, clock_shown, commitment_shown
from sla_monitor.simulations import Simulated, Simulation, simulated
from sla_monitor.watched import State

clocks = APIRouter(prefix="/v1/clocks", tags=["clocks"])
breaches = APIRouter(prefix="/v1/breaches", tags=["breaches"])
simulations = APIRouter(prefix="/v1/simulations", tags=["simulations"])
commitments = APIRouter(prefix="/v1/commitments", tags=["commitments"])

Reader = Annotated[Actor, Depends(needs("read"))]
Planner = Annotated[Actor, Depends(needs("playbook", "read"))]
Cursor = Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500)]


@clocks.get("", summary="Clocks, newest last", responses={200: {"model": ClockList}})
async def list_clocks(
    request: Request,
    actor: Reader,
    lead_id: UUID | None = None,
    state: State | Literal["open"] | None = None,
    kind: ClockKind | None = None,
    cursor: Cursor = 0,
    limit: Limit = 100,
) -> Response:
    """A rep sees the clocks of own leads."""
    async with of(request).transaction() as tx:
        page = await lists.clocks(tx, lists.Wanted(lead_id, state, kind, actor.rep), cursor, limit)
        agreement = await queries.agreement(tx, (watched for _, watched in page))
        items = [clock_shown(watched, agreement, tx.now) for _, watched in page]
    return respond({"items": items, "next": page[-1][0] if len(page) == limit else None})


@clocks.post(
    "/preview",
    summary="Deadlines of a policy, with each interval that counts",
    responses={200: {"model": Preview}},
    openapi_extra=takes(Asked),
)
async def preview_clock(request: Request, actor: Reader) -> Response:
    """Nothing is kept."""
    asked = await body(request, Asked)
    async with of(request).transaction() as tx:
        agreement = await queries.agreement(tx, ())
    return respond(preview(agreement, asked))


@breaches.get("", summary="Breaches, newest last; those taken back are marked", responses={200: {"model": BreachList}})
async def list_breaches(
    request: Request,
    actor: Reader,
    lead_id: UUID | None = None,
    kind: ClockKind | None = None,
    cursor: Cursor = 0,
    limit: Limit = 100,
) -> Response:
    """A rep sees the breaches of own time."""
    async with of(request).transaction() as tx:
        page = await lists.breaches(tx, lists.Wanted(lead_id, None, kind, actor.rep), cursor, limit)
    return respond({"items": [breach for _, breach in page], "next": page[-1][0] if len(page) == limit else None})


@commitments.get(
    "", summary="What each team committed to, and how far it is", responses={200: {"model": CommitmentList}}
)
async def list_commitments(
    request: Request,
    actor: Reader,
    back: Annotated[int, Query(ge=0, le=24, description="0: the running periods; 1: those before; and so on.")] = 0,
) -> Response:
    """As it stands now, in the order of the playbook; a past period under what is agreed now."""
    async with of(request).transaction() as tx:
        zone = tx.playbook.company.zone
        wanted = [(each, period_of(each.period, zone, tx.now, back)) for each in tx.playbook.sla.commitments]
        reckoned, said = await reckon(tx, tx.playbook, wanted), await counting.said(tx)
    return respond({"items": [commitment_shown(each, since(each, said)) for each in reckoned]})


@simulations.post(
    "",
    summary="What a playbook's promises would have come to",
    responses={200: {"model": Simulated}},
    openapi_extra=takes(Simulation),
)
async def simulate_playbook(request: Request, actor: Planner) -> Response:
    """Over assignments as handoff's simulation gives them. Nothing is kept."""
    if actor.rep is not None:
        raise Problem(403, "Not a rep's to see", detail="Use a token that is not bound to a rep.")
    asked = await body(request, Simulation)
    async with of(request).transaction() as tx:
        known = await queries.trips(tx, {(each.lead_id, each.cycle) for each in asked.assignments})
    # Beside the loop, which has deadlines to keep.
    return respond(await asyncio.to_thread(simulated, asked, tx.playbook, known, tx.now))
