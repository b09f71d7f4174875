"""HTTP: the reps and their day. Who is a rep is the playbook's to say; what the day brings is said here."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from handoff import counters, listings, queries
from handoff.absences import NoCalendar, absences, changes
from handoff.api.common import Body, Manager, Reader, on_behalf, trace_of
from handoff.eligible import NEW, RepState, day
from handoff.place import Placing, place
from relevo.events import RepAvailability
from relevo.playbook import Manager as ManagerOf
from relevo.playbook import Rep, Team
from relevo.service import Actor, Answer, Problem, body, needs, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/reps", tags=["reps"])

AT_ONCE = 200  # leads of one hand-over's transaction: the teams' locks are held that long

OfTheDay = Annotated[Actor, Depends(needs("manage", "answer"))]


class Availability(Body):
    """`away` from a moment (now, if left out) until another (open, if left out). `available` from a moment on: an
    absence that runs then ends, later ones are dropped."""

    state: Literal["away", "available"]
    start: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = None
    source: Literal["api", "cli", "calendar"] = "api"

    @model_validator(mode="after")
    def _sound(self) -> "Availability":
        if self.start and self.until and self.until <= self.start:
            raise ValueError("until must be later than from")
        if self.state == "available" and self.until:
            raise ValueError("available has no until; say away from then on")
        return self


@router.get("", summary="Every rep: load, day, and the counters that fairness rests on")
async def list_reps(request: Request, actor: Reader) -> Response:
    async with of(request).transaction() as tx:
        teams = tx.playbook.routing.teams
        states = await counters.team_states(tx, teams)
        absences = await listings.away(tx)
        items = [
            _shown(tx, team, rep, states[team.id].get(rep.id, NEW), absences.get(rep.id, []))
            for team in teams
            for rep in team.reps
            if actor.rep in (None, rep.id)
        ]
    return respond({"items": items, "next": None})


@router.post("/{rep_id}/availability", summary="Away, or back", openapi_extra=takes(Availability))
async def set_availability(request: Request, actor: OfTheDay, rep_id: str) -> Response:
    said = await body(request, Availability)
    _check_whose_day(actor, rep_id)

    async def work(tx: Transaction) -> Answer:
        _check_rep(tx, rep_id)
        await counters.lock_rep(tx, rep_id)
        start = said.start or tx.now
        source: Literal["api", "cli", "console", "calendar"] = "console" if on_behalf(actor) else said.source
        if said.state == "available":
            await listings.end_away(tx, rep_id, start)
        elif said.until is not None and said.until <= start:
            raise Problem(422, "Not valid", detail="until has passed already", field="until")
        else:
            await listings.go_away(tx, rep_id, start, said.until, source, actor.by)
        told = _told(request, tx, actor, rep_id, said.state, start, said.until, source)
        return Answer({"rep": rep_id, "state": said.state, "from": start, "until": said.until}, events=[told])

    return await write(request, work)


class Spare(Body):
    """Open leads at most, until then, whatever the playbook says."""

    capacity: int = Field(ge=0, le=10_000)
    until: AwareDatetime
    source: Literal["api", "cli"] = "api"


@router.post("/{rep_id}/capacity", summary="Another capacity for a while", openapi_extra=takes(Spare))
async def set_capacity(request: Request, actor: Manager, rep_id: str) -> Response:
    said = await body(request, Spare)

    async def work(tx: Transaction) -> Answer:
        _check_rep(tx, rep_id)
        if said.until <= tx.now:
            raise Problem(422, "Not valid", detail="until has passed already", field="until")
        await counters.lock_rep(tx, rep_id)
        await listings.spare(tx, rep_id, said.capacity, said.until, actor.by)
        told = _told(request, tx, actor, rep_id, "available", tx.now, said.until, said.source, said.capacity)
        return Answer({"rep": rep_id, "capacity": said.capacity, "until": said.until}, events=[told])

    return await write(request, work)


@router.post(
    "/{rep_id}/calendar",
    summary="Absences out of an iCalendar file: whole days, and what is marked out of office",
    openapi_extra={"requestBody": {"required": True, "content": {"text/calendar": {"schema": {"type": "string"}}}}},
)
async def set_calendar(request: Request, actor: OfTheDay, rep_id: str) -> Response:
    _check_whose_day(actor, rep_id)
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem(422, "Not valid", detail="an iCalendar file is UTF-8") from None

    async def work(tx: Transaction) -> Answer:
        routing = tx.playbook.routing
        rep, team = _check_rep(tx, rep_id), routing.team_of(rep_id)
        assert team is not None
        zone = tx.playbook.sla.calendar(routing.calendar_of(team, rep)).zone
        try:
            found, recurring = absences(text, zone, tx.now)
        except NoCalendar as why:
            raise Problem(422, "Not valid", detail=str(why)) from None
        await counters.lock_rep(tx, rep_id)
        new, gone = changes(await listings.from_calendar(tx, rep_id), found)
        await listings.keep_calendar(tx, rep_id, found, actor.by)
        told = [
            *(
                _told(request, tx, actor, rep_id, "available", max(each.start, tx.now), None, "calendar")
                for each in gone
            ),
            *(_told(request, tx, actor, rep_id, "away", each.start, each.until, "calendar") for each in new),
        ]
        said = [{"from": each.start, "until": each.until} for each in found]
        return Answer({"rep": rep_id, "absences": said, "recurring_not_read": recurring}, events=told)

    return await write(request, work)


@router.post("/{rep_id}/hand-over", summary="All open leads of a rep go to others, by the rules")
async def hand_over(request: Request, actor: Manager, rep_id: str) -> Response:
    """Also of a rep who is gone from the playbook. A few at a time: call it until `left` is false."""

    async def work(tx: Transaction) -> Answer:
        asked = await listings.open_of(tx, rep_id, AT_ONCE + 1)
        locked = await queries.lock_cycles(tx, asked[:AT_ONCE])
        theirs = [each for each in locked.values() if each.is_open and each.rep == rep_id]
        trace = trace_of(request)
        done = await place(tx, [Placing(each, "hand_over", by=actor.by, trace=trace) for each in theirs])
        waiting = sum(each.stage == "waiting" for each, _ in done)
        said = {"rep": rep_id, "handed_over": len(done) - waiting, "waiting": waiting, "left": len(asked) > AT_ONCE}
        return Answer(said, events=[event for _, event in done])

    return await write(request, work)


def _check_rep(tx: Transaction, rep_id: str) -> Rep | ManagerOf:
    rep = tx.playbook.routing.rep(rep_id)
    if rep is None:
        raise Problem(404, "No such rep", detail="Reps are those of routing.yaml in the active playbook.")
    return rep


def _check_whose_day(actor: Actor, rep_id: str) -> None:
    if actor.rep != rep_id and (actor.rep is not None or "manage" not in actor.scopes):
        raise Problem(403, "Not your day", detail="A rep's token changes that rep's day; `manage` changes anybody's.")


def _told(
    request: Request,
    tx: Transaction,
    actor: Actor,
    rep: str,
    state: Literal["available", "away"],
    start: datetime,
    until: datetime | None,
    source: Literal["api", "cli", "console", "calendar"],
    capacity: int | None = None,
) -> RepAvailability:
    return RepAvailability(
        trace=trace_of(request), at=tx.now, by=actor.by,
        rep=rep, state=state, from_=start, until=until, source=source, capacity=capacity,
    )  # fmt: skip


def _shown(tx: Transaction, team: Team, rep: Rep, state: RepState, absences: list[dict[str, Any]]) -> dict[str, Any]:
    cannot = dict(day(tx.playbook, team, rep, state, tx.now))
    return {
        "id": rep.id, "name": rep.name, "team": team.id,
        "takes_leads_now": not cannot, "because": cannot, "absences": absences,
        "open_leads": state.open_leads, "weight": rep.weight,
        "capacity": rep.capacity if state.capacity is None else state.capacity,
        "assigned": state.assigned, "target": round(state.target, 6),
        "shortfall": round(state.target - state.assigned, 6), "last_assigned_at": state.last_at,
    }  # fmt: skip
