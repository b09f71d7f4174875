"""What passes between doors, sources and normaliser: request, reply, a draft of a touchpoint, a refusal. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from relevo.events.identity import SubjectKind
from relevo.events.touchpoints import Consent
from relevo.events.vocabulary import TouchpointType

NOTHING: Mapping[str, str] = MappingProxyType({})
Headers = tuple[tuple[bytes, bytes], ...]
JSON: Headers = ((b"content-type", b"application/json"),)


class Fetched(NamedTuple):
    """What lay at an address that a source asked for (`Wanted`)."""

    status: int
    body: bytes


class Request(NamedTuple):
    """A request as it came, its gzip undone: what a source verifies and normalises."""

    method: str
    path: str
    body: bytes
    query: bytes = b""
    headers: Mapping[bytes, bytes] = MappingProxyType({})  # lower-case names
    fetched: Mapping[str, Fetched] = MappingProxyType({})  # by URL, as far as it was wanted

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    headers: Headers = JSON


class Draft(NamedTuple):
    """One touchpoint as its source tells it, in the source's own words; the normaliser makes an event of it."""

    touch: TouchpointType
    told: Any
    """What it was read from, as bytes or parsed: a fingerprint where the sender gives no id, and kept if it fails."""
    event_id: str | None = None
    original_type: str | None = None
    email: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    phone: str | None = None
    first: str | None = None
    last: str | None = None
    full: str | None = None
    company: str | None = None
    website: str | None = None
    what: Mapping[str, str] = NOTHING
    fields: Mapping[str, str] = NOTHING
    campaign: Mapping[str, str] = NOTHING
    consent: Consent | None = None  # or a struct of its fields
    occurred_at: datetime | None = None
    agent: str | None = None
    """The person's own user agent, not that of a server in between."""
    machine_because: str | None = None
    must_reach: bool = False
    """A form: where a phone is all there is, the touchpoint still stands, under an id of its own."""


class Unusable(ValueError):
    """Authentic, and still no touchpoint: which field, why, and never the value. `status` is what HTTP calls it."""

    def __init__(self, detail: str, field: str | None = None, status: int = 422, title: str = "Not valid") -> None:
        super().__init__(detail)
        self.detail, self.field, self.status, self.title = detail, field, status, title


class Unauthentic(Exception):
    """The request does not show that it comes from the source: key or signature missing, wrong or expired."""


@dataclass(frozen=True, slots=True)
class Get:
    """Something to fetch. `stays`: it never changes, so that one answer serves all requests."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    stays: bool = False


class Wanted(Exception):
    """A source cannot go on without what lies elsewhere: it is called again with it in `request.fetched`."""

    def __init__(self, *gets: Get) -> None:
        super().__init__()
        self.gets = gets


class Later(Exception):
    """What was fetched says that what is wanted cannot be had now: the sender is asked to come again. The text is for a
    person, without a value."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One item of a batch that is no touchpoint, with its own bytes, so that it can be kept and mended."""

    because: Unusable
    told: Any  # bytes, or the parsed value of one item
    event_id: str | None = None
    identifiers: tuple[tuple[SubjectKind, str], ...] = ()  # kind and value, as far as any were found


Outcome = Draft | Refused


def usable(outcome: Outcome) -> Draft:
    """The draft. Raises Unusable, as it was refused."""
    if isinstance(outcome, Refused):
        raise outcome.because
    return outcome
