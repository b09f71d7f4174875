"""SparkPost: event webhooks, a JSON array of events a request, each wrapped as `{"msys": {class: event}}`. PURE.

https://developers.sparkpost.com/api/webhooks/ and, on the fields, https://support.sparkpost.com/docs/tech-resources/webhook-event-reference.
SparkPost signs nothing; its webhooks send basic auth. It tries a new webhook with an empty `msys`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_TYPES: Final[dict[str, TouchpointType]] = {
    "delivery": "email_delivered",
    "open": "email_opened",
    "initial_open": "email_opened",
    "amp_open": "email_opened",
    "amp_initial_open": "email_opened",
    "click": "email_clicked",
    "amp_click": "email_clicked",
    "spam_complaint": "email_complained",
    "list_unsubscribe": "email_unsubscribed",
    "link_unsubscribe": "email_unsubscribed",
}
_BOUNCES = frozenset({"bounce", "out_of_band"})
# https://support.sparkpost.com/docs/deliverability/bounce-classification-codes: invalid recipient, no recipient; and a
# bounce that is an unsubscribing.
_HARD = frozenset({"10", "30"})
_UNSUBSCRIBED = "90"


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _drafts)


def _drafts(wrapped: Event) -> Sequence[Outcome]:
    classes = wrapped.get("msys")
    if classes == {}:
        return []
    if not isinstance(classes, dict) or len(classes) != 1:
        raise Unusable("An event is wrapped in one class.", "msys")
    (name,) = classes
    event = inner(classes, name)
    kind, bounce = text(event.get("type")), text(event.get("bounce_class"))
    agent = inner(event, "user_agent_parsed")
    return [
        Draft(
            touch=_touch(kind or "", bounce),
            told=wrapped,
            event_id=text(event.get("event_id")),
            original_type=kind or name,
            email=text(event.get("raw_rcpt_to")) or text(event.get("rcpt_to")),
            what=said(
                message_id=text(event.get("transmission_id")) or text(event.get("message_id")),
                subject_line=text(event.get("subject")),
                link=text(event.get("target_link_url")),
            ),
            fields=flatten({**inner(event, "rcpt_meta"), "tags": event.get("rcpt_tags")})
            | said(
                campaign=text(event.get("campaign_id")),
                bounce=bounce,
                reason=text(event.get("raw_reason")) or text(event.get("reason")),
            ),
            occurred_at=lenient(event.get("timestamp")),
            agent=text(event.get("user_agent")),
            machine_because="SparkPost says that it was prefetched" if agent.get("is_prefetched") is True else None,
        )
    ]


def _touch(kind: str, bounce: str | None) -> TouchpointType:
    if kind not in _BOUNCES:
        return _TYPES.get(kind, "other")
    if bounce == _UNSUBSCRIBED:
        return "email_unsubscribed"
    return "email_bounced" if bounce in _HARD else "other"
