"""Unisender Go: status webhooks, a batch of events a request, or one. PURE.

https://godocs.unisender.ru/web-api-ref#callback-format: `auth`, in the body, is the MD5 of the body as it would be with
the API key in its place. Its times are UTC, without saying so.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import md5
from typing import Any, Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "sent": "email_sent",
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "hard_bounced": "email_bounced",
    "spam": "email_complained",
    "unsubscribed": "email_unsubscribed",
}
_STATUS = "transactional_email_status"
_DIGITS = frozenset("0123456789abcdef")


def verify(request: Request, source: Source, now: datetime) -> None:
    value, _ = parse(request.body)
    told = value.get("auth") if isinstance(value, dict) else None
    # Only what is an MD5, and stands there once: what is signed must not be ours to cut as somebody likes.
    if not isinstance(told, str) or len(told) != 32 or not _DIGITS.issuperset(told):
        raise Unauthentic
    given = told.encode()
    before, *after = request.body.split(given)
    if len(after) != 1 or not any(
        hmac.compare_digest(_md5(before + key.value + after[0]), given) for key in source.secrets
    ):
        raise Unauthentic


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    value, suspicious = parse(request.body)
    if not isinstance(value, dict):
        raise Unusable("The body is a JSON object.")
    if "events_by_user" in value:
        return events.each(_listed(value["events_by_user"]), suspicious, _draft)
    return events.each([value], suspicious, _draft)


def _listed(users: Any) -> list[Any]:
    """The events of all users, of which Unisender says that there is one."""
    told = [user.get("events") if isinstance(user, dict) else None for user in users] if isinstance(users, list) else []
    if not told or not all(isinstance(found, list) for found in told):
        raise Unusable("Each user's events are a JSON array.", "events_by_user")
    return [event for found in told for event in found or []]


def _draft(event: Event) -> Draft:
    """Of an event with its data inside, as they come in batches, or flat, as one comes alone."""
    data = inner(event, "event_data") or event
    name, status = text(event.get("event_name")), text(data.get("status"))
    if name != _STATUS:
        raise Unusable("It is not about a message.", "event_name")
    delivery = inner(data, "delivery_info")
    return Draft(
        touch=_TYPES.get(status or "", "other"),
        told={part: value for part, value in event.items() if part != "auth"},
        original_type=status,
        email=text(data.get("email")),
        what=said(message_id=text(data.get("job_id")), link=text(data.get("url"))),
        fields=flatten(inner(data, "metadata"))
        | said(
            reason=text(delivery.get("delivery_status")) or text(data.get("comment")),
            answer=text(delivery.get("destination_response")),
        ),
        occurred_at=lenient(data.get("event_time")),
        agent=text(delivery.get("user_agent")),
    )


def _md5(signed: bytes) -> bytes:
    return md5(signed, usedforsecurity=False).hexdigest().encode()
