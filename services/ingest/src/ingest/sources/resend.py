"""Resend: e-mail events, one a request, signed as Standard Webhooks are. PURE.

https://resend.com/docs/webhooks/event-types and …/verify-webhooks-requests. An event's id is its `svix-id`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events, standard
from ingest.sources.events import Event, inner, mailbox, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

verify = standard.verify

_TYPES: Final[dict[str, TouchpointType]] = {
    "email.sent": "email_sent",
    "email.delivered": "email_delivered",
    "email.opened": "email_opened",
    "email.clicked": "email_clicked",
    "email.bounced": "email_bounced",
    "email.complained": "email_complained",
    "contact.created": "identified",
    "contact.updated": "identified",
}


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, event_id=standard.message_id(request)))


def _draft(event: Event, event_id: str | None) -> Draft:
    kind, data = text(event.get("type")), inner(event, "data")
    click, bounce, tags = inner(data, "click"), inner(data, "bounce"), data.get("tags")
    to = data.get("to")
    touch = _TYPES.get(kind or "", "other")
    if bounce.get("type") == "Transient":
        touch = "other"  # refused this once; the address stands
    if touch == "identified" and data.get("unsubscribed") is True:
        touch = "email_unsubscribed"
    return Draft(
        touch=touch,
        told=event,
        event_id=event_id,
        original_type=kind,
        email=mailbox(text(to[0]) if isinstance(to, list) and to else text(to) or text(data.get("email"))),
        first=text(data.get("first_name")),
        last=text(data.get("last_name")),
        what=said(
            message_id=text(data.get("email_id")),
            subject_line=text(data.get("subject")),
            link=text(click.get("link")),
        ),
        fields=flatten(tags if isinstance(tags, dict) else {})
        | said(bounce=text(bounce.get("type")), reason=text(bounce.get("message"))),
        occurred_at=lenient(event.get("created_at")),
        agent=text(click.get("userAgent")) or text(inner(data, "open").get("userAgent")),
    )
