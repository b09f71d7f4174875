"""Klaviyo: system webhooks, a batch of events a request. PURE.

https://developers.klaviyo.com/en/docs/working_with_system_webhooks: `Klaviyo-Signature` is HMAC-SHA256, in hexadecimal,
of the body and `Klaviyo-Timestamp` after it. Webhooks of a flow, which carry what their author likes, are not signed,
and are not these.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "event:klaviyo.received_email": "email_delivered",
    "event:klaviyo.email_delivered": "email_delivered",
    "event:klaviyo.opened_email": "email_opened",
    "event:klaviyo.clicked_email": "email_clicked",
    "event:klaviyo.marked_email_as_spam": "email_complained",
    "event:klaviyo.unsubscribed_from_email_marketing": "email_unsubscribed",
}
_BOUNCED = "event:klaviyo.bounced_email"


def verify(request: Request, source: Source, now: datetime) -> None:
    at = request.headers.get(b"klaviyo-timestamp", b"")
    by_hmac(source, request.body + at, request.headers.get(b"klaviyo-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    value, suspicious = parse(request.body)
    if isinstance(value, dict) and "topic" in value:  # one event on its way back, mended
        return events.each([value], suspicious, _draft)
    told = value.get("data") if isinstance(value, dict) else None
    if not isinstance(told, list):
        raise Unusable("Its events are a JSON array.", "data")
    return events.each(told, suspicious, _draft)


def _draft(event: Event) -> Draft:
    topic, payload = text(event.get("topic")), inner(event, "payload")
    attributes, person = inner(payload, "data", "attributes"), _profile(payload)
    told = inner(attributes, "event_properties")
    bounce = text(told.get("Bounce Type"))
    hard = topic == _BOUNCED and (bounce or "").lower() == "hard"
    return Draft(
        touch="email_bounced" if hard else _TYPES.get(topic or "", "other"),
        told=event,
        event_id=text(event.get("external_id")) or text(inner(payload, "data").get("id")),
        original_type=topic,
        email=text(person.get("email")),
        user_id=text(person.get("external_id")),
        first=text(person.get("first_name")),
        last=text(person.get("last_name")),
        what=said(
            message_id=text(told.get("$message")),
            subject_line=text(told.get("Subject")),
            link=text(told.get("URL")),
        ),
        fields=said(campaign=text(told.get("Campaign Name")), bounce=bounce),
        occurred_at=lenient(attributes.get("datetime")) or lenient(attributes.get("timestamp")),
    )


def _profile(payload: Event) -> Event:
    """The attributes of the profile the event comes with."""
    beside = payload.get("included")
    for one in beside if isinstance(beside, list) else ():
        if isinstance(one, dict) and one.get("type") == "profile":
            return inner(one, "attributes")
    return {}
