"""HTTP: who would have got what under a candidate playbook, beside the active one. Nothing is written."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fastapi import APIRouter, Request
from starlette.responses import Response

from handoff import past
from handoff.api.common import Planner
from handoff.simulations import Job, Simulation, Wanted, simulated
from relevo.playbook import PlaybookError, load
from relevo.service import Problem, body, of, respond, takes

router = APIRouter(prefix="/v1/simulations", tags=["playbook"])

_one_at_a_time = asyncio.Lock()


@router.post(
    "",
    summary="Who would have got what under a candidate playbook, how evenly and how soon; beside the active one",
    openapi_extra=takes(Wanted),
    responses={200: {"model": Simulation}},
)
async def run(request: Request, actor: Planner) -> Response:
    """Over MQLs as scoring's simulation gives them, with the reps' days as they really were."""
    if actor.rep is not None:
        raise Problem(403, "Not for a rep", detail="A simulation shows everybody's leads.")
    wanted = await body(request, Wanted)
    try:
        load(wanted.documents)
    except PlaybookError as error:
        raise Problem(422, "The playbook is not sound", detail=str(error), field="documents") from None
    if _one_at_a_time.locked():
        raise Problem(409, "A simulation is running", detail="Try again when it has ended.")
    async with _one_at_a_time:
        async with of(request).transaction() as tx:
            documents, days = await past.documents(tx), await past.days(tx, wanted.since)
        mqls = [each.mql() for each in wanted.mqls]
        current = mqls if wanted.current is None else [each.mql() for each in wanted.current]
        job = Job((documents, current), (wanted.documents, mqls), days)
        # In a process of its own: the stream and the deliverer do not feel it.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return respond(await asyncio.get_running_loop().run_in_executor(pool, simulated, job))
