"""HubSpot's forms: contacts that a workflow sends when they have filled one in. PURE.

https://knowledge.hubspot.com/workflows/how-do-i-use-webhooks-with-hubspot-workflows: a contact with its properties, or
a body of the workflow's own; signed as `hubspot` says where the action has an app, else known by a key. A contact
comes with its latest submission, whose `conversion-id` is the event's; where it has none, HubSpot's own properties of
the latest conversion say when and what.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources import events, hubspot
from ingest.sources.events import Event, listed
from ingest.sources.flatten import text
from ingest.sources.submission import Facts, answers_of, submitted

verify = hubspot.verify


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, source=source, now=now))


def _draft(event: Event, source: Source, now: datetime) -> Draft:
    contact = hubspot.properties(event)
    if contact is None:  # the workflow's own body
        return submitted(answers_of(event), Facts(), event, source, now)
    latest = max(listed(event, "form-submissions"), key=_moment, default={})
    facts = Facts(
        event_id=text(latest.get("conversion-id")),
        occurred_at=lenient(latest.get("timestamp")) or lenient(contact.get("recent_conversion_date")),
        form=text(latest.get("title"))
        or text(latest.get("form-id"))
        or text(contact.get("recent_conversion_event_name")),
        url=text(latest.get("page-url")),
        title=text(latest.get("page-title")),
    )
    # A contact has hundreds of properties that HubSpot reckons by itself.
    own = {name: value for name, value in contact.items() if not name.startswith(("hs_", "recent_conversion_"))}
    draft = submitted(answers_of(own), facts, event, source, now)
    return draft._replace(user_id=hubspot.contact_id(event) or draft.user_id)


def _moment(submission: Event) -> float:
    at = lenient(submission.get("timestamp"))
    return at.timestamp() if at is not None else 0.0
