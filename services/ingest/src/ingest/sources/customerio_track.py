"""Customer.io's Track API: people, their events and anonymous ones, in Segment's words. PURE.

https://docs.customer.io/integrations/api/track/. What comes *from* Customer.io by webhook is another source.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Refused, Request, Unusable
from ingest.json_body import parse
from ingest.registry import Source
from ingest.sources import segment
from ingest.sources.flatten import text
from relevo.events.touchpoints import Consent

CUSTOMERS = "/api/v1/customers/"
ADDRESSES = ("/api/v1/events", "/api/v1/merge_customers")

# An id may hold a slash, so the end of the address says what is asked for.
_OF_CUSTOMER = re.compile(r"(?P<who>.+?)(?:/(?P<what>events|suppress|unsuppress|devices(?:/[^/]+)?))?", re.DOTALL)
_EVENTS: Final = {"page": "page", "screen": "screen"}


def methods(path: str) -> tuple[str, ...]:
    """What may be asked of an address."""
    if not path.startswith(CUSTOMERS):
        return ("POST",)
    what = _parts(path)[1]
    if what is None:
        return ("PUT", "DELETE")
    if what.startswith("devices"):
        return ("PUT",) if what == "devices" else ("DELETE",)
    return ("POST",)


def write_key(request: Request) -> str | None:
    """The API key, the password beside the site's id, which may be anything."""
    return keys.basic(request)[1] or None


def verify(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic."""
    keys.verify(request, source, now, write_key)


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """The request's one touchpoint, or why it is none: its sender cannot mend it."""
    what, who = _asked(request)
    try:
        value, suspicious = parse(request.body) if request.body else ({}, False)
    except Unusable as unusable:
        return [Refused(unusable, request.body)]
    if not isinstance(value, dict):
        return [Refused(Unusable("Send one JSON object."), request.body)]
    call = _call(what, who, value)
    # What has a body of no meaning is told apart by what was asked.
    told = value if what in ("identify", "events", "merge_customers") else {what: value}
    occurred_at = lenient(value.get("timestamp" if what == "events" else "_timestamp"))
    outcome = segment.read(call, told, occurred_at, suspicious)
    if not isinstance(outcome, Draft):
        return [outcome]
    if value.get("unsubscribed") in (True, "true") and what == "identify":
        outcome = outcome._replace(consent=Consent(basis="none", at=now))
    return [outcome._replace(original_type=text(value.get("type")) or "event" if what == "events" else what)]


def _asked(request: Request) -> tuple[str, str | None]:
    """What is asked for, and of which customer."""
    if not request.path.startswith(CUSTOMERS):
        return request.path.rpartition("/")[2], None
    who, what = _parts(request.path)
    what = what or ("delete" if request.method == "DELETE" else "identify")
    return what.partition("/")[0], who


def _parts(path: str) -> tuple[str | None, str | None]:
    """The customer in an address, and what stands behind it."""
    match = _OF_CUSTOMER.fullmatch(path.removeprefix(CUSTOMERS))
    return (match["who"], match["what"]) if match is not None else (None, None)


def _call(what: str, who: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """As Segment would tell it."""
    if what == "identify":
        told = {name: value for name, value in body.items() if name not in ("anonymous_id", "_update", "_timestamp")}
        return {"type": "identify", "userId": who, "anonymousId": body.get("anonymous_id"), "traits": told}
    if what == "events":
        data = body["data"] if isinstance(body.get("data"), dict) else {}
        kind, name = _EVENTS.get(text(body.get("type")) or "", "track"), text(body.get("name"))
        is_address = kind == "page" and name is not None and "://" in name
        return {
            "type": kind,
            "event": name,
            "name": None if is_address else name,
            "messageId": body.get("id"),
            "userId": who,
            "anonymousId": body.get("anonymous_id"),
            "email": data.get("recipient"),  # an anonymous event may say to whom the message goes
            "properties": {"url": name, **data} if is_address else data,
        }
    if what == "suppress":
        return {"type": "track", "event": "Unsubscribed", "userId": who}
    primary = body["primary"] if what == "merge_customers" and isinstance(body.get("primary"), dict) else {}
    who = who or next((found for name in ("id", "email", "cio_id") if (found := text(primary.get(name)))), None)
    return {"type": what, "userId": who}
