"""HTTP: where webhooks go. The secret is shown once, when the endpoint is made."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from handoff import listings, message, queries
from handoff.api.common import Body, Limit, Manager
from handoff.sign import new_secret, secret_key
from relevo.events import DeliveryFailed, uuid7
from relevo.outbound import NoAnswer, check_stranger
from relevo.playbook import Playbook
from relevo.service import Answer, Problem, Text, body, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

REMOVED = "the endpoint was removed"


class NewEndpoint(Body):
    """For one rep's notices, one team's, or (neither named) everybody's."""

    url: Annotated[Text, Field(max_length=2000)] = Field(description="https; in local mode also http to this machine.")
    name: Annotated[Text, Field(max_length=100)] = "webhook"
    rep: str | None = None
    team: str | None = None
    types: tuple[str, ...] = Field(
        default=message.SALES, min_length=1, max_length=20, description=f"Of {', '.join(message.TYPES)}."
    )
    secret: Annotated[Text, Field(max_length=120)] | None = Field(
        default=None, description="`whsec_` and base64 of 24 to 64 bytes, to keep one in use; else one is made."
    )

    @model_validator(mode="after")
    def _one_target(self) -> "NewEndpoint":
        if self.rep is not None and self.team is not None:
            raise ValueError("name a rep or a team, not both")
        return self


@router.post("", summary="Add an endpoint", status_code=201, openapi_extra=takes(NewEndpoint))
async def add_endpoint(request: Request, actor: Manager) -> Response:
    wanted = await body(request, NewEndpoint)
    _check(wanted, local=of(request).settings.local)
    secret = wanted.secret or new_secret()

    async def work(tx: Transaction) -> Answer:
        _check_target(wanted, tx.playbook)
        row = {
            "endpoint_id": uuid7(),
            "name": wanted.name,
            "target": "rep" if wanted.rep else "team" if wanted.team else "all",
            "target_id": wanted.rep or wanted.team,
            "url": wanted.url,
            "types": list(dict.fromkeys(wanted.types)),
        }
        await listings.add_endpoint(tx, {**row, "secrets": [secret], "by": actor.by})
        return Answer({**_shown(row), "secret": secret}, status=201)

    return await write(request, work)


@router.get("", summary="Endpoints, oldest first, without their secrets")
async def list_endpoints(
    request: Request,
    actor: Manager,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    async with of(request).transaction() as tx:
        found = await listings.endpoints(tx, cursor, limit)
    more = found[-1]["endpoint_id"] if len(found) == limit else None
    return respond({"items": [_shown(row) for row in found], "next": more})


@router.delete("/{endpoint_id}", summary="Remove an endpoint; what it still had to get is given up")
async def remove_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        await queries.lock_leads(tx, await listings.held_leads(tx, endpoint_id))
        given_up = await listings.remove(tx, endpoint_id, REMOVED)
        if given_up is None:
            raise _unknown()
        failed = [
            DeliveryFailed.model_validate(
                {**row, "at": tx.now, "by": actor.by, "endpoint": str(endpoint_id), "reason": REMOVED}
            )
            for row in given_up
            if row["lead_id"] is not None
        ]
        return Answer({"removed": endpoint_id, "given_up": len(given_up)}, events=failed)

    return await write(request, work)


@router.post("/{endpoint_id}/test", summary="Send it a signed test", status_code=202)
async def test_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        webhook_id = f"msg_{uuid7().hex}"
        sent = message.body("test", tx.now, {"endpoint": endpoint_id, "asked_by": actor.by})
        delivery_id = await listings.add_test(tx, endpoint_id, webhook_id, sent)
        if delivery_id is None:
            raise _unknown()
        return Answer({"delivery_id": delivery_id, "webhook_id": webhook_id}, status=202)

    return await _then_deliver(request, await write(request, work))


@router.post("/{endpoint_id}/enable", summary="Send to it again, beginning with what it missed")
async def enable_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        if not await listings.enable(tx, endpoint_id):
            raise _unknown()
        return Answer({"enabled": endpoint_id})

    return await _then_deliver(request, await write(request, work))


async def _then_deliver(request: Request, response: Response) -> Response:
    """Nothing was said to others, so the deliverer is woken by hand."""
    of(request).database.committed()
    return response


def _check(wanted: NewEndpoint, *, local: bool) -> None:
    try:
        check_stranger(wanted.url, local=local)
    except NoAnswer as refused:
        raise Problem(422, "Not valid", detail=str(refused), field="url") from None
    if unknown := [kind for kind in wanted.types if kind not in message.TYPES]:
        detail = f"{len(unknown)} of them is no type of ours; there are {', '.join(message.TYPES)}"
        raise Problem(422, "Not valid", detail=detail, field="types")
    if wanted.secret is not None:
        try:
            secret_key(wanted.secret)
        except ValueError as error:
            raise Problem(422, "Not valid", detail=str(error), field="secret") from None


def _check_target(wanted: NewEndpoint, playbook: Playbook) -> None:
    if wanted.rep is not None and playbook.routing.rep(wanted.rep) is None:
        raise Problem(422, "Not valid", detail="routing.yaml has no such rep", field="rep")
    if wanted.team is not None and playbook.routing.team(wanted.team) is None:
        raise Problem(422, "Not valid", detail="routing.yaml has no such team", field="team")


def _unknown() -> Problem:
    return Problem(404, "No such endpoint", detail="It does not exist, or was removed.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["endpoint_id"], "name": row["name"], "url": row["url"], "types": row["types"],
        "rep": row["target_id"] if row["target"] == "rep" else None,
        "team": row["target_id"] if row["target"] == "team" else None,
        "enabled": row.get("disabled_at") is None,
        "disabled_at": row.get("disabled_at"), "disabled_because": row.get("disabled_because"),
        "pending": row.get("pending", 0),
    }  # fmt: skip
