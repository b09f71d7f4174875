"""The routes beside the hot ones: which sources there are, and the way back for mended failed touchpoints."""

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends
from fastapi import Request as HttpRequest
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from ingest.desk import TOUCHPOINTS, Desk
from ingest.draft import Request, Unusable, usable
from ingest.normalise import recorded
from ingest.registry import Source
from ingest.safe import record
from ingest.sdks import sdk_of
from ingest.sources import KINDS, Tool
from ingest.take import FORMS
from ingest.webhooks import LIMIT, WEBHOOKS, given
from ingest.wire import gunzip, traceparent
from relevo.service import Actor, Problem, Text, body, needs, respond

Reader = Annotated[Actor, Depends(needs("read"))]
Writer = Annotated[Actor, Depends(needs("touchpoints"))]


class Replay(BaseModel):
    """A failed touchpoint as `touchpoint.failed` carries it, its body mended or as it came."""

    model_config = ConfigDict(extra="ignore")

    touchpoint_id: UUID = Field(description="The failed touchpoint's: the replayed one bears it too.")
    source: Text
    method: Text = "POST"
    path: Text = Field(max_length=400, description="Where it came in: says how it is read.")
    headers: dict[Text, Text] = Field(default_factory=dict)
    body_base64: Base64Bytes | None = None
    body: Text | None = Field(default=None, description="The body as text, in place of body_base64.")
    received_at: AwareDatetime | None = Field(default=None, description="When it first came in.")

    @model_validator(mode="after")
    def _one_body(self) -> "Replay":
        if (self.body is None) == (self.body_base64 is None):
            raise ValueError("send either body_base64 or body")
        return self


def router(desk: Desk) -> APIRouter:
    api = APIRouter(tags=["ingest"])

    @api.get("/v1/sources", summary="The sources in force, without keys and secrets; what is wrong with a newer file")
    async def list_sources(actor: Reader) -> Response:
        return respond({"items": [_shown(source) for source in desk.sources.now], "problems": desk.sources.problems})

    @api.post(
        "/v1/replays",
        status_code=202,
        summary="A failed touchpoint once more, mended or as it came, under its own id",
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Replay.model_json_schema()}}}},
    )
    async def replay(http: HttpRequest, actor: Writer) -> Response:
        told = await body(http, Replay)
        now = desk.now()
        source = desk.sources.now.by_name.get(told.source)
        if source is None:
            raise Problem(422, "No such source", detail="Add it to sources.yaml first.", field="source")
        received_at = told.received_at or now
        if received_at > now:
            raise Problem(422, "Not valid", detail="It cannot have come in later than now.", field="received_at")
        raw = told.body.encode() if told.body is not None else told.body_base64 or b""
        headers = {name.lower().encode(): value.encode() for name, value in told.headers.items()}
        request = Request(told.method, told.path, gunzip(raw, LIMIT) or raw, headers=headers)
        trace = traceparent(Request("POST", "", b"", headers=dict(http.scope["headers"])))
        try:
            normalise = _tool(request, source).normalise
            request, outcomes = await given(desk, normalise, request, source, received_at)
            drafts = [usable(outcome) for outcome in outcomes]
            ids = [told.touchpoint_id if n == 0 else uuid5(told.touchpoint_id, str(n)) for n in range(len(drafts))]
            records = [
                record(recorded(draft, source, desk.secret, received_at, trace, known_as=known_as))
                for draft, known_as in zip(drafts, ids, strict=True)
            ]
        except Unusable as unusable:
            raise Problem(unusable.status, unusable.title, detail=unusable.detail, field=unusable.field) from None
        await desk.keep(records)
        TOUCHPOINTS.labels(source.name, "replayed").inc(len(records))
        return respond({"touchpoint_ids": ids}, 202)

    return api


def _tool(request: Request, source: Source) -> Tool:
    """How a request that came in at this address is read."""
    if request.path == "/v1/touchpoints":
        return KINDS["api"]
    if request.path.startswith(FORMS):
        return KINDS["form"]
    if request.path.startswith(WEBHOOKS):
        return KINDS[source.kind]
    return sdk_of(request.path, request.headers) or KINDS["segment"]


def _shown(source: Source) -> dict[str, object]:
    shown = source.model_dump(mode="json", exclude={"keys", "secrets", "token"}, exclude_none=True)
    keys = [{"sha256_begins": key.sha256[:8], "until": key.until} for key in source.keys]
    return shown | {"keys": keys, "secrets": len(source.secrets)}
