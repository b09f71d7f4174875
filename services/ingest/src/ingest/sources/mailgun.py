"""Mailgun: event webhooks, as JSON and, of old accounts, as a form; one event a request, signed within its body; and
the messages that its routes forward, signed alike. PURE.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks and …/securing-webhooks: HMAC-SHA256 of
timestamp + token under the webhook signing key. The signature covers no more than that, so the token is the event's id:
whoever replays a token with another body adds nothing. Routes: …/user-manual/receive-forward-store/receive-http.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources import events, received
from ingest.sources.events import Event, inner, mailbox, said
from ingest.sources.flatten import flatten, text
from ingest.sources.form_body import pairs
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "unsubscribed": "email_unsubscribed",
    "complained": "email_complained",
    "bounced": "email_bounced",  # as a form: a hard one
}
# Of the old form: what stands elsewhere in the touchpoint, or says nothing of it.
_OWN = frozenset(
    "event recipient url token timestamp signature Message-Id message-id user-agent message-headers ip".split()
)
_MESSAGE = frozenset({"sender", "body-plain"})  # which a route's form always has
_LONG = 2_000
# https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages/open-click-bot-detect
_BOT = {"apple": "Apple's mail privacy proxy", "gmail": "Gmail's", "generic": "a scanner"}
_NO_EVENT = Unusable("It names no event, and is no message of a route.", "event")


def verify(request: Request, source: Source, now: datetime) -> None:
    signature = _signature(request)
    given = (signature.get("signature") or "").encode()
    signed = f"{signature.get('timestamp') or ''}{signature.get('token') or ''}".encode()
    if not signed or not any(
        hmac.compare_digest(hmac.digest(key.value, signed, "sha256").hex().encode(), given) for key in source.secrets
    ):
        raise Unauthentic


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    if not _is_json(request):
        return [_of_form(request)]
    return events.of_body(request.body, _draft)


def _draft(body: Event) -> Draft:
    event = inner(body, "event-data")
    if (kind := text(event.get("event"))) is None:
        raise _NO_EVENT
    headers = inner(event, "message", "headers")
    client = inner(event, "client-info")
    bot = text(client.get("bot"))
    delivery = inner(event, "delivery-status")
    return Draft(
        touch="email_bounced" if kind == "failed" and _is_hard(event) else _TYPES.get(kind, "other"),
        told=body,
        event_id=text(inner(body, "signature").get("token")),
        original_type=kind,
        email=mailbox(text(event.get("recipient")) or text(headers.get("to"))),
        what=said(
            message_id=text(headers.get("message-id")),
            subject_line=text(headers.get("subject")),
            link=text(event.get("url")),
        ),
        fields=flatten({**inner(event, "user-variables"), "tags": event.get("tags")})
        | said(
            severity=text(event.get("severity")),
            reason=text(event.get("reason")) or text(inner(event, "reject").get("reason")),
            answer=text(delivery.get("message")) or text(delivery.get("description")),
        ),
        occurred_at=lenient(event.get("timestamp")),
        agent=text(client.get("user-agent")),
        machine_because=f"Mailgun tells a bot: {_BOT.get(bot, 'one it names')}" if bot else None,
    )


def _is_hard(event: Event) -> bool:
    """Whether the address is to be given up. One that Mailgun only did not write to, because it had unsubscribed or
    complained before, has not bounced."""
    reason = text(event.get("reason")) or ""
    return event.get("severity") == "permanent" and reason in ("bounce", "suppress-bounce", "generic", "")


def _of_form(request: Request) -> Draft:
    """An event in the old form: its own fields stand first, those of its signature last, the sender's in between."""
    told = pairs(request)
    last = dict(told)
    first = dict(reversed(told))
    if first.keys() >= _MESSAGE:  # before its headers, which are fields, can say that it is an event
        return _of_route(request.body, first, last)
    if (kind := first.get("event")) is None:
        raise _NO_EVENT
    return Draft(
        touch=_TYPES.get(kind, "other"),
        told=request.body,
        event_id=last.get("token"),
        original_type=kind,
        email=mailbox(first.get("recipient")),
        what=said(message_id=first.get("Message-Id") or first.get("message-id"), link=first.get("url")),
        fields={name: value for name, value in first.items() if value and name not in _OWN and len(value) < _LONG},
        occurred_at=lenient(last.get("timestamp")),
        agent=first.get("user-agent"),
    )


def _of_route(body: bytes, first: Mapping[str, str], last: Mapping[str, str]) -> Draft:
    """A message, fully parsed: every header of it is a field, too, beside Mailgun's own."""
    named = {name.lower(): value for name, value in first.items()}
    return received.message(
        body,
        named,
        event_id=last.get("token"),
        kind="route",
        sender=first.get("from") or first["sender"],
        subject=first.get("subject"),
        words=(first.get("stripped-text"), first["body-plain"]),
        received_at=lenient(last.get("timestamp")),
        spam=named.get("x-mailgun-sflag", "").lower() == "yes",
    )


def _signature(request: Request) -> Mapping[str, str | None]:
    if not _is_json(request):
        return dict(pairs(request))
    value, _ = parse(request.body)
    told = inner(value, "signature") if isinstance(value, dict) else {}
    return {name: text(told.get(name)) for name in ("signature", "timestamp", "token")}


def _is_json(request: Request) -> bool:
    return (request.header(b"content-type") or "").startswith("application/json") or request.body[:1] == b"{"
