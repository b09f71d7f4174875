"""Mautic: webhooks, events by their kind, one or a list of each. PURE.

https://devdocs.mautic.org/en/latest/webhooks/: `Webhook-Signature` is HMAC-SHA256 of the body, in base64. A click in a
message is told as a hit of a page that came from an e-mail by a redirect.
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
from ingest.sources.signed import by_hmac_base64
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "mautic.email_on_send": "email_sent",
    "mautic.email_on_open": "email_opened",
    "mautic.form_on_submit": "form_submitted",
    "mautic.page_on_hit": "page_viewed",
    "mautic.lead_post_save_new": "identified",
    "mautic.lead_post_save_update": "identified",
}
_SUBSCRIPTION = "mautic.lead_channel_subscription_changed"
_STATES: Final[dict[str, TouchpointType]] = {
    "bounced": "email_bounced",
    "manual": "email_unsubscribed",
    "unsubscribed": "email_unsubscribed",
}
_DETAILS = ("stat", "hit", "submission")  # what an event is about holds the contact too


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac_base64(source, request.body, request.headers.get(b"webhook-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    value, suspicious = parse(request.body)
    told = {kind: found for kind, found in value.items() if kind[:7] == "mautic."} if isinstance(value, dict) else {}
    if not told:
        raise Unusable("It names no event of Mautic's.")
    single = [
        {kind: event} for kind, found in told.items() for event in (found if isinstance(found, list) else [found])
    ]
    return events.each(single, suspicious, _draft)


def _draft(event: Event) -> Draft:
    ((kind, _),) = event.items()
    told = inner(event, kind)
    detail = next(filter(None, (inner(told, name) for name in _DETAILS)), {})
    who = next(filter(None, (inner(at, name) for at in (told, detail) for name in ("contact", "lead"))), {})
    email, results = inner(told, "email") or inner(detail, "email"), inner(detail, "results")
    clicked = kind == "mautic.page_on_hit" and detail.get("source") == "email" and bool(detail.get("redirect"))
    address = text(detail.get("url"))
    return Draft(
        touch="email_clicked" if clicked else _touch(kind, told),
        told=event,
        original_type=kind,
        email=text(detail.get("emailAddress")) or _known(who, "email") or text(results.get("email")),
        first=_known(who, "firstname"),
        last=_known(who, "lastname"),
        phone=_known(who, "phone"),
        company=_known(who, "company"),
        what=said(
            message_id=text(told.get("idHash")) or text(detail.get("trackingHash")) or text(email.get("id")),
            subject_line=text(told.get("subject")) or text(email.get("subject")),
            form=text(inner(detail, "form").get("name")),
            link=address if clicked else None,
            url=None if clicked else address or text(detail.get("referer")),
        ),
        fields=flatten({name: value for name, value in results.items() if name != "email"})
        | said(channel=text(told.get("channel")), status=text(told.get("new_status"))),
        occurred_at=lenient(told.get("timestamp")),
        agent=text(detail.get("userAgent")),
    )


def _touch(kind: str, told: Event) -> TouchpointType:
    if kind != _SUBSCRIPTION:
        return _TYPES.get(kind, "other")
    return _STATES.get(text(told.get("new_status")) or "", "other") if told.get("channel") == "email" else "other"


def _known(who: Event, name: str) -> str | None:
    """A contact's field, where Mautic's versions have it."""
    core = inner(who, "fields", "core", name).get("value")
    return text(core) or text(inner(who, "fields", "all").get(name)) or text(who.get(name))
