"""Mandrill (Mailchimp Transactional): up to 1,000 events a request, as JSON in a form. PURE.

https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/ and, on its signature,
https://mandrill.zendesk.com/hc/en-us/articles/205583257: HMAC-SHA1 over the address exactly as it was entered there and
the form's fields, sorted. A new webhook is tried with an empty list before there is a key: nothing is taken from it, so
nothing needs proof.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.address import called
from ingest.sources.events import Event, inner, said
from ingest.sources.flatten import flatten, text
from ingest.sources.form_body import pairs
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "send": "email_sent",
    "delivered": "email_delivered",
    "open": "email_opened",
    "click": "email_clicked",
    "hard_bounce": "email_bounced",
    "spam": "email_complained",
    "unsub": "email_unsubscribed",
}


def verify(request: Request, source: Source, now: datetime) -> None:
    form = pairs(request)
    if dict(form).get("mandrill_events", "").strip() == "[]":
        return
    signed = "".join([called(request, source), *(name + value for name, value in sorted(form))]).encode()
    given = request.headers.get(b"x-mandrill-signature", b"")
    if not any(
        hmac.compare_digest(base64.b64encode(hmac.digest(key.value, signed, "sha1")), given) for key in source.secrets
    ):
        raise Unauthentic


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    if request.body[:1] == b"{":  # one event on its way back, mended
        return events.of_body(request.body, _draft)
    told = dict(pairs(request)).get("mandrill_events")
    if told is None:
        raise Unusable("The form has no field mandrill_events.", "mandrill_events")
    value, suspicious = parse(told.encode())
    if not isinstance(value, list):
        raise Unusable("Its events are a JSON array.", "mandrill_events")
    return events.each(value, suspicious, _draft)


def _draft(event: Event) -> Draft:
    message, agent = inner(event, "msg"), inner(event, "user_agent_parsed")
    kind = text(event.get("event")) or text(event.get("type"))
    robot = str(agent.get("type")).lower() == "robot"
    return Draft(
        touch=_TYPES.get(kind or "", "other"),
        told=event,
        original_type=kind,
        email=text(message.get("email")) or text(inner(event, "reject").get("email")),
        what=said(
            message_id=text(message.get("_id")) or text(event.get("_id")),
            subject_line=text(message.get("subject")),
            link=text(event.get("url")),
        ),
        fields=flatten({**inner(message, "metadata"), "tags": message.get("tags")})
        | said(
            reason=text(message.get("bounce_description")) or text(inner(event, "reject").get("reason")),
            answer=text(message.get("diag")),
        ),
        occurred_at=lenient(event.get("ts")),
        agent=text(event.get("user_agent")),
        machine_because="Mandrill knows its user agent as a robot's" if robot else None,
    )
