"""Amazon SNS: the envelope of what a topic sends, its signature, and the handshake of a subscription. PURE.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html. Anybody may
have a topic, and AWS signs for all: a signature proves nothing but the topic, so the source names those that may send.
"""

import base64
import binascii
import re
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from ingest.draft import Get, Request, Unauthentic, Unusable, Wanted
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources.events import Event
from ingest.sources.flatten import text

_HOST = r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(rf"{_HOST}/SimpleNotificationService-[0-9a-f]{{8,64}}\.pem")
_SUBSCRIBE = re.compile(rf"{_HOST}/\?Action=ConfirmSubscription&[!-~]{{1,2000}}")
_HASHES = {"1": SHA1, "2": SHA256}
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def verify(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic unless AWS signed it for one of the source's topics; Wanted for AWS's certificate."""
    envelope, _ = parse(request.body)
    if not isinstance(envelope, dict) or envelope.get("TopicArn") not in source.topics:
        raise Unauthentic
    told = {name: value for name, value in envelope.items() if isinstance(value, str)}
    fields, version = _SIGNED.get(told.get("Type", "")), _HASHES.get(told.get("SignatureVersion", ""))
    address = told.get("SigningCertURL", "")
    if fields is None or version is None or _CERTIFICATE.fullmatch(address) is None:
        raise Unauthentic
    signed = "".join(f"{name}\n{told[name]}\n" for name in fields if name in told)
    if (pem := request.fetched.get(address)) is None:
        raise Wanted(Get(address, stays=True))
    certificate = _certificate(pem.body)
    if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Unauthentic
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise Unauthentic
    try:
        signature = base64.b64decode(told.get("Signature", ""), validate=True)
        key.verify(signature, signed.encode(), PKCS1v15(), version())
    except (InvalidSignature, binascii.Error):
        raise Unauthentic from None


def notified(envelope: Event, request: Request) -> str | None:
    """The message of a notification; None for what is SNS's own: a handshake, which is answered by visiting its
    address (`Wanted`), or the word that all is set up. Raises Unusable where it is neither."""
    kind = envelope.get("Type")
    if kind == "SubscriptionConfirmation":
        address = text(envelope.get("SubscribeURL")) or ""
        if _SUBSCRIBE.fullmatch(address) is None:
            raise Unusable("It names no address of SNS to confirm at.", "SubscribeURL")
        if (visited := request.fetched.get(address)) is None:
            raise Wanted(Get(address))
        if visited.status != 200:
            raise Unusable("SNS did not confirm the subscription: request it again in AWS.", "SubscribeURL")
        return None
    if kind == "UnsubscribeConfirmation":
        raise Unusable("The topic calls no more: subscribe it again if that was not meant.", "Type")
    message = envelope.get("Message")
    if kind != "Notification" or not isinstance(message, str):
        raise Unusable("No notification of SNS.", "Type")
    return None if message.startswith("Successfully validated SNS topic") else message


@lru_cache(maxsize=64)
def _certificate(pem: bytes) -> Certificate | None:
    try:
        return load_pem_x509_certificate(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
