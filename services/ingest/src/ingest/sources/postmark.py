"""Postmark: delivery, bounce, complaint, open, click, subscription and inbound webhooks, one event a request. PURE.

https://postmarkapp.com/developer/webhooks/webhooks-overview and …/inbound-webhook, whose example has no `RecordType`.
Postmark signs nothing; it sends the user name and password of the webhook's address as basic auth.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events, received
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_RECORDS: Final[dict[str, TouchpointType]] = {
    "Delivery": "email_delivered",
    "Open": "email_opened",
    "Click": "email_clicked",
    "SpamComplaint": "email_complained",
}
# https://postmarkapp.com/developer/api/bounce-api#bounce-types: those after which the address is given up; the others
# may still work, or are no bounces.
_BOUNCES: Final[dict[str, TouchpointType]] = {
    "HardBounce": "email_bounced",
    "BadEmailAddress": "email_bounced",
    "ManuallyDeactivated": "email_bounced",
    "SpamComplaint": "email_complained",
    "Unsubscribe": "email_unsubscribed",
}
_TIMES = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
_SUPPRESSIONS: Final[dict[str, TouchpointType]] = {
    "HardBounce": "email_bounced",
    "SpamComplaint": "email_complained",
    "ManualSuppression": "email_unsubscribed",
}


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    record = text(event.get("RecordType"))
    if record == "Inbound" or (record is None and "FromFull" in event):
        return _inbound(event)
    return Draft(
        touch=_touch(record or "", event),
        told=event,
        event_id=text(event.get("ID")),
        original_type=record,
        email=text(event.get("Recipient")) or text(event.get("Email")),
        what=said(
            message_id=text(event.get("MessageID")),
            subject_line=text(event.get("Subject")),
            link=text(event.get("OriginalLink")),
        ),
        fields=flatten({**inner(event, "Metadata"), "tag": event.get("Tag"), "stream": event.get("MessageStream")})
        | said(
            bounce=text(event.get("Type")),
            reason=text(event.get("Description")) or text(event.get("SuppressionReason")),
        ),
        occurred_at=next(filter(None, (lenient(event.get(name)) for name in _TIMES)), None),
        agent=text(event.get("UserAgent")),
    )


def _inbound(event: Event) -> Draft:
    of = received.headers(event.get("Headers"), "Name", "Value")
    return received.message(
        event,
        {"date": text(event.get("Date")) or "", **of},
        event_id=text(event.get("MessageID")),
        kind="Inbound",
        sender=text(inner(event, "FromFull").get("Email")) or text(event.get("From")),
        subject=text(event.get("Subject")),
        words=(text(event.get("StrippedTextReply")), text(event.get("TextBody"))),
        spam=of.get("x-spam-status", "").lower().startswith("yes"),
    )


def _touch(record: str, event: Event) -> TouchpointType:
    if record == "Bounce":
        return _BOUNCES.get(text(event.get("Type")) or "", "other")
    if record == "SubscriptionChange":
        if event.get("SuppressSending") is not True:
            return "other"  # they are subscribed again
        return _SUPPRESSIONS.get(text(event.get("SuppressionReason")) or "", "other")
    return _RECORDS.get(record, "other")
