"""Mailtrap: delivery and engagement webhooks, a batch of events a request. PURE.

https://docs.mailtrap.io/email-api-smtp/advanced/webhooks: `Mailtrap-Signature` is HMAC-SHA256 of the body, in
hexadecimal.
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
from ingest.sources.flatten import flatten, text
from ingest.sources.signed import by_hmac
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "delivery": "email_delivered",
    "open": "email_opened",
    "click": "email_clicked",
    "bounce": "email_bounced",  # a soft one has a name of its own
    "spam": "email_complained",
    "unsubscribe": "email_unsubscribed",
}


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac(source, request.body, request.headers.get(b"mailtrap-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    value, suspicious = parse(request.body)
    if isinstance(value, dict) and "event" in value:  # one event on its way back, mended
        return events.each([value], suspicious, _draft)
    told = value.get("events") if isinstance(value, dict) else None
    if not isinstance(told, list):
        raise Unusable("Its events are a JSON array.", "events")
    return events.each(told, suspicious, _draft)


def _draft(event: Event) -> Draft:
    kind = text(event.get("event"))
    return Draft(
        touch=_TYPES.get(kind or "", "other"),
        told=event,
        event_id=text(event.get("event_id")),
        original_type=kind,
        email=text(event.get("email")),
        what=said(message_id=text(event.get("message_id")), link=text(event.get("url"))),
        fields=flatten({**inner(event, "custom_variables"), "category": event.get("category")})
        | said(
            bounce=text(event.get("bounce_category")),
            reason=text(event.get("reason")),
            answer=text(event.get("response")),
        ),
        occurred_at=lenient(event.get("timestamp")),
        agent=text(event.get("user_agent")),
    )
