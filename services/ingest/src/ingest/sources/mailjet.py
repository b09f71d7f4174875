"""Mailjet: event webhooks, one event a request, or a JSON array of them. PURE.

https://dev.mailjet.com/email/guides/webhooks/. Mailjet signs nothing; it sends the user name and password of the
webhook's address as basic auth.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, said
from ingest.sources.flatten import text
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_TYPES: Final[dict[str, TouchpointType]] = {
    "sent": "email_delivered",  # the receiving server took it
    "open": "email_opened",
    "click": "email_clicked",
    "spam": "email_complained",
    "unsub": "email_unsubscribed",
}


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    kind = text(event.get("event"))
    hard = kind == "bounce" and event.get("hard_bounce") is True
    return Draft(
        touch="email_bounced" if hard else _TYPES.get(kind or "", "other"),
        told=event,
        original_type=kind,
        email=text(event.get("email")),
        what=said(
            message_id=text(event.get("Message_GUID")) or text(event.get("MessageID")),
            link=text(event.get("url")),
        ),
        fields=said(
            campaign=text(event.get("customcampaign")),
            custom_id=text(event.get("CustomID")),
            payload=text(event.get("Payload")),
            reason=text(event.get("error")) or text(event.get("comment")),
            answer=text(event.get("smtp_reply")),
        ),
        occurred_at=lenient(event.get("time")),
        agent=text(event.get("agent")),
    )
