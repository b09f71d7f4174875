"""How far a new playbook has come, and its pause: `GET|POST /v1/rescoring`. The stream knows nothing of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from relevo.events import PlaybookStamp
from relevo.service import Actor, Answer, body, needs, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/rescoring", tags=["operate"])


class Rescoring(BaseModel):
    playbook: PlaybookStamp
    leads: int
    left: int = Field(description="Still summed under an older playbook. A touchpoint of one brings it up to date.")
    paused_at: datetime | None = None
    paused_by: str | None = None


class Pause(BaseModel):
    paused: bool = Field(strict=True)


# Two ranges of the index, since "other than" would read every row.
_LEFT = (
    "select (select count(*) from lead where playbook_version < $1)"
    " + (select count(*) from lead where playbook_version > $1)"
)
_PAUSED = "select paused_at, paused_by from rescoring"
_PAUSE = "insert into rescoring (paused_at, paused_by) values ($1, $2) on conflict do nothing"


async def left(tx: Transaction) -> int:
    count: int = (await tx.driver_sql(_LEFT, tx.stamp.version)).scalar_one()
    return count


async def is_paused(tx: Transaction) -> bool:
    return (await tx.driver_sql(_PAUSED)).first() is not None


async def progress(tx: Transaction) -> Rescoring:
    paused = (await tx.driver_sql(_PAUSED)).first()
    leads = (await tx.driver_sql("select count(*) from lead")).scalar_one()
    found = Rescoring(playbook=tx.stamp, leads=leads, left=await left(tx))
    return found if paused is None else found.model_copy(update=paused._asdict())


@router.get("", summary="How far the newest playbook has come", responses={200: {"model": Rescoring}})
async def show(request: Request, actor: Annotated[Actor, Depends(needs("read"))]) -> Response:
    async with of(request).transaction() as tx:
        return respond(await progress(tx))


@router.post(
    "",
    summary="Pause the background, or let it go on; touchpoints are scored as ever",
    openapi_extra=takes(Pause),
    responses={200: {"model": Rescoring}},
)
async def pause(request: Request, actor: Annotated[Actor, Depends(needs("operate"))]) -> Response:
    wanted = await body(request, Pause)

    async def work(tx: Transaction) -> Answer:
        if wanted.paused:
            await tx.driver_sql(_PAUSE, tx.now, actor.by)
        else:
            await tx.driver_sql("delete from rescoring")
        return Answer(await progress(tx))

    return await write(request, work)
