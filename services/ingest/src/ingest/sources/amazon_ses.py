"""Amazon SES: feedback notifications, published events and received messages, over an SNS topic that calls us. PURE.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and …/event-publishing-retrieving-sns-contents.html
for the events, …/receiving-email-notifications-contents.html for messages; the SNS envelope, its signature and its
handshake are in `sns`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.json_body import flaw, parse
from ingest.registry import Source
from ingest.sources import received, sns
from ingest.sources.events import Event, inner, mailbox, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

verify = sns.verify

_TYPES: Final[dict[str, TouchpointType]] = {
    "Send": "email_sent",
    "Delivery": "email_delivered",
    "Open": "email_opened",
    "Click": "email_clicked",
    "Complaint": "email_complained",
}
# Where an event names those it is about; of the others it is all whom the message went to.
_PEOPLE = {
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "Delivery": ("delivery", "recipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
}
_ONE_PERSON_S = frozenset({"Open", "Click"})


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    value, _ = parse(request.body)
    if not isinstance(value, dict):
        raise Unusable("An SNS message is a JSON object.")
    if (because := flaw(value)) is not None:
        raise because
    if "Type" not in value:  # raw delivery: the event without an envelope
        return _of_event(value, value)
    if (message := sns.notified(value, request)) is None:
        return []
    event, _ = parse(message.encode())
    if not isinstance(event, dict):
        raise Unusable("SES's event is a JSON object.", "Message")
    return _of_event(event, value)


def _of_event(event: Event, envelope: Event) -> list[Outcome]:
    if (because := flaw(event)) is not None:
        raise because
    kind = text(event.get("eventType")) or text(event.get("notificationType"))
    if kind == "Received":
        return [_received(event, envelope)]
    mail = inner(event, "mail")
    people = _people(kind or "", event)
    own_id = text(envelope.get("MessageId"))
    if kind in _ONE_PERSON_S and len(people) > 1:
        raise Unusable("The message went to several people: which of them it was nobody can tell.", "mail.destination")
    detail = inner(event, (kind or "")[:1].lower() + (kind or "")[1:])
    bounce, click = inner(event, "bounce"), inner(event, "click")
    draft = Draft(
        touch=_touch(kind or "", event),
        told=envelope,
        event_id=own_id,
        original_type=kind,
        what=said(
            message_id=text(mail.get("messageId")),
            subject_line=text(inner(mail, "commonHeaders").get("subject")),
            link=text(click.get("link")),
        ),
        fields=flatten({name: value for name, value in inner(mail, "tags").items() if not name.startswith("ses:")})
        | said(
            bounce=text(bounce.get("bounceType")),
            reason=text(bounce.get("bounceSubType"))
            or text(detail.get("complaintFeedbackType"))
            or text(detail.get("reason")),
        ),
        occurred_at=lenient(envelope.get("Timestamp")) or lenient(detail.get("timestamp")),
        agent=text(detail.get("userAgent")) if kind in _ONE_PERSON_S else None,
    )
    if len(people) < 2:
        return [draft._replace(email=people[0] if people else None)]
    # One event of several people is several touchpoints, each with an id of its own.
    return [draft._replace(email=person, event_id=own_id and f"{own_id}:{person}") for person in people]


def _received(event: Event, envelope: Event) -> Draft:
    """A message, of whose text nothing is read: not every rule's notification has it."""
    mail, receipt = inner(event, "mail"), inner(event, "receipt")
    common = inner(mail, "commonHeaders")
    told = common.get("from")
    return received.message(
        envelope,
        received.headers(mail.get("headers"), "name", "value"),
        event_id=text(envelope.get("MessageId")) or text(mail.get("messageId")),
        kind="Received",
        sender=next(filter(None, map(text, told if isinstance(told, list) else ())), None) or text(mail.get("source")),
        subject=text(common.get("subject")),
        received_at=lenient(mail.get("timestamp")),
        spam="FAIL" in (inner(receipt, name).get("status") for name in ("spamVerdict", "virusVerdict")),
    )


def _touch(kind: str, event: Event) -> TouchpointType:
    if kind == "Bounce":
        return "email_bounced" if inner(event, "bounce").get("bounceType") == "Permanent" else "other"
    if kind == "Subscription":
        preferences = inner(event, "subscription", "newTopicPreferences")
        return "email_unsubscribed" if preferences.get("unsubscribeAll") is True else "other"
    return _TYPES.get(kind, "other")


def _people(kind: str, event: Event) -> list[str]:
    """The addresses it is about, each once, in order."""
    part, name = _PEOPLE.get(kind, ("mail", "destination"))
    told = inner(event, part).get(name)
    found = [
        mailbox(text(one.get("emailAddress") if isinstance(one, dict) else one))
        for one in (told if isinstance(told, list) else [])
    ]
    return list(dict.fromkeys(filter(None, found)))
