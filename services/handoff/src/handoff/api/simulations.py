"""HTTP: who would have got what under a candidate playbook, beside the active one. Nothing is written."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fastapi import APIRouter, Request
from starlette.responses import Response

from handoff import past
from handoff.api.common import Planner
from handoff.asked import Wanted
from handoff.simulations import Job, Simulation, simulated
from relevo.service import Problem, body, of, respond, takes
from relevo.service.candidates import active, moment, one_at_a_time, refuse_another, sound

router = APIRouter(prefix="/v1/simulations", tags=["playbook"])


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
    sound(wanted.documents)
    refuse_another()
    async with one_at_a_time:
        async with of(request).transaction() as tx:
            documents, days = await active(tx), await past.days(tx, moment(wanted.since, tx.now))
        mqls = [each.mql() for each in wanted.mqls]
        current = mqls if wanted.current is None else [each.mql() for each in wanted.current]
        job = Job((documents, current), (wanted.documents, mqls), days)
        # In a process of its own: the stream and the deliverer do not feel it.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return respond(await asyncio.get_running_loop().run_in_executor(pool, simulated, job))
