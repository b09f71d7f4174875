"""What HubSpot's webhooks say: its signature (version 3), and which answer a changed contact means.

https://developers.hubspot.com/docs/api/webhooks/validating-requests
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import orjson

from handoff.answer import Act
from handoff.sign import Forged, check_age
from relevo.events.vocabulary import RejectReason

# The values of HubSpot's own properties, and what a rep says by them.
MEANS: Final[Mapping[tuple[str, str], tuple[Act, RejectReason | None]]] = {
    ("hs_lead_status", "OPEN"): ("accept", None),
    ("hs_lead_status", "IN_PROGRESS"): ("accept", None),
    ("hs_lead_status", "ATTEMPTED_TO_CONTACT"): ("accept", None),
    ("hs_lead_status", "CONNECTED"): ("contacted", None),
    ("hs_lead_status", "OPEN_DEAL"): ("opportunity", None),
    ("hs_lead_status", "UNQUALIFIED"): ("reject", "other"),
    ("hs_lead_status", "BAD_TIMING"): ("reject", "no_need_now"),
    ("lifecyclestage", "salesqualifiedlead"): ("accept", None),
    ("lifecyclestage", "opportunity"): ("opportunity", None),
    ("lifecyclestage", "customer"): ("won", None),
}
MOST = 100  # changes in one request, by HubSpot's own word


@dataclass(frozen=True)
class Change:
    contact: str
    act: Act
    reason: RejectReason | None


def verify(secret: str, headers: Mapping[str, str], method: str, url: str, body: bytes) -> None:
    """`url` is the one HubSpot calls, as it is set up there. Raises Forged."""
    at = headers.get("x-hubspot-request-timestamp")
    check_age(at, per_second=1000)
    signed = f"{method}{unquote(url)}".encode() + body + (at or "").encode()
    ours = b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    given = headers.get("x-hubspot-signature-v3", "")
    if not given.isascii() or not hmac.compare_digest(ours, given):
        raise Forged("the signature is not this HubSpot app's")


def read(body: bytes) -> Iterator[Change]:
    """What of it answers; everything else is none of our business."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    for each in told[:MOST] if isinstance(told, list) else ():
        if not isinstance(each, dict) or each.get("subscriptionType") not in (
            "contact.propertyChange",
            "object.propertyChange",
        ):
            continue
        means = MEANS.get((str(each.get("propertyName")), str(each.get("propertyValue"))))
        if means is not None and each.get("objectId") is not None:
            yield Change(str(each["objectId"]), *means)
