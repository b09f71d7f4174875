"""The Segment HTTP API, as its documentation and its SDKs speak it: one call, or a batch of them. PURE.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ and …/connections/spec/. One bad event
never costs the others, and never makes the answer an error: senders would drop, or send again, all of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from ingest import keys
from ingest.campaign import NAMED, of_url
from ingest.dates import corrected, lenient
from ingest.draft import Draft, Outcome, Refused, Request, Unusable
from ingest.json_body import flaw, parse, verbatim
from ingest.registry import Source
from ingest.sources.flatten import flatten, text
from relevo.events.identity import SubjectKind, canonical_email
from relevo.events.vocabulary import TouchpointType

CALLS: Final[dict[str, TouchpointType]] = {
    "identify": "identified",
    "track": "tracked",
    "page": "page_viewed",
    "screen": "page_viewed",
    "group": "grouped",
    "alias": "identified",
}
# In addresses also by their first letter, as browsers' SDKs write them; `import` is the old name of `batch`.
ADDRESSES: Final = (*CALLS, *(call[0] for call in CALLS), "batch", "b", "import")
_CALL_OF: Final = {**{call: call for call in CALLS}, **{call[0]: call for call in CALLS}}
# The spec's own names of e-mail events (…/connections/spec/email/).
_EMAIL_EVENTS: Final[dict[str, TouchpointType]] = {
    "email bounced": "email_bounced",
    "email delivered": "email_delivered",
    "email link clicked": "email_clicked",
    "email marked as spam": "email_complained",
    "email opened": "email_opened",
    "unsubscribed": "email_unsubscribed",
}
_NAMES = {"firstName": "first", "first_name": "first", "lastName": "last", "last_name": "last", "name": "full"}
_SHARED = ("context", "integrations", "sentAt")  # of a batch with its events
_PARTS = ("company", "address")  # traits that are objects, by the spec
# What a call's data says that stands elsewhere in the touchpoint already.
_SAID: Final[dict[str, tuple[str, ...]]] = {
    "identify": ("email", "phone", "website", *_NAMES, *_PARTS),
    "group": ("name", "domain", "website", "email", *_PARTS),
    "page": ("url", "title", "path", "referrer", "search"),
    "screen": ("url", "title"),
    "track": ("email",),
}


def write_key(request: Request) -> str | None:
    """The key in the body (`writeKey`), of requests that carry none in a header."""
    try:
        value, _ = parse(request.body)
    except Unusable:
        return None
    key = value.get("writeKey") if isinstance(value, dict) else None
    if key is None and isinstance(value, dict) and isinstance(value.get("batch"), list):
        key = next((e["writeKey"] for e in value["batch"] if isinstance(e, dict) and "writeKey" in e), None)
    return key if isinstance(key, str) else None


def verify(request: Request, source: Source, now: datetime) -> None:
    """Basic or bearer write key, or `writeKey` in the body. Raises Unauthentic."""
    keys.verify(request, source, now, write_key)


def normalise(
    request: Request, source: Source, now: datetime, common: Mapping[str, Any] = MappingProxyType({})
) -> Sequence[Outcome]:
    """An outcome for each event, in order. A body that is no JSON is one Refused: its sender cannot mend it.

    `common` holds what the request says elsewhere of events that do not say it themselves.
    """
    call = _CALL_OF.get(request.path.rstrip("/").rpartition("/")[2])
    try:
        value, suspicious = parse(request.body)
    except Unusable as unusable:
        return [Refused(unusable, request.body)]
    batch = value.get("batch") if isinstance(value, dict) else None
    if isinstance(batch, list):
        shared = {**common, **{name: value[name] for name in _SHARED if name in value}}
        return [_outcome(event, shared, None, suspicious, now) for event in batch]
    if isinstance(value, list):  # some SDKs leave the envelope out
        return [_outcome(event, common, None, suspicious, now) for event in value]
    return [_outcome(value, common, call, suspicious, now)]


def _outcome(event: Any, shared: Mapping[str, Any], call: str | None, suspicious: bool, now: datetime) -> Outcome:
    if not isinstance(event, dict):
        return Refused(Unusable("An event is a JSON object."), verbatim(event))
    # What is null says nothing, so that what the batch says stands.
    told = {name: value for name, value in event.items() if value is not None and name != "writeKey"}
    event = {**shared, **told}
    for name in ("context", "integrations"):
        if name in shared and name in told and isinstance(shared[name], dict) and isinstance(told[name], dict):
            event[name] = {**shared[name], **told[name]}
    if call is not None:
        event["type"] = call  # the address says which call it is; some senders leave it out of the body
    occurred_at = _when(event, now)
    if "messageId" not in event:
        event.pop("sentAt", None)  # another one each time it is sent, which the event's fingerprint must not show
    return read(event, event, occurred_at, suspicious)


def read(event: Mapping[str, Any], told: Any, occurred_at: datetime | None, suspicious: bool) -> Outcome:
    """A call in Segment's words, which its sender told as `told`: tools whose words are others translate theirs."""
    try:
        if suspicious and (found := flaw(told)) is not None:
            raise found
        return _draft(event, told, occurred_at)
    except Unusable as unusable:
        return Refused(unusable, verbatim(told) if suspicious else told, text(event.get("messageId")), _found(event))


