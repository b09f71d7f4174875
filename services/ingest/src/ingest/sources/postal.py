"""Postal: webhooks of messages, one event a request. PURE.

https://docs.postalserver.io/developer/webhooks; the signatures as Postal itself makes them: RSA (PKCS #1 v1.5) over the
body, `X-Postal-Signature-256` with SHA-256, `X-Postal-Signature` with SHA-1, by the key that the installation's DKIM
record shows. Where both are there the newer one counts.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, mailbox, said
from ingest.sources.flatten import text
from relevo.events.vocabulary import TouchpointType

_TYPES: Final[dict[str, TouchpointType]] = {
    "MessageSent": "email_delivered",  # the receiving server took it
    "MessageLoaded": "email_opened",
    "MessageLinkClicked": "email_clicked",
    "MessageDeliveryFailed": "email_bounced",  # for good; what may still work is MessageDelayed
    "MessageBounced": "email_bounced",
}


def verify(request: Request, source: Source, now: datetime) -> None:
    newer = request.headers.get(b"x-postal-signature-256")
    given = newer or request.headers.get(b"x-postal-signature", b"")
    try:
        signature = base64.b64decode(given, validate=True)
    except binascii.Error:
        raise Unauthentic from None
    hashed = SHA256() if newer else SHA1()  # noqa: S303 - older installations have no other
    if not any(_signed(key.value, signature, request.body, hashed) for key in source.secrets):
        raise Unauthentic


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    kind, payload = text(event.get("event")), inner(event, "payload")
    message = inner(payload, "message") or inner(payload, "original_message")
    if message.get("direction") == "incoming":
        raise Unusable("It is about a message to us.", "payload.message.direction")
    return Draft(
        touch=_TYPES.get(kind or "", "other"),
        told=event,
        event_id=text(event.get("uuid")),
        original_type=kind,
        email=mailbox(text(message.get("to"))),
        what=said(
            message_id=text(message.get("message_id")) or text(message.get("id")),
            subject_line=text(message.get("subject")),
            link=text(payload.get("url")),
        ),
        fields=said(
            tag=text(message.get("tag")),
            status=text(payload.get("status")),
            reason=text(payload.get("details")),
            answer=text(payload.get("output")),
        ),
        occurred_at=lenient(event.get("timestamp")),
        agent=text(payload.get("user_agent")),
    )


def _signed(key: bytes, signature: bytes, signed: bytes, hashed: SHA1 | SHA256) -> bool:
    public = _public_key(key)
    if public is None:
        return False
    try:
        public.verify(signature, signed, PKCS1v15(), hashed)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(key: bytes) -> RSAPublicKey | None:
    """From base64 as the DKIM record has it after `p=`, with or without the lines of a PEM file around it."""
    told = b"".join(line.strip() for line in key.splitlines() if not line.startswith(b"-----"))
    try:
        public = load_der_public_key(base64.b64decode(told.removesuffix(b";"), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, RSAPublicKey) else None
