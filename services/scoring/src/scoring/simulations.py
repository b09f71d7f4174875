"""`POST /v1/simulations`: a candidate playbook beside the active one, over what was recorded; `GET /v1/feedback`: what
sales' answers say of the active one, and a change to try. Neither writes anything."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from relevo.service import Actor, Problem, Text, body, needs, of, respond, takes
from relevo.service.candidates import Since, active, moment, one_at_a_time, refuse_another, sound
from relevo.service.web import to_json
from scoring import feedback, kept
from scoring.simulate import Job, Progress, simulate
from scoring.simulation import Simulation

router = APIRouter(prefix="/v1/simulations", tags=["playbook"])

LINES = "application/x-ndjson"


class Wanted(BaseModel):
    documents: dict[str, Text] = Field(description="The candidate's six files: name → text.")
    since: Since = Field(
        description="MQLs from then on are compared; what was before counts into scores. A moment, or how long ago by"
        " this system's clock: 90d."
    )


@router.post(
    "",
    summary="What a candidate playbook would have made of the recorded touchpoints, beside the active one",
    description=f'With `Accept: {LINES}` the answer comes in lines: `{{"done": …, "of": …}}` again and again, then '
    "the result.",
    openapi_extra=takes(Wanted),
    responses={200: {"model": Simulation}},
)
async def run(request: Request, actor: Annotated[Actor, Depends(needs("playbook", "read"))]) -> Response:
    wanted = await body(request, Wanted)
    if actor.rep is not None:
        raise Problem(403, "Not for a rep", detail="A simulation shows everybody's leads.")
    sound(wanted.documents)
    refuse_another()
    service = of(request)
    async with service.transaction() as tx:
        documents = await active(tx)
        until = tx.now
    job = Job(service.settings.database or "", documents, wanted.documents, moment(wanted.since, until), until)
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_lines(job), media_type=LINES)
    return respond(await _result(job))


async def _result(job: Job) -> Simulation:
    async with one_at_a_time, aclosing(simulate(job)) as steps:
        async for step in steps:
            if isinstance(step, Simulation):
                return step
    raise AssertionError("a simulation ends with its result")


feedback_router = APIRouter(prefix="/v1/feedback", tags=["playbook"])


class Effect(BaseModel):
    """What the proposal would have done in the last 90 days."""

    mqls: tuple[int, int] = Field(description="Active playbook, proposal.")
    precision: tuple[float | None, float | None]
    recall: tuple[float | None, float | None]
    gained: int
    lost: int


class Feedback(BaseModel):
    answered: int
    rejected: int
    lines: tuple[feedback.Line, ...] = Field(description="Worst first.")
    proposal: feedback.Proposal | None = Field(description="None where nothing is surely worse than usual.")
    effect: Effect | None


@feedback_router.get(
    "",
    summary="Why sales rejects, by signal and criterion; a change to try, with its simulated effect",
    responses={200: {"model": Feedback}},
)
async def show_feedback(request: Request, actor: Annotated[Actor, Depends(needs("playbook", "read"))]) -> Response:
    if actor.rep is not None:
        raise Problem(403, "Not for a rep", detail="Feedback speaks of everybody's leads.")
    service = of(request)
    async with service.transaction() as tx:
        documents = await active(tx)
        answers, until, playbook = await kept.answered(tx), tx.now, tx.playbook
    found = feedback.lines(answers)
    proposal = feedback.propose(found, answers, playbook, documents)
    effect = None
    if proposal is not None and not one_at_a_time.locked():
        job = Job(service.settings.database or "", documents, proposal.documents, until - timedelta(days=90), until)
        effect = _effect(await _result(job))
    said = [each.accepted for each in answers if each.accepted is not None]
    shown = Feedback(
        answered=len(said), rejected=said.count(False), lines=tuple(found), proposal=proposal, effect=effect
    )
    return respond(shown)


def _effect(found: Simulation) -> Effect:
    now, then = found.current, found.candidate
    return Effect(
        mqls=(now.mqls, then.mqls),
        precision=(now.precision, then.precision),
        recall=(now.recall, then.recall),
        gained=found.gained.leads,
        lost=found.lost.leads,
    )


async def _lines(job: Job) -> AsyncIterator[bytes]:
    async with one_at_a_time, aclosing(simulate(job)) as steps:
        async for step in steps:
            line = orjson.dumps(step._asdict()) if isinstance(step, Progress) else to_json(step)
            yield line + b"\n"
