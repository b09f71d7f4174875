"""HTTP: the reps and their day. Who is a rep is the playbook's to say; what the day brings is said here."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from handoff import counters, listings
from handoff.api.common import Body, Reader, on_behalf, trace_of
from handoff.eligible import NEW, RepState, day
from relevo.events import RepAvailability
from relevo.playbook import Rep, Team
from relevo.service import Actor, Answer, Problem, body, needs, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/reps", tags=["reps"])

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
    if actor.rep != rep_id and (actor.rep is not None or "manage" not in actor.scopes):
        raise Problem(403, "Not your day", detail="A rep's token changes that rep's day; `manage` changes anybody's.")

    async def work(tx: Transaction) -> Answer:
        if tx.playbook.routing.rep(rep_id) is None:
            raise Problem(404, "No such rep", detail="Reps are those of routing.yaml in the active playbook.")
        await counters.lock_rep(tx, rep_id)
        start = said.start or tx.now
        source = "console" if on_behalf(actor) else said.source
        if said.state == "available":
            await listings.end_away(tx, rep_id, start)
        elif said.until is not None and said.until <= start:
            raise Problem(422, "Not valid", detail="until has passed already", field="until")
        else:
            await listings.go_away(tx, rep_id, start, said.until, source, actor.by)
        told = RepAvailability(
            trace=trace_of(request), at=tx.now, by=actor.by,
            rep=rep_id, state=said.state, from_=start, until=said.until, source=source,
        )  # fmt: skip
        return Answer({"rep": rep_id, "state": said.state, "from": start, "until": said.until}, events=[told])

    return await write(request, work)


def _shown(tx: Transaction, team: Team, rep: Rep, state: RepState, absences: list[dict[str, Any]]) -> dict[str, Any]:
    cannot = dict(day(tx.playbook, team, rep, state, tx.now))
    return {
        "id": rep.id, "name": rep.name, "team": team.id,
        "takes_leads_now": not cannot, "because": cannot, "absences": absences,
        "open_leads": state.open_leads, "capacity": rep.capacity, "weight": rep.weight,
        "assigned": state.assigned, "target": round(state.target, 6),
        "shortfall": round(state.target - state.assigned, 6), "last_assigned_at": state.last_at,
    }  # fmt: skip
