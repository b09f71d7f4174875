"""Webflow: a site's form submissions, one a request, in both versions of its API. PURE.

https://developers.webflow.com/data/reference/webhooks/events/form-submission and, on its signature,
https://developers.webflow.com/data/docs/working-with-webhooks: HMAC-SHA256 of `timestamp:body` in hexadecimal under the
app's client secret, or the webhook's own; five minutes at most. Webhooks of an older dashboard bear none.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac
from ingest.sources.standard import in_time
from ingest.sources.submission import Facts, answers_of, submitted


def verify(request: Request, source: Source, now: datetime) -> None:
    at = request.headers.get(b"x-webflow-timestamp", b"")
    in_time(at, now, scale=0.001)
    by_hmac(source, at + b":" + request.body, request.headers.get(b"x-webflow-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, source=source, now=now))


def _draft(event: Event, source: Source, now: datetime) -> Draft:
    told = inner(event, "payload") if "triggerType" in event else event  # v1 has no envelope
    if event.get("triggerType", "form_submission") != "form_submission" or not inner(told, "data"):
        raise Unusable("It is no form's submission.", "triggerType")
    facts = Facts(
        event_id=text(told.get("id")) or text(told.get("_id")),
        occurred_at=lenient(told.get("submittedAt")) or lenient(told.get("d")),
        form=text(told.get("name")),
        url=text(told.get("pageUrl")),
    )
    return submitted(answers_of(inner(told, "data")), facts, event, source, now)
