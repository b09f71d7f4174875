"""HTTP: answers that tools send by themselves: Slack's buttons, HubSpot's changes, any CRM's signed webhook."""

from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from handoff import endpoints, hubspot_says, queries, slack_says
from handoff.answer import Act
from handoff.api.answering import settled
from handoff.api.assignments import Deal, Note, shown
from handoff.api.common import settings_of, vault_of
from handoff.settle import OWNER, Answering
from handoff.sign import Forged, verify
from relevo.events.vocabulary import RejectReason
from relevo.outbound import NoAnswer, stranger
from relevo.service import Answer, Problem, Text, of, respond, takes, write
from relevo.service.web import parse
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/answers", tags=["answers"])

CrmAct = Literal["accept", "reject", "contacted", "opportunity", "won", "lost", "pause", "resume"]


class CrmAnswer(Deal):
    """What a CRM says of an assignment. `rep`, where it names one, must own it."""

    assignment_id: UUID
    act: CrmAct
    rep: Annotated[Text, Field(max_length=100)] | None = None
    reason: Annotated[Text, Field(max_length=200)] | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _rejected_because(self) -> "CrmAnswer":
        if self.act == "reject" and self.reason is None:
            raise ValueError("reject needs a reason")
        return self


class _Reason(BaseModel):
    reason: RejectReason


@router.post("/slack", summary="Slack's interactivity: a button or a reason was chosen")
async def slack_answer(request: Request) -> Response:
    raw, settings = await request.body(), settings_of(request)
    if settings.slack_signing_secret is None:
        raise Problem(404, "Slack is not set up", detail="Set RELEVO_SLACK_SIGNING_SECRET.")
    secret = settings.slack_signing_secret.get_secret_value()
    _check(lambda: slack_says.verify(secret, request.headers, raw))
    payload = next(iter(parse_qs(raw.decode(errors="replace")).get("payload", ())), "")
    clicked = slack_says.read(payload.encode())
    if clicked is None:
        return respond({"ok": True})  # another app's block, or a link: nothing to answer

    async def work(tx: Transaction) -> Answer:
        rep = await endpoints.rep_of_slack(tx, clicked.user)
        if rep is None:
            raise Problem(403, "Nobody of ours", detail="Have your Slack member id added to your endpoint (`user`).")
        said = Answering(clicked.act, f"rep:{rep}", "slack", reject=clicked.reason)
        outcome = await settled(tx, clicked.assignment_id, clicked.version, said, rep)
        return Answer({"stage": outcome.after.stage}, events=outcome.events)

    try:
        await write(request, work)
        text = "✓"
    except Problem as no:
        text = no.detail or no.title
    await _reply(request, clicked.response_url, text)
    return respond({"ok": True})


async def _reply(request: Request, url: str | None, text: str) -> None:
    """Slack shows it to the one who clicked. If it does not arrive, the answer counts all the same."""
    if url is None:
        return
    client = stranger(local=settings_of(request).local)
    try:
        await client.send("POST", url, headers={"content-type": "application/json"}, content=slack_says.reply(text))
    except NoAnswer:
        pass
    finally:
        await client.aclose()


@router.post("/hubspot", summary="HubSpot's webhooks: a contact's lead status or lifecycle stage changed")
async def hubspot_answer(request: Request) -> Response:
    raw, settings = await request.body(), settings_of(request)
    if settings.hubspot_client_secret is None:
        raise Problem(404, "HubSpot is not set up", detail="Set RELEVO_HUBSPOT_CLIENT_SECRET.")
    secret, url = settings.hubspot_client_secret.get_secret_value(), f"{settings.answers_at}{request.url.path}"
    _check(lambda: hubspot_says.verify(secret, request.headers, "POST", url, raw))
    counted = 0
    for change in hubspot_says.read(raw):

        async def work(tx: Transaction, change: hubspot_says.Change = change) -> Answer:
            found = await queries.assignment_in_hubspot(tx, change.contact)
            if found is None:
                return Answer({"known": False})
            said = Answering(change.act, OWNER, "hubspot", reject=change.reason)
            outcome = await settled(tx, found[0], found[1], said, None)
            return Answer({"known": True}, events=outcome.events)

        try:
            await write(request, work)
            counted += 1
        except Problem:  # contradicted: HubSpot would send it again for three days, and it would be so still
            continue
    return respond({"taken": counted})


@router.post("/{endpoint_id}", summary="Any CRM: signed as Standard Webhooks, with the secret of its endpoint",
             openapi_extra=takes(CrmAnswer))  # fmt: skip
async def crm_answer(request: Request, endpoint_id: UUID) -> Response:
    raw = await request.body()
    async with of(request).transaction() as tx:
        endpoint = await endpoints.one(tx, endpoint_id)
        now = tx.now
    if endpoint is None or endpoint.kind != "webhook":
        raise Problem(404, "No such endpoint", detail="Answer to the endpoint that got the webhook.")
    overlaps = endpoint.overlap_until is not None and endpoint.overlap_until > now
    sealed = endpoint.secrets if overlaps else endpoint.secrets[:1]
    secrets = [vault_of(request).open(each) for each in sealed]
    _check(lambda: verify(secrets, request.headers, raw))
    said = parse(raw, CrmAnswer)
    reject = parse(raw, _Reason).reason if said.act == "reject" else None

    async def work(tx: Transaction) -> Answer:
        if not await queries.first_heard(tx, f"crm {endpoint_id} {request.headers['webhook-id']}", raw):
            return Answer({"heard": "before"})
        found = await queries.assignment_of(tx, said.assignment_id)
        mine = {"rep": found.rep, "team": found.team, "all": None} if found is not None else {}
        if found is None or mine[endpoint.target] != endpoint.target_id:
            raise Problem(404, "No such assignment", detail="It does not exist, or this endpoint is not told of it.")
        act: Act = said.act
        answering = Answering(
            act, OWNER, "crm", reject=reject, reason=said.reason, note=said.note,
            opportunity_id=said.opportunity_id, amount=said.amount, currency=said.currency,
        )  # fmt: skip
        outcome = await settled(tx, said.assignment_id, said.version, answering, said.rep)
        return Answer(shown(outcome.after, tx.playbook), events=outcome.events)

    return await write(request, work)


def _check(verify_it: Callable[[], None]) -> None:
    try:
        verify_it()
    except Forged as why:
        raise Problem(401, "Not signed by whom it says", detail=str(why)) from None
