"""MailerSend: activity webhooks, one event a request. PURE.

https://developers.mailersend.com/api/v1/webhooks.html: `Signature` is HMAC-SHA256 of the body, in hexadecimal.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import flatten, text
from ingest.sources.signed import by_hmac
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "activity.sent": "email_sent",
    "activity.delivered": "email_delivered",
    "activity.opened": "email_opened",
    "activity.clicked": "email_clicked",
    "activity.hard_bounced": "email_bounced",
    "activity.unsubscribed": "email_unsubscribed",
    "activity.spam_complaint": "email_complained",
}


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac(source, request.body, request.headers.get(b"signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    kind, data = text(event.get("type")), inner(event, "data")
    email, detail = inner(data, "email"), inner(data, "morph")
    return Draft(
        touch=_TYPES.get(kind or "", "other"),
        told=event,
        event_id=text(data.get("id")),
        original_type=kind,
        email=text(inner(email, "recipient").get("email")),
        what=said(
            message_id=text(inner(email, "message").get("id")),
            subject_line=text(email.get("subject")),
            link=text(detail.get("url")),
        ),
        fields=flatten({"tags": email.get("tags")})
        | said(reason=text(detail.get("readable_reason")) or text(detail.get("reason"))),
        occurred_at=lenient(data.get("created_at")) or lenient(event.get("created_at")),
    )
