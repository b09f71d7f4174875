"""Meta Lead Ads: leads of Facebook's and Instagram's forms, of which only the ids come. PURE.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started: it asks before it sends, with a token of our
choice; then signs the body with the app's secret (HMAC-SHA256). https://developers.facebook.com/docs/marketing-api/
guides/lead-ads/retrieving: the lead itself is fetched with a Page's access token. Meta sends again for 36 hours, so
what is not to be had now is asked for again; a lead that Meta does not show is kept as failed, with its id.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from ingest.dates import lenient
from ingest.draft import Draft, Fetched, Get, Later, Outcome, Reply, Request, Unauthentic, Unusable, Wanted
from ingest.json_body import flaw, parse
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, listed, said
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac
from ingest.sources.submission import Answer, Facts, submitted

GRAPH = "https://graph.facebook.com"
_FIELDS = "created_time,field_data,form_id,ad_id,ad_name,campaign_id,campaign_name,platform,custom_disclaimer_responses"
_NO_SUCH_LEAD = 100  # an object that does not exist, or that this token may not see
_PLATFORMS: Final = {"fb": "facebook", "ig": "instagram"}


def handshake(request: Request, source: Source, now: datetime) -> Reply | None:
    asked = {name: values[0] for name, values in parse_qs(request.query.decode("latin-1")).items()}
    if request.method != "GET" or "hub.challenge" not in asked:
        return None
    if asked.get("hub.mode") != "subscribe" or not source.holds(asked.get("hub.verify_token", ""), now):
        raise Unauthentic
    return Reply(200, asked["hub.challenge"].encode(), ((b"content-type", b"text/plain"),))


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac(source, request.body, request.headers.get(b"x-hub-signature-256", b"").removeprefix(b"sha256="))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    body, suspicious = parse(request.body)
    if not isinstance(body, dict):
        raise Unusable("It holds no entries.", "entry")
    changes = [
        body | {"entry": [entry | {"changes": [change]}]}
        for entry in listed(body, "entry")
        for change in listed(entry, "changes")
    ]
    if not changes:
        raise Unusable("It holds no changes.", "entry")
    ids = {found for change in changes if (found := _id(change)) is not None and flaw(change) is None}
    missing = [get for each in sorted(ids) if (get := _get(each, source)).url not in request.fetched]
    if missing:
        raise Wanted(*missing)
    return events.each(changes, suspicious, partial(_draft, fetched=request.fetched, source=source, now=now))


def _id(body: Event) -> str | None:
    """Of the lead that a body of one change is about."""
    change = _change(body)
    found = text(inner(change, "value").get("leadgen_id")) if change.get("field") == "leadgen" else None
    return found if found and re.fullmatch(r"\d{1,30}", found, re.ASCII) else None


def _change(body: Event) -> Event:
    return listed(listed(body, "entry")[0], "changes")[0]


def _get(lead_id: str, source: Source) -> Get:
    assert source.token is not None  # the registry sees to it
    return Get(f"{GRAPH}/{lead_id}?fields={_FIELDS}", {"Authorization": f"Bearer {source.token.value.decode()}"})


def _draft(body: Event, fetched: Mapping[str, Fetched], source: Source, now: datetime) -> Draft:
    if (lead_id := _id(body)) is None:
        raise Unusable("It is about no lead: subscribe the page's field leadgen only.", "field")
    lead = _lead(fetched[_get(lead_id, source).url])
    facts = Facts(
        event_id=lead_id,
        occurred_at=lenient(lead.get("created_time")) or lenient(inner(_change(body), "value").get("created_time")),
        form=text(lead.get("form_id")),
        campaign=said(
            source=_PLATFORMS.get(str(lead.get("platform")), "facebook"),
            name=text(lead.get("campaign_name")),
            content=text(lead.get("ad_name")),
            ad_id=text(lead.get("ad_id")),
            campaign_id=text(lead.get("campaign_id")),
            lead_id=lead_id,
        ),
    )
    return submitted(_answers(lead), facts, body, source, now)


def _lead(answer: Fetched) -> Event:
    try:
        lead = json.loads(answer.body)
    except ValueError:
        raise Later("Meta answered with no JSON") from None
    if not isinstance(lead, dict) or flaw(lead) is not None:
        raise Later("Meta answered with no lead")
    if answer.status == 200:
        return lead
    code = inner(lead, "error").get("code")
    if code == _NO_SUCH_LEAD:
        raise Unusable("Meta has no such lead, or does not show it to the token's owner.", "leadgen_id")
    raise Later(f"Meta answered {answer.status}, code {text(code)}: see that the token is valid and may read leads")


def _answers(lead: Event) -> list[Answer]:
    told = {each.get("name"): ", ".join(filter(None, map(text, _values(each)))) for each in listed(lead, "field_data")}
    boxes = {
        each.get("checkbox_key"): "true" if each.get("is_checked") in ("1", 1, True, "true") else "false"
        for each in listed(lead, "custom_disclaimer_responses")
    }
    return [Answer(text(name) or "", value) for name, value in (told | boxes).items() if text(name) and value]


def _values(field: Event) -> list[Any]:
    values = field.get("values")
    return values if isinstance(values, list) else []