def _draft(event: Mapping[str, Any], told: Any, occurred_at: datetime | None) -> Draft:
    call = text(event.get("type")) or ""
    context, traits, properties = _object(event, "context"), _object(event, "traits"), _object(event, "properties")
    page = _object(context, "page")
    known = traits or _object(context, "traits")  # a track call may carry the person's traits in its context
    name = text(event.get("event") if call == "track" else event.get("name"))
    email = _email(event)
    company = traits if call == "group" else known.get("company")
    names = (
        {}
        if call == "group"
        else {ours: given for theirs, ours in _NAMES.items() if (given := text(known.get(theirs)))}
    )
    url = text(properties.get("url")) or text(page.get("url"))
    what = {
        "url": url,
        "title": text(properties.get("title")) or text(page.get("title")) or (name if call != "track" else None),
        "event": name if call == "track" else None,
        "message_id": text(properties.get("email_id")),
        "subject_line": text(properties.get("email_subject")),
        "link": text(properties.get("link_url")),
    }
    traits = known if call == "identify" else traits
    data = {**_parts(traits), **traits} if call in ("identify", "group") else properties
    data = {"locale": context.get("locale"), **data}
    return Draft(
        touch=_EMAIL_EVENTS.get((name or "").lower(), "tracked") if call == "track" else CALLS.get(call, "other"),
        told=told,
        event_id=text(event.get("messageId")),
        original_type=call or None,
        email=email,
        user_id=text(event.get("userId")),
        anonymous_id=_anonymous(event),
        phone=text(known.get("phone")),
        first=names.get("first"),
        last=names.get("last"),
        full=names.get("full"),
        company=text(company.get("name")) if isinstance(company, dict) else text(company),
        website=_website(company) or text(known.get("website")),
        what={name: value for name, value in what.items() if value},
        fields=flatten({name: value for name, value in data.items() if name not in _SAID.get(call, ())}),
        campaign=_campaign(context, url, text(page.get("search"))),
        occurred_at=occurred_at,
        agent=text(context.get("userAgent")),
    )


def _parts(traits: Mapping[str, Any]) -> dict[str, Any]:
    """The company's and the address's own fields (employees, country …), as forms name them."""
    inner = {name: value for part in _PARTS for name, value in _object(traits, part).items()}
    return {name: value for name, value in inner.items() if name not in ("name", "domain", "website", "id")}


def _website(company: Any) -> str | None:
    return text(company.get("domain")) or text(company.get("website")) if isinstance(company, dict) else None


def _found(event: Mapping[str, Any]) -> tuple[tuple[SubjectKind, str], ...]:
    """The identifiers an unusable event still names, so that an erasure finds it."""
    told: list[tuple[SubjectKind, str | None]] = [
        ("email", _email(event)), ("user", text(event.get("userId"))), ("anonymous", _anonymous(event))
    ]  # fmt: skip
    return tuple((kind, value) for kind, value in told if value)


def _object(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _email(event: Mapping[str, Any]) -> str | None:
    """The first that is an address: of the traits, the properties, the context, the event, or the user id itself. A
    malformed one is no reason to lose an event that says otherwise who it was."""
    places: list[Mapping[str, Any]] = [_object(_object(event, "context"), "traits"), event]
    if event.get("type") != "group":  # a group's traits are the company's
        places[:0] = (_object(event, "traits"), _object(event, "properties"))
    told = [text(place.get("email")) for place in places] + [text(event.get("userId"))]
    return next((email for email in told if email and "@" in email and canonical_email(email) is not None), None)


def _anonymous(event: Mapping[str, Any]) -> str | None:
    """The anonymous id; of an alias, the id this person had before."""
    return text(event.get("anonymousId")) or (text(event.get("previousId")) if event.get("type") == "alias" else None)


def _campaign(context: Mapping[str, Any], url: str | None, search: str | None) -> dict[str, str]:
    told = {name: value for name, value in ((n, text(v)) for n, v in _object(context, "campaign").items()) if value}
    named = {name: told[name] for name in NAMED if name in told}
    return (of_url(search) if search else {}) | (of_url(url) if url else {}) | named


def _when(event: Mapping[str, Any], now: datetime) -> datetime | None:
    """The event's own time, by our clock as Segment corrects it (…/connections/spec/common/#timestamps). Both of its
    timestamps, or `receivedAt`, say that this was done before. A malformed one is forgiven (`2015-2-02` stands in the
    documentation itself)."""
    timestamp, original = lenient(event.get("timestamp")), lenient(event.get("originalTimestamp"))
    told = timestamp or original
    if (timestamp and original) or "receivedAt" in event:
        return told
    return corrected(told, lenient(event.get("sentAt")), now)
