"""HubSpot: CRM events of a contact, a batch a request, and contacts that a workflow sends. PURE.

https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide and, on its three signatures,
https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation. An event names
its contact by HubSpot's own id, so these ids have a namespace of their own.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unauthentic, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.address import called
from ingest.sources.events import Event, said
from ingest.sources.flatten import flatten, text
from ingest.sources.standard import in_time

_CONTACT = "0-1"  # HubSpot's id of the type
_NEWS = ("creation", "propertyChange", "restore")
_KNOWN = frozenset("email firstname lastname phone company website".split())
# As the page says: these are signed as they are, and called escaped.
_ESCAPED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def verify(request: Request, source: Source, now: datetime) -> None:
    """By the newest signature it bears: v3 where there is one, else v2 or v1 as `X-HubSpot-Signature-Version` says."""
    expected = _v3 if b"x-hubspot-signature-v3" in request.headers else _v1_or_v2
    given = request.headers.get(b"x-hubspot-signature-v3") or request.headers.get(b"x-hubspot-signature", b"")
    if expected is _v3:
        in_time(request.headers.get(b"x-hubspot-request-timestamp", b""), now, scale=0.001)
    if not any(hmac.compare_digest(expected(key.value, request, source), given) for key in source.secrets):
        raise Unauthentic


def _v3(secret: bytes, request: Request, source: Source) -> bytes:
    address = _ESCAPED.sub(lambda found: unquote(found[0]), called(request, source))
    at = request.headers.get(b"x-hubspot-request-timestamp", b"")
    signed = request.method.encode() + address.encode() + request.body + at
    return base64.b64encode(hmac.digest(secret, signed, "sha256"))


def _v1_or_v2(secret: bytes, request: Request, source: Source) -> bytes:
    place = b""
    if (request.header(b"x-hubspot-signature-version") or "").lower() == "v2":
        place = request.method.encode() + called(request, source).encode()
    return sha256(secret + place + request.body).hexdigest().encode()


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, _draft)


def _draft(event: Event) -> Draft:
    if (told := properties(event)) is not None:
        return _contact(told, event)._replace(original_type="workflow", user_id=contact_id(event))
    subject, _, what = (text(event.get("subscriptionType")) or "").partition(".")
    if subject != "contact" and event.get("objectTypeId") != _CONTACT:
        raise Unusable("It is not about a contact.", "subscriptionType")
    name = text(event.get("propertyName"))
    parts = (event.get(part) for part in ("eventId", "subscriptionId", "objectId", "occurredAt", "propertyName"))
    return _contact({name: event.get("propertyValue")} if name else {}, event)._replace(
        touch="identified" if what in _NEWS else "other",
        event_id=":".join(text(part) or "" for part in parts),  # HubSpot promises no unique eventId
        original_type=f"{subject}.{what}",
        user_id=text(event.get("objectId")),
        occurred_at=lenient(event.get("occurredAt")),
    )


def properties(event: Event) -> dict[str, Any] | None:
    """Of a whole contact, as a workflow sends it; older ones wrap each value. None where it is something else."""
    told = event.get("properties")
    if not isinstance(told, dict):
        return None
    return {name: value.get("value") if isinstance(value, dict) else value for name, value in told.items()}


def contact_id(event: Event) -> str | None:
    return text(event.get("vid")) or text(event.get("objectId"))


def _contact(told: Mapping[str, Any], event: Event) -> Draft:
    """What is known of a contact by the names of HubSpot's properties."""
    return Draft(
        touch="identified",
        told=event,
        email=text(told.get("email")),
        first=text(told.get("firstname")),
        last=text(told.get("lastname")),
        phone=text(told.get("phone")),
        company=text(told.get("company")),
        website=text(told.get("website")),
        fields=flatten({name: value for name, value in told.items() if name not in _KNOWN})
        | said(change_source=text(event.get("changeSource"))),
    )
