"""Our own JSON (`POST /v1/touchpoints`): one touchpoint or an array of them. PURE.

The models below are the contract. One touchpoint that says everything plainly, as most do, is read without them, into a
struct of the same fields; whatever that does not take is theirs to judge.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import DecodeError, Meta
from msgspec.json import Decoder
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest import keys
from ingest.campaign import NAMED
from ingest.draft import NOTHING, Draft, Outcome, Refused, Request, Unusable
from ingest.json_body import flaw, parse, verbatim
from ingest.registry import Source
from ingest.sources.flatten import text
from ingest.sources.structs import struct_of
from relevo.events.touchpoints import Consent
from relevo.events.vocabulary import TouchpointType

verify = keys.verify

# Lengths stand twice: for pydantic and for msgspec.
Line = Annotated[str, Field(max_length=2_000), Meta(max_length=2_000)]
Id = Annotated[str, Field(max_length=256), Meta(max_length=256)]
Text = Annotated[str, Field(max_length=50_000), Meta(max_length=50_000)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # beyond, orjson reads a number as a float


class _Body(BaseModel):
    # Ids come as numbers from many a database; what we do not know (score, owner_id …) is ignored, never bound.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, coerce_numbers_to_str=True, frozen=True)


class CampaignBody(_Body):
    source: Line | None = None
    medium: Line | None = None
    name: Line | None = None
    term: Line | None = None
    content: Line | None = None
    ad_ids: dict[str, Line] = Field(default_factory=dict, description="gclid, fbclid, msclkid …")


class CompanyBody(_Body):
    name: Line | None = None
    domain: Line | None = Field(default=None, description="Or its website.")


class TouchpointBody(_Body):
    """One touchpoint. It must say who: `email`, `user_id` or `anonymous_id`."""

    type: TouchpointType
    id: Id | None = Field(default=None, description="Your own id of this event: sent again, it is the same touchpoint.")
    occurred_at: datetime | None = Field(default=None, description="ISO 8601; UTC where no zone is given.")
    email: Line | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    phone: Line | None = None
    name: Line | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    company: CompanyBody | Line | None = None
    form: Line | None = None
    url: Line | None = None
    title: Line | None = None
    asset: Line | None = Field(default=None, description="What was downloaded or read.")
    event: Line | None = Field(default=None, description="Your own name of it, as in a track call; a webinar's.")
    message_id: Line | None = Field(default=None, description="The e-mail message.")
    subject_line: Line | None = None
    link: Line | None = Field(default=None, description="The clicked URL.")
    text: Text | None = Field(default=None, description="What the person wrote.")
    fields: dict[str, str | Whole | float | bool | None] = Field(default_factory=dict, description="At most 256.")
    campaign: CampaignBody | None = None
    consent: Consent | None = None
    user_agent: Line | None = Field(default=None, description="The person's own, where you know it.")
    machine: bool = Field(default=False, description="You know that a scanner or bot did it.")


_PLAIN = Decoder(struct_of(TouchpointBody))
_ITEM = TouchpointBody.__pydantic_validator__
_WHAT = ("form", "url", "title", "asset", "event", "message_id", "subject_line", "link", "text")


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """An outcome for each item, in order. Raises Unusable where the body is no JSON, or no object or array of them."""
    if (plain := _plainly(request.body)) is not None:
        return [plain]
    value, suspicious = parse(request.body)
    if isinstance(value, dict):
        return [_item(value, request.body, suspicious)]
    if not isinstance(value, list):
        raise Unusable("Send one touchpoint (an object) or an array of them.", title="Not a touchpoint")
    return [_item(item, item, suspicious) for item in value]


def is_array(body: bytes) -> bool:
    return body[:1] == b"[" or body[:100].lstrip()[:1] == b"["


def _plainly(body: bytes) -> Draft | None:
    """The draft of one touchpoint that has the models' fields, in the types they name, and nothing else."""
    if body.find(b"\\u0000") >= 0:  # msgspec takes a NUL for the end of a moment
        return None
    try:
        return _draft(_PLAIN.decode(body), body)
    except (DecodeError, UnicodeDecodeError):
        return None


def _item(value: Any, told: Any, suspicious: bool) -> Outcome:
    try:
        if not isinstance(value, dict):
            raise Unusable("A touchpoint is a JSON object.")
        if suspicious and (found := flaw(value)) is not None:
            raise found
        return _draft(_ITEM.validate_python(value), told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # Only the field's own name: what lies within it may be the sender's words, and those are not echoed.
        refusal = Unusable(first["msg"], str(first["loc"][0]) if first["loc"] else None)
    except Unusable as unusable:
        refusal = unusable
    return Refused(refusal, verbatim(told) if suspicious and not isinstance(told, bytes) else told)


def _draft(item: Any, told: Any) -> Draft:
    """The draft of a TouchpointBody, or of its struct."""
    company, website = item.company, None
    if isinstance(company, str | None):
        named = company
    else:
        named, website = company.name, company.domain
    return Draft(
        touch=item.type,
        told=told,
        event_id=item.id or None,
        email=item.email,
        user_id=item.user_id,
        anonymous_id=item.anonymous_id,
        phone=item.phone,
        first=item.first_name,
        last=item.last_name,
        full=item.name,
        company=named,
        website=website,
        what=_said(item, _WHAT),
        fields={name: plain for name, value in item.fields.items() if (plain := text(value)) is not None},
        campaign={**item.campaign.ad_ids, **_said(item.campaign, NAMED)} if item.campaign is not None else NOTHING,
        consent=item.consent,
        occurred_at=item.occurred_at,
        agent=item.user_agent,
        machine_because="its sender says so" if item.machine else None,
    )


def _said(told: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(told, name))}
