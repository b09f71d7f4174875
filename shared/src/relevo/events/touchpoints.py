"""What ingest says: a touchpoint was recorded, or could not be understood."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from relevo.events.base import Data, Event
from relevo.events.identity import SubjectKind
from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.events.vocabulary import TouchpointType


class Subject(Data):
    """One identifier of the person. `value` is canonical; an external id carries its namespace: `crm:4711`."""

    subject_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    kind: SubjectKind
    value: str


class Names(Data):
    first: str | None = None
    last: str | None = None
    full: str | None = Field(default=None, description="As given, where first and last were not told apart.")


class CompanyName(Data):
    domain: str | None = Field(default=None, description="Registrable domain by the public suffix list.")
    name: str | None = None


class Campaign(Data):
    """Where the visit came from: the UTM parameters and the advertisers' click ids (`gclid`, `fbclid`, …)."""

    source: str | None = None
    medium: str | None = None
    name: str | None = None
    term: str | None = None
    content: str | None = None
    ad_ids: dict[str, str] = Field(default_factory=dict)


class Consent(Data):
    """The legal basis the sender claims: which, under which text, when."""

    basis: Literal["consent", "contract", "legitimate_interest", "none"]
    text_version: str | None = None
    at: AwareDatetime | None = None


class What(Data):
    """What was touched; only what the type calls for is set."""

    form: str | None = None
    url: str | None = None
    title: str | None = None
    asset: str | None = None
    event: str | None = Field(default=None, description="The sender's own name of it: a track call's, a webinar's.")
    message_id: str | None = Field(default=None, description="The e-mail message, as its tool calls it.")
    subject_line: str | None = None
    link: str | None = Field(default=None, description="The clicked URL.")
    text: str | None = Field(default=None, description="What the person asked or wrote.")


Mark = Literal["free_mail", "disposable", "role_address", "tagged_address"]


class TouchpointRecorded(Event):
    """One interaction of one person, normalised. Its `id` is its touchpoint id: a sender's retry is the same event."""

    type = "touchpoint.recorded.v1"
    topic = TOUCHPOINTS

    touchpoint_id: UUID
    subjects: tuple[Subject, ...] = Field(min_length=1, description="Strongest first; the first is the key.")
    source: str = Field(description="The name of the source in sources.yaml.")
    touch: TouchpointType = Field(alias="type")
    original_type: str | None = Field(default=None, description="The sender's own word for the type.")
    names: Names = Names()
    phone: str | None = Field(default=None, description="E.164.")
    company: CompanyName = CompanyName()
    what: What = What()
    fields: dict[str, str] = Field(default_factory=dict, description="The form's own fields, or the traits.")
    campaign: Campaign = Campaign()
    consent: Consent | None = None
    marks: tuple[Mark, ...] = ()
    machine: bool = Field(default=False, description="A scanner, proxy or bot did it: kept, shown, never scored.")
    machine_because: str | None = None
    occurred_at: AwareDatetime
    received_at: AwareDatetime

    def key(self) -> str:
        return self.subjects[0].subject_id


class TouchpointFailed(Event):
    """Authentic but unusable, kept as it came, so that it can be mended and replayed under its id."""

    type = "touchpoint.failed.v1"
    topic = TOUCHPOINTS_FAILED

    touchpoint_id: UUID
    source: str
    reason: str = Field(description="What was wrong, without the value.")
    method: str
    path: str
    headers: dict[str, str] = Field(description="Allow-listed; never an authorisation.")
    body_base64: str
    subject_ids: tuple[str, ...] = Field(default=(), description="Hashes of identifiers found, for erasure.")
    received_at: AwareDatetime

    def key(self) -> str:
        return self.source
