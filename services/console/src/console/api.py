"""HTTP for machines and for the pages: a lead's timeline, the funnel, the stream of changes, search, erasure."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from console import board, erasing, queries
from console.access import sees
from console.board import Funnel
from console.leads import Lead
from console.live import live
from console.queries import Cursor, Entry
from console.trips import Trip
from relevo.events import LeadErased
from relevo.service import Actor, Answer, Problem, Text, body, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1", tags=["console"])

Reader = Annotated[Actor, Depends(sees("read"))]
Eraser = Annotated[Actor, Depends(sees("erase"))]
Days = Annotated[int, Query(ge=0, le=3660, description="Trips begun in the last so many days; 0: all.")]


class Search(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: Text = Field(min_length=1, max_length=200, description="Words of a name, an e-mail address, a company.")


@router.get("/funnel", summary="How many trips reached each stage, and how fast")
async def show_funnel(request: Request, actor: Reader, days: Days = 30) -> Response:
    async with of(request).transaction() as tx:
        since = tx.now - timedelta(days=days) if days else None
        found = await board.funnel(tx, since)
    return respond({"since": since, **_funnel(found)})


@router.get("/leads/{lead_id}/timeline", summary="What happened to a lead, the newest first, with every reason")
async def show_timeline(
    request: Request,
    lead_id: UUID,
    actor: Reader,
    before: Annotated[str | None, Query(max_length=80, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    async with of(request).transaction() as tx:
        lead, trips = await find_lead(tx, lead_id, actor)
        entries = await queries.timeline(tx, lead_id, read_cursor(before), limit)
    items = [_entry(entry) for entry in entries]
    return respond({"lead": _lead(lead, trips), "items": items, "next": next_cursor(entries, limit)})


@router.get(
    "/stream",
    summary="Server-sent events: what changed, as it changes; resumes by Last-Event-ID",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    actor: Reader,
    lead: Annotated[UUID | None, Query(description="Only changes of this lead.")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**62, description="From the change after this one; else from now.")
    ] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**62)] = None,
) -> Response:
    if live.full:
        raise Problem(503, "Too many open pages", detail="Close some, or add a replica.", headers={"Retry-After": "10"})
    seen = after if last_event_id is None else last_event_id
    frames = live.frames(of(request), lead, seen)
    return StreamingResponse(frames, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/search", summary="Leads by name, e-mail address or company", openapi_extra=takes(Search))
async def search(request: Request, actor: Reader) -> Response:
    wanted = await body(request, Search)
    async with of(request).transaction() as tx:
        found = await board.search(tx, wanted.query, limit=50, rep=actor.rep)
    return respond({"items": [_card(card) for card in found]})


@router.post("/leads/{lead_id}/erase", summary="Erase the person everywhere")
async def erase(request: Request, lead_id: UUID, actor: Eraser) -> Response:
    return await write(request, lambda tx: erase_lead(tx, lead_id, actor))


async def erase_lead(tx: Transaction, lead_id: UUID, actor: Actor) -> Answer:
    """Say `lead.erased` of the lead and of those merged with it. Raises Problem 404 where it was never known."""
    if await queries.erased(tx, lead_id):
        return Answer({"lead_id": lead_id, "state": "erased"})
    await find_lead(tx, lead_id, actor)
    survivor = await erasing.survivor(tx, lead_id)
    subjects = await erasing.known_subjects(tx, survivor)
    events = [
        LeadErased(at=tx.now, by=actor.by, lead_id=one, subject_ids=subjects, received_before=tx.now)
        for one in await erasing.family(tx, survivor)
    ]
    return Answer({"lead_id": survivor, "state": "on its way", "subjects": len(subjects)}, status=202, events=events)


async def find_lead(tx: Transaction, lead_id: UUID, actor: Actor) -> tuple[Lead, list[Trip]]:
    """A lead and its trips. Raises Problem 410 (erased), 404; a rep sees only leads they have or had."""
    found = await queries.lead(tx, lead_id)
    if found is None:
        if await queries.erased(tx, lead_id):
            raise Problem(410, "Erased", detail="What was known of this person is gone.")
        raise Problem(404, "No such lead", detail="POST /v1/search finds leads by name, e-mail address or company.")
    if actor.rep is not None and all(trip.rep != actor.rep for trip in found[1]):
        raise Problem(403, "Another rep's lead", detail="A rep sees own leads.")
    return found


def read_cursor(written: str | None) -> Cursor | None:
    """The cursor that `next_cursor` wrote. Raises Problem 422."""
    if written is None:
        return None
    try:
        at, rank, seq = written.split("_")
        return datetime.fromisoformat(at), int(rank), min(int(seq), 2**62)
    except (ValueError, OverflowError):
        raise Problem(422, "Not valid", detail="Send `next` of the page before as it was.", field="before") from None


def next_cursor(entries: list[Entry], limit: int) -> str | None:
    if len(entries) < limit:
        return None
    last = entries[-1]
    return f"{last.at:%Y-%m-%dT%H:%M:%S.%f}Z_{last.rank}_{last.seq}"


def _funnel(found: Funnel) -> dict[str, Any]:
    previous: list[int | None] = [None, *(step.count for step in found.steps)]
    steps = [
        {
            "stage": step.stage,
            "count": step.count,
            "of_previous": round(step.count / before, 4) if before else None,
            "median_seconds": step.after.total_seconds() if step.after is not None else None,
        }
        for before, step in zip(previous, found.steps, strict=False)
    ]
    return {
        "steps": steps,
        "recycled": found.recycled,
        "disqualified": found.disqualified,
        "rejected": found.rejected,
    }


def _lead(lead: Lead, trips: list[Trip]) -> dict[str, Any]:
    return {
        "lead_id": lead.lead_id,
        "stage": lead.stage,
        "cycle": lead.cycle,
        "cell": lead.cell,
        "score": lead.score,
        "known": {name: told for name, (_, told) in lead.known.items()},
        "first_at": lead.first_at,
        "newest_at": lead.newest_at,
        "merged_into": lead.merged_into,
        "trips": trips,
    }


def _card(card: board.Card) -> dict[str, Any]:
    told = {name: card.told(name) for name in ("name", "email", "company")}
    return {"lead_id": card.lead_id, **told, "stage": card.stage, "cell": card.cell, "rep": card.rep}


def _entry(entry: Entry) -> dict[str, Any]:
    data = entry.event.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"id": entry.event.id, "type": entry.event.type, "at": entry.at, "data": data}
