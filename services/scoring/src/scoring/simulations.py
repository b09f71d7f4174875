"""`POST /v1/simulations`: a candidate playbook beside the active one, over what was recorded. Writes nothing."""

from asyncio import Lock
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import text
from starlette.responses import Response, StreamingResponse

from relevo.playbook import PlaybookError, load
from relevo.service import Actor, Problem, Text, body, needs, of, respond, takes
from relevo.service.web import to_json
from scoring.simulate import Job, Progress, simulate
from scoring.simulation import Simulation

router = APIRouter(prefix="/v1/simulations", tags=["playbook"])

LINES = "application/x-ndjson"
_DOCUMENTS = text("select documents from playbook where revision = :revision")
_one_at_a_time = Lock()


class Wanted(BaseModel):
    documents: dict[str, Text] = Field(description="The candidate's six files: name → text.")
    since: AwareDatetime = Field(description="MQLs from then on are compared; what was before counts into scores.")


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
    try:
        load(wanted.documents)
    except PlaybookError as error:
        raise Problem(422, "The playbook is not sound", detail=str(error)) from None
    if _one_at_a_time.locked():
        raise Problem(409, "A simulation is running", detail="Try again when it has ended.")
    service = of(request)
    async with service.transaction() as tx:
        documents = (await tx.execute(_DOCUMENTS, {"revision": tx.stamp.revision})).scalar_one()
        until = tx.now
    job = Job(service.settings.database or "", documents, wanted.documents, wanted.since, until)
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_lines(job), media_type=LINES)
    async with _one_at_a_time, aclosing(simulate(job)) as steps:
        async for step in steps:
            if isinstance(step, Simulation):
                return respond(step)
    raise AssertionError("a simulation ends with its result")


async def _lines(job: Job) -> AsyncIterator[bytes]:
    async with _one_at_a_time, aclosing(simulate(job)) as steps:
        async for step in steps:
            line = orjson.dumps(step._asdict()) if isinstance(step, Progress) else to_json(step)
            yield line + b"\n"
