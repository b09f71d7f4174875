"""From a draft, in its sender's words, to the event in ours: who, what, where from, when. PURE.

`described` makes the data of the event, which the doors write down as it is (`safe.touchpoint`): to build the class for
each one, and take it apart again, would cost as much as all of this. Tests hold the data against the class.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from ingest import campaign, contact
from ingest.dates import occurred
from ingest.draft import Draft, Refused, Request, Unusable
from ingest.json_body import raw
from ingest.machine import robot
from ingest.phone import e164
from ingest.registry import Source
from relevo.events import TouchpointFailed, TouchpointRecorded
from relevo.events.identity import SubjectKind, canonical_email, fingerprint, subject_id, touchpoint_id
from relevo.events.touchpoints import Consent
from relevo.events.vocabulary import TouchpointType

# Who holds a public key is anybody: what it says of pages and forms is taken, what tools say of people is not.
PUBLIC_TYPES: frozenset[TouchpointType] = frozenset(
    ("form_submitted", "page_viewed", "content_downloaded", "event_registered", "identified", "grouped", "tracked")
)
MOST_FIELDS, MOST_TEXT = 256, 50_000
_MOST_ID, _MOST_NAME, _MOST_FIELD_NAME, _MOST_LINE = 256, 200, 128, 2_000
_ADDRESSES = ("url", "link")
_KEPT_HEADERS = (
    b"content-type", b"content-encoding", b"user-agent", b"origin", b"referer", b"accept-language", b"traceparent",
)  # fmt: skip


def described(
    draft: Draft,
    source: Source,
    secret: bytes,
    received_at: datetime,
    otherwise: str | None = None,
    known_as: UUID | None = None,
) -> dict[str, Any]:
    """The data of `draft`'s TouchpointRecorded, without what is empty. Raises Unusable, naming the field.

    Its id is made of the sender's own event id, else of `otherwise` (an Idempotency-Key), else of a fingerprint;
    `known_as` is the id of a failed touchpoint that was mended.
    """
    if source.access == "public" and draft.touch not in PUBLIC_TYPES:
        raise Unusable("A public source sends views and forms only; use a secret one.", "type", 403, "Not allowed")
    email = _email(draft.email) if draft.email else None
    who = _identifiers(draft, source, email)
    own_id = draft.event_id or otherwise
    if own_id is None:
        strongest = next(iter(who.values()), draft.phone or "")
        own_id = fingerprint(draft.what.get("form") or draft.touch, strongest, raw(draft.told), received_at)
    identity = str(known_as or touchpoint_id(source.name, own_id))
    phone = e164(draft.phone, source.country) if draft.phone else None
    if not who:
        if not (draft.must_reach and phone):
            raise Unusable("Nothing says who it was: send email, user_id or anonymous_id.", "email")
        who = {"anonymous": f"touchpoint:{identity}"}
    fields = _fields(draft.fields)
    if draft.phone and phone is None:
        fields.setdefault("phone", draft.phone.strip()[:_MOST_LINE])  # a person may still make sense of it
    what = _what(draft.what)
    because = draft.machine_because or (robot(draft.agent) if draft.agent else None)
    data = {
        "at": received_at,
        "by": "system",
        "touchpoint_id": identity,
        "subjects": [
            {"subject_id": subject_id(secret, kind, value), "kind": kind, "value": value} for kind, value in who.items()
        ],
        "source": source.name,
        "type": draft.touch,
        "original_type": draft.original_type and _line(draft.original_type, "type", _MOST_NAME),
        "names": _names(draft),
        "phone": phone,
        "company": _company(draft, email),
        "what": what,
        "fields": fields,
        "campaign": _campaign(draft.campaign, what.get("url")),
        "consent": _consent(draft.consent) if draft.consent is not None else None,
        "marks": contact.marks(email) if email else (),
        "machine": because is not None,
        "machine_because": because,
        "occurred_at": occurred(draft.occurred_at, received_at),
        "received_at": received_at,
    }
    return _present(data)


def recorded(
    draft: Draft,
    source: Source,
    secret: bytes,
    received_at: datetime,
    trace: str | None = None,
    otherwise: str | None = None,
    known_as: UUID | None = None,
) -> TouchpointRecorded:
    """The event of `draft`: what `described` says, as its readers will have it. Raises Unusable, naming the field."""
    data = described(draft, source, secret, received_at, otherwise, known_as)
    return TouchpointRecorded.model_validate({"id": data["touchpoint_id"], "trace": trace, **data})


def refused(draft: Draft, because: Unusable) -> Refused:
    """A draft of which no event can be made, with the identifiers it names."""
    told: list[tuple[SubjectKind, str | None]] = [
        ("email", draft.email), ("user", draft.user_id), ("anonymous", draft.anonymous_id)
    ]  # fmt: skip
    return Refused(because, draft.told, draft.event_id, tuple((kind, value) for kind, value in told if value))


def failed(
    item: Refused, request: Request, body_base64: str, source: Source, secret: bytes, received_at: datetime, trace: str
) -> TouchpointFailed:
    """What an authentic but unusable item is kept as, so that it can be mended and replayed under its id."""
    own_id = item.event_id or fingerprint(request.path, "", raw(item.told), received_at)
    identity = UUID(touchpoint_id(source.name, own_id))
    because = item.because
    return TouchpointFailed(
        id=identity,
        trace=trace,
        at=received_at,
        by="system",
        touchpoint_id=identity,
        source=source.name,
        reason=f"{because.field}: {because.detail}" if because.field else because.detail,
        method=request.method,
        path=request.path,
        headers={name.decode(): value for name in _KEPT_HEADERS if (value := request.header(name)) is not None},
        body_base64=body_base64,
        subject_ids=tuple(
            subject_id(secret, kind, canonical)
            for kind, value in item.identifiers
            if (canonical := _found(kind, value, source)) is not None
        ),
        received_at=received_at,
    )


def _found(kind: SubjectKind, value: str, source: Source) -> str | None:
    if kind == "email":
        return canonical_email(value)
    return f"{source.id_namespace}:{value.strip()}" if kind == "user" else value.strip()


def _email(given: str) -> str | None:
    if not (given := given.strip()):
        return None
    if given[:7].lower() == "mailto:":
        given = given[7:]
    email = canonical_email(given)
    if email is None:
        raise Unusable("This is not an e-mail address.", "email")
    return email


def _identifiers(draft: Draft, source: Source, email: str | None) -> dict[SubjectKind, str]:
    """Kind → canonical value, strongest first."""
    found: dict[SubjectKind, str] = {}
    if email is not None:
        found["email"] = email
    if draft.user_id and (user := _line(draft.user_id, "user_id", _MOST_ID)):
        found["user"] = f"{source.id_namespace}:{user}"
    if draft.anonymous_id and (anonymous := _line(draft.anonymous_id, "anonymous_id", _MOST_ID)):
        found["anonymous"] = anonymous
    return found


def _names(draft: Draft) -> dict[str, str]:
    names: dict[str, str] = {}
    if draft.first and (first := _line(draft.first, "first_name", _MOST_NAME)):
        names["first"] = first
    if draft.last and (last := _line(draft.last, "last_name", _MOST_NAME)):
        names["last"] = last
    if draft.full and not names and (full := _line(draft.full, "name", _MOST_NAME)):
        names["full"] = full
    return names


def _company(draft: Draft, email: str | None) -> dict[str, str]:
    company: dict[str, str] = {}
    if domain := contact.company_domain(draft.website, email):
        company["domain"] = domain
    if draft.company and (name := _line(draft.company, "company", _MOST_NAME)):
        company["name"] = name
    return company


def _what(told: Mapping[str, str]) -> dict[str, str]:
    what: dict[str, str] = {}
    for name, value in told.items():
        if name in _ADDRESSES:
            if (address := campaign.web_address(value)) is not None:
                what[name] = address
        elif name == "text":
            if len(value) > MOST_TEXT:
                raise Unusable(f"Longer than {MOST_TEXT} characters.", "text")
            what[name] = value.strip()
        elif (line := _line(value, name, _MOST_LINE)) is not None:
            what[name] = line
    return what


def _campaign(said: Mapping[str, str], url: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {**campaign.of_url(url), **said} if url else dict(said)
    if found and (ids := found.keys() - campaign.NAMED):
        found["ad_ids"] = {name: found.pop(name) for name in sorted(ids)}
    return found


def _consent(told: Consent) -> dict[str, Any]:
    return {name: value for name in Consent.model_fields if (value := getattr(told, name))}


def _fields(told: Mapping[str, str]) -> dict[str, str]:
    if len(told) > MOST_FIELDS:
        raise Unusable(f"More than {MOST_FIELDS} fields.", "fields")
    if told and max(map(len, told)) > _MOST_FIELD_NAME:
        raise Unusable(f"A field's name is longer than {_MOST_FIELD_NAME} characters.", "fields")
    if told and max(map(len, told.values())) > MOST_TEXT:
        raise Unusable(f"A field is longer than {MOST_TEXT} characters.", "fields")
    return dict(told)


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty: that is the event's default anyway."""
    return {name: value for name, value in data.items() if value}


def _line(value: str, field: str, most: int) -> str | None:
    """One line of text, its white space collapsed; None where nothing is left."""
    line = " ".join(value.split())
    if len(line) > most:
        raise Unusable(f"Longer than {most} characters.", field)
    return line or None
