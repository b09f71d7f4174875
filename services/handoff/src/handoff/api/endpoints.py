"""HTTP: where notices go. A secret that we made is shown once, when it is made."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from handoff import endpoints, message, queries, sent
from handoff.api.common import Body, Limit, Manager, settings_of, vault_of
from handoff.channels import slack
from handoff.deliveries import Kind
from handoff.sign import new_secret, secret_key
from handoff.words import Language
from relevo.events import DeliveryFailed, uuid7
from relevo.outbound import NoAnswer, check_stranger
from relevo.playbook import Playbook
from relevo.service import Answer, Problem, Text, body, of, respond, takes, write
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

REMOVED = "the endpoint was removed"
OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=30)
NEEDS_SECRET = {"slack": "the bot's token, or the URL of an incoming webhook", "hubspot": "the private app's token"}


class NewEndpoint(Body):
    """For one rep's notices, one team's, or (neither named) everybody's."""

    kind: Kind = "webhook"
    url: Annotated[Text, Field(max_length=2000)] | None = Field(
        default=None, description="Of a webhook: https; in local mode also http to this machine."
    )
    name: Annotated[Text, Field(max_length=100)] | None = None
    rep: str | None = None
    team: str | None = None
    types: tuple[str, ...] = Field(
        default=message.SALES, min_length=1, max_length=20, description=f"Of {', '.join(message.TYPES)}."
    )
    secret: Annotated[Text, Field(max_length=2000)] | None = Field(
        default=None,
        description="Of a webhook: `whsec_` and base64 of 24 to 64 bytes, to keep one in use; else one is made."
        " Of Slack: the bot's token with `channel`, or the URL of an incoming webhook. Of HubSpot: the app's token.",
    )
    language: Language = Field(default="en", description="Of what people read.")
    channel: Annotated[Text, Field(max_length=100)] | None = Field(default=None, description="Slack's, by its id.")
    user: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="The rep's Slack member id: only that member's clicks are that rep's answers."
    )
    to: Annotated[Text, Field(max_length=254, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$")] | None = Field(
        default=None, description="Of an e-mail: to whom; the rep of each notice if left out."
    )

    @model_validator(mode="after")
    def _one_target(self) -> "NewEndpoint":
        if self.rep is not None and self.team is not None:
            raise ValueError("name a rep or a team, not both")
        return self


class Rotation(Body):
    secret: Annotated[Text, Field(max_length=2000)] | None = Field(
        default=None, description="The next one; of a webhook one is made if left out."
    )
    overlap_hours: float = Field(
        default=OVERLAP.total_seconds() / 3600,
        ge=0,
        le=LONGEST_OVERLAP.total_seconds() / 3600,
        description="How long webhooks carry a signature of the secret before, too.",
    )


class Range(Body):
    """What was written in [from, until); what was given up of it, unless it says `all`."""

    start: AwareDatetime = Field(alias="from")
    until: AwareDatetime
    state: Literal["failed", "all"] = "failed"

    @model_validator(mode="after")
    def _sound(self) -> "Range":
        if self.until <= self.start:
            raise ValueError("until must be later than from")
        return self


@router.post("", summary="Add an endpoint", status_code=201, openapi_extra=takes(NewEndpoint))
async def add_endpoint(request: Request, actor: Manager) -> Response:
    wanted = await body(request, NewEndpoint)
    _check(wanted, request)
    made = wanted.secret or (new_secret() if wanted.kind == "webhook" else None)
    vault = vault_of(request)

    async def work(tx: Transaction) -> Answer:
        _check_target(wanted, tx.playbook)
        given = {"language": wanted.language, "channel": wanted.channel, "user": wanted.user, "to": wanted.to}
        row = {
            "endpoint_id": uuid7(),
            "name": wanted.name or wanted.kind,
            "kind": wanted.kind,
            "options": {name: value for name, value in given.items() if value and wanted.kind != "webhook"},
            "target": "rep" if wanted.rep else "team" if wanted.team else "all",
            "target_id": wanted.rep or wanted.team,
            "url": wanted.url,
            "types": list(dict.fromkeys(wanted.types)),
        }
        await endpoints.add(tx, {**row, "secrets": [vault.seal(made)] if made else [], "by": actor.by})
        return Answer({**_shown(row), **({"secret": made} if wanted.kind == "webhook" else {})}, status=201)

    return await write(request, work)


@router.get("", summary="Endpoints, oldest first, without their secrets")
async def list_endpoints(
    request: Request,
    actor: Manager,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    async with of(request).transaction() as tx:
        found = await endpoints.listed(tx, cursor, limit)
    more = found[-1]["endpoint_id"] if len(found) == limit else None
    return respond({"items": [_shown(row) for row in found], "next": more})


@router.delete("/{endpoint_id}", summary="Remove an endpoint; what it still had to get is given up")
async def remove_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        await queries.lock_leads(tx, await endpoints.held_leads(tx, endpoint_id))
        given_up = await endpoints.remove(tx, endpoint_id, REMOVED)
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


@router.post("/{endpoint_id}/rotate", summary="A new secret; the old one signs too for a while",
             openapi_extra=takes(Rotation))  # fmt: skip
async def rotate_secret(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    wanted = await body(request, Rotation)
    vault = vault_of(request)

    async def work(tx: Transaction) -> Answer:
        kind = await endpoints.kind_of(tx, endpoint_id)
        if kind is None:
            raise _unknown()
        if kind == "email":
            raise Problem(422, "Not valid", detail="an e-mail endpoint has no secret: see RELEVO_SMTP")
        if wanted.secret is None and kind != "webhook":
            raise Problem(422, "Not valid", detail=f"give {NEEDS_SECRET[kind]}", field="secret")
        if wanted.secret is not None:
            _check_secret(kind, wanted.secret, "with channel", request)
        made = wanted.secret or new_secret()
        until = tx.now + timedelta(hours=wanted.overlap_hours)
        await endpoints.rotate(tx, endpoint_id, vault.seal(made), until)
        shown = {"id": endpoint_id, "old_signs_until": until}
        return Answer({**shown, "secret": made} if kind == "webhook" else shown)

    return await write(request, work)


@router.post("/{endpoint_id}/test", summary="Send it a test", status_code=202)
async def test_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        webhook_id = f"msg_{uuid7().hex}"
        told = message.body("test", tx.now, {"endpoint": endpoint_id, "asked_by": actor.by})
        delivery_id = await endpoints.add_test(tx, endpoint_id, webhook_id, told)
        if delivery_id is None:
            raise _unknown()
        return Answer({"delivery_id": delivery_id, "webhook_id": webhook_id}, status=202)

    return await _then_deliver(request, await write(request, work))


@router.post("/{endpoint_id}/enable", summary="Send to it again, beginning with what it missed, in order")
async def enable_endpoint(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    async def work(tx: Transaction) -> Answer:
        if not await endpoints.enable(tx, endpoint_id):
            raise _unknown()
        return Answer({"enabled": endpoint_id})

    return await _then_deliver(request, await write(request, work))


@router.post("/{endpoint_id}/redeliver", summary="Send a range again, in order", status_code=202,
             openapi_extra=takes(Range))  # fmt: skip
async def redeliver_range(request: Request, actor: Manager, endpoint_id: UUID) -> Response:
    wanted = await body(request, Range)

    async def work(tx: Transaction) -> Answer:
        count = await sent.redeliver_range(tx, endpoint_id, wanted.start, wanted.until, wanted.state)
        if count is None:
            raise _unknown()
        return Answer({"redelivered": count}, status=202)

    return await _then_deliver(request, await write(request, work))


async def _then_deliver(request: Request, response: Response) -> Response:
    """Nothing was said to others, so the deliverer is woken by hand."""
    of(request).database.committed()
    return response


def _check(wanted: NewEndpoint, request: Request) -> None:
    if wanted.kind == "webhook":
        _check_url(wanted.url or "", request)
    elif wanted.url is not None:
        raise Problem(422, "Not valid", detail="only a webhook has a url", field="url")
    if unknown := [kind for kind in wanted.types if kind not in message.TYPES]:
        detail = f"{len(unknown)} of them is no type of ours; there are {', '.join(message.TYPES)}"
        raise Problem(422, "Not valid", detail=detail, field="types")
    if wanted.kind == "hubspot" and (other := set(wanted.types) - set(message.SALES)):
        detail = f"HubSpot gets {', '.join(message.SALES)}: the {len(other)} others are no rep's task"
        raise Problem(422, "Not valid", detail=detail, field="types")
    if wanted.secret is None and wanted.kind in NEEDS_SECRET:
        raise Problem(422, "Not valid", detail=f"give {NEEDS_SECRET[wanted.kind]}", field="secret")
    if wanted.secret is not None:
        _check_secret(wanted.kind, wanted.secret, wanted.channel, request)


def _check_url(url: str, request: Request) -> None:
    """Somebody else's address; not our own, whose answers would be sent to ourselves for ever."""
    settings = settings_of(request)
    try:
        check_stranger(url, local=settings.local)
    except NoAnswer as refused:
        raise Problem(422, "Not valid", detail=str(refused), field="url") from None
    if _origin(url) == _origin(settings.answers_at):
        raise Problem(422, "Not valid", detail="that is this service itself: name who is to be told", field="url")


def _origin(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_secret(kind: Kind, secret: str, channel: str | None, request: Request) -> None:
    if kind == "webhook":
        try:
            secret_key(secret)
        except ValueError as error:
            raise Problem(422, "Not valid", detail=str(error), field="secret") from None
    if kind == "email":
        raise Problem(422, "Not valid", detail="an e-mail endpoint has no secret: see RELEVO_SMTP", field="secret")
    if kind == "slack" and channel is None and not secret.startswith(slack.HOOKS) and not of(request).settings.local:
        detail = f"an incoming webhook begins with {slack.HOOKS}; a bot's token needs a `channel`"
        raise Problem(422, "Not valid", detail=detail, field="secret")


def _check_target(wanted: NewEndpoint, playbook: Playbook) -> None:
    if wanted.rep is not None and playbook.routing.rep(wanted.rep) is None:
        raise Problem(422, "Not valid", detail="routing.yaml has no such rep", field="rep")
    if wanted.team is not None and playbook.routing.team(wanted.team) is None:
        raise Problem(422, "Not valid", detail="routing.yaml has no such team", field="team")
    if wanted.kind == "email" and wanted.to is None and set(wanted.types) - set(message.SALES):
        raise Problem(422, "Not valid", detail="say to whom marketing's and operators' notices go", field="to")


def _unknown() -> Problem:
    return Problem(404, "No such endpoint", detail="It does not exist, or was removed.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["endpoint_id"], "name": row["name"], "kind": row["kind"], "url": row["url"], "types": row["types"],
        "options": row["options"],
        "rep": row["target_id"] if row["target"] == "rep" else None,
        "team": row["target_id"] if row["target"] == "team" else None,
        "enabled": row.get("disabled_at") is None,
        "disabled_at": row.get("disabled_at"), "disabled_because": row.get("disabled_because"),
        "failures": row.get("failures", 0), "failing_since": row.get("failing_since"),
        "old_secret_signs_until": row.get("overlap_until"),
        "pending": row.get("pending", 0),
    }  # fmt: skip
