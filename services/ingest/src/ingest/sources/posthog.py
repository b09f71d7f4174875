"""PostHog's capture API: one event, a list, or `batch`; `$` events and properties in Segment's words. PURE.

https://posthog.com/docs/api/capture. Feature flags are not answered: its SDKs send events without them.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from ingest import keys
from ingest.dates import corrected, lenient
from ingest.draft import Draft, Outcome, Refused, Request, Unusable
from ingest.json_body import parse, verbatim
from ingest.registry import Source
from ingest.sources import segment
from ingest.sources.flatten import text

ADDRESSES = tuple(f"{path}{end}" for path in ("/batch", "/capture", "/e", "/i/v0/e") for end in ("", "/"))

_CALLS: Final = {
    "$pageview": "page",
    "$screen": "screen",
    "$identify": "identify",
    "$set": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
}
_NOT_TOLD = ("api_key", "token", "sent_at")  # of an event that is a body of its own


def write_key(request: Request) -> str | None:
    """`api_key` (old SDKs: `token`) of the body, or of its first event."""
    try:
        value, _ = _body(request)
    except Unusable:
        return None
    events = value if isinstance(value, list) else [value]
    for event in events[:1]:
        if isinstance(event, dict):
            told = (event.get("api_key"), event.get("token"), _object(event, "properties").get("token"))
            return next((key for key in told if isinstance(key, str)), None)
    return None


def verify(request: Request, source: Source, now: datetime) -> None:
    """Raises Unauthentic."""
    keys.verify(request, source, now, write_key)


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """An outcome for each event, in order. A body that is no JSON is one Refused: its sender cannot mend it."""
    try:
        value, suspicious = _body(request)
    except Unusable as unusable:
        return [Refused(unusable, request.body)]
    batch = value.get("batch") if isinstance(value, dict) else value
    events = batch if isinstance(batch, list) else [value]
    sent_at = lenient(value.get("sent_at")) if isinstance(value, dict) else None
    return [_outcome(event, sent_at, now, suspicious) for event in events]


def _body(request: Request) -> tuple[Any, bool]:
    """The JSON, which beacons of pages pack in base64 as a form's field `data`. Raises Unusable."""
    if not request.body.startswith(b"data="):
        return parse(request.body)
    told = parse_qs(request.body.decode("latin-1"), max_num_fields=8).get("data", [""])[0]
    try:
        return parse(base64.b64decode(told, validate=True))
    except ValueError:  # plain JSON
        return parse(told.encode())


def _outcome(event: Any, sent_at: datetime | None, now: datetime, suspicious: bool) -> Outcome:
    if not isinstance(event, dict):
        return Refused(Unusable("An event is a JSON object."), verbatim(event))
    told = {name: value for name, value in event.items() if name not in _NOT_TOLD}
    outcome = segment.read(_call(event), told, _when(event, sent_at, now), suspicious)
    return outcome._replace(original_type=text(event.get("event"))) if isinstance(outcome, Draft) else outcome


def _call(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as Segment would tell it."""
    own = _object(event, "properties")
    name = text(event.get("event"))
    call = _CALLS.get(name or "", "track")
    user, anonymous = _who(event, own)
    known = {
        **_object(event, "$set_once"),
        **_object(own, "$set_once"),
        **_object(event, "$set"),
        **_object(own, "$set"),
    }
    return {
        "type": call,
        "event": name,
        "name": text(own.get("$screen_name")),
        "messageId": event.get("uuid"),
        "userId": user,
        "anonymousId": anonymous,
        "traits": _object(own, "$group_set") if call == "group" else known,
        "properties": {
            name: value
            for name, value in own.items()
            if name[:1] != "$" and name not in ("token", "distinct_id", "alias")
        },
        "context": {
            "page": {"url": own.get("$current_url"), "title": own.get("title") or own.get("$title")},
            "locale": own.get("$browser_language"),
            "userAgent": own.get("$raw_user_agent"),
            "traits": known,
        },
    }


def _who(event: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """User and anonymous id. A visitor's `distinct_id` is that of the device until it is identified; a server's is its
    user's, unless it asks for no profile. `$anon_distinct_id` and `alias` are who it was before; a group is nobody."""
    told = text(event.get("distinct_id")) or text(own.get("distinct_id")) or text(own.get("$distinct_id"))
    device = text(own.get("$device_id"))
    if own.get("$process_person_profile") is False or own.get("$is_identified") is False or told == device:
        return None, told
    if told is not None and told == f"${own.get('$group_type')}_{own.get('$group_key')}":
        return None, None
    return told, text(own.get("$anon_distinct_id")) or text(own.get("alias")) or device


def _when(event: Mapping[str, Any], sent_at: datetime | None, now: datetime) -> datetime | None:
    offset = event.get("offset")  # pages tell milliseconds since, which no wrong clock spoils
    if isinstance(offset, int) and 0 <= offset < 10**12:
        return now - timedelta(milliseconds=offset)
    return corrected(lenient(event.get("timestamp")), sent_at, now)


def _object(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
