"""SendGrid: the event webhook, a JSON array of events a request. PURE.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and, on its signature,
…/getting-started-event-webhook-security-features: ECDSA (P-256, SHA-256) over timestamp + body, the public key shown in
the webhook's settings as DER in base64. No age is refused: SendGrid names none, tries again for a day, and an event
sent twice is the same touchpoint.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, said
from ingest.sources.flatten import flatten, text
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "delivered": "email_delivered",
    "open": "email_opened",
    "click": "email_clicked",
    "bounce": "email_bounced",
    "spamreport": "email_complained",
    "unsubscribe": "email_unsubscribed",
    "group_unsubscribe": "email_unsubscribed",  # of one of several lists: the most cautious reading
}
# What stands elsewhere in the touchpoint, or says nothing of it. Whatever else there is the sender's customer added.
_OWN = frozenset(
    "email event timestamp sg_event_id sg_message_id smtp-id useragent url url_offset ip tls cert_err sg_user_id "
    "sg_machine_open pool sg_content_type".split()
)


def verify(request: Request, source: Source, now: datetime) -> None:
    timestamp = request.headers.get(b"x-twilio-email-event-webhook-timestamp", b"")
    given = request.headers.get(b"x-twilio-email-event-webhook-signature", b"")
    try:
        signature = base64.b64decode(given, validate=True)
    except binascii.Error:
        raise Unauthentic from None
    if not timestamp or not any(_signed(key.value, signature, timestamp + request.body) for key in source.secrets):
        raise Unauthentic


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    kind = text(event.get("event"))
    touch = _TYPES.get(kind or "", "other")
    if kind == "bounce" and event.get("type") == "blocked":
        touch = "other"  # refused this once; the address stands
    machine = str(event.get("sg_machine_open")).lower() == "true"
    return Draft(
        touch=touch,
        told=event,
        event_id=text(event.get("sg_event_id")),
        original_type=kind,
        email=text(event.get("email")),
        what=said(message_id=text(event.get("sg_message_id")), link=text(event.get("url"))),
        fields=flatten({name: value for name, value in event.items() if name not in _OWN}),
        occurred_at=lenient(event.get("timestamp")),
        agent=text(event.get("useragent")),
        machine_because="SendGrid says that a machine opened it (sg_machine_open)" if machine else None,
    )


def _signed(key: bytes, signature: bytes, signed: bytes) -> bool:
    public = _public_key(key)
    if public is None:
        return False
    try:
        public.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(key: bytes) -> EllipticCurvePublicKey | None:
    """From base64 as it is shown, with or without the lines of a PEM file around it."""
    told = b"".join(line.strip() for line in key.splitlines() if not line.startswith(b"-----"))
    try:
        public = load_der_public_key(base64.b64decode(told, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, EllipticCurvePublicKey) else None
