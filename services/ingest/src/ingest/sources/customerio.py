"""Customer.io: reporting webhooks, one event a request. PURE.

https://docs.customer.io/integrations/api/webhooks: `X-CIO-Signature` is HMAC-SHA256, in hexadecimal, of
`v0:timestamp:body`. No age is refused: Customer.io names none, and tries again for a week.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, mailbox, said
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "email.sent": "email_sent",
    "email.delivered": "email_delivered",
    "email.opened": "email_opened",
    "email.clicked": "email_clicked",
    "email.bounced": "email_bounced",  # a soft one is deferred
    "email.spammed": "email_complained",
    "email.unsubscribed": "email_unsubscribed",
    "customer.unsubscribed": "email_unsubscribed",
}
_CAMPAIGNS = ("campaign_id", "newsletter_id", "broadcast_id", "transactional_message_id")


def verify(request: Request, source: Source, now: datetime) -> None:
    at = request.headers.get(b"x-cio-timestamp", b"")
    by_hmac(source, b":".join((b"v0", at, request.body)), request.headers.get(b"x-cio-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    data = inner(event, "data")
    who = inner(data, "identifiers")
    kind = ".".join(filter(None, (text(event.get("object_type")), text(event.get("metric")))))
    recipient = data.get("recipient") if kind.startswith("email.") else None  # of other messages a telephone, a device
    return Draft(
        touch=_TYPES.get(kind, "other"),
        told=event,
        event_id=text(event.get("event_id")),
        original_type=kind,
        email=mailbox(text(recipient)) or text(who.get("email")) or text(data.get("email_address")),
        user_id=text(who.get("id")) or text(data.get("customer_id")),
        what=said(
            message_id=text(data.get("delivery_id")),
            subject_line=text(data.get("subject")),
            link=text(data.get("href")),
        ),
        fields=said(**{name: text(data.get(name)) for name in _CAMPAIGNS})
        | said(reason=text(data.get("failure_message"))),
        occurred_at=lenient(event.get("timestamp")),
    )
