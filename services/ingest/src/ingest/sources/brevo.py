"""Brevo: transactional and marketing webhooks, one event a request, or a batch of them. PURE.

https://developers.brevo.com/docs/transactional-webhooks and …/marketing-webhooks. Brevo signs nothing; it sends the
user name and password, or the token, that its webhook is given. Of its times only those since 1970 are in UTC.
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
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_TYPES: Final[dict[str, TouchpointType]] = {
    "delivered": "email_delivered",
    "opened": "email_opened",
    "unique_opened": "email_opened",
    "proxy_open": "email_opened",
    "unique_proxy_open": "email_opened",
    "click": "email_clicked",
    "hard_bounce": "email_bounced",
    "invalid_email": "email_bounced",
    "spam": "email_complained",
    "complaint": "email_complained",
    "unsubscribe": "email_unsubscribed",
    "unsubscribed": "email_unsubscribed",
}
_PROXIES = frozenset({"proxy_open", "unique_proxy_open"})
_TIMES = ("ts_epoch", "ts_event")


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    kind = text(event.get("event"))
    return Draft(
        touch=_TYPES.get(kind or "", "other"),
        told=event,
        original_type=kind,
        email=text(event.get("email")),
        what=said(
            message_id=text(event.get("message-id")),
            subject_line=text(event.get("subject")),
            link=text(event.get("link")) or text(event.get("URL")),
        ),
        fields=flatten({name: event.get(name) for name in ("tags", "camp_id", "template_id")})
        | said(campaign=text(event.get("campaign name")), reason=text(event.get("reason"))),
        occurred_at=next(filter(None, (lenient(event.get(name)) for name in _TIMES)), None),
        agent=text(event.get("user_agent")),
        machine_because="Brevo says that a proxy opened it" if kind in _PROXIES else None,
    )
