"""Google Forms: a form's responses, sent by the script in our README, one a request. PURE.

https://developers.google.com/apps-script/guides/triggers/events: a script of the form has the response, one of the
sheet `namedValues`; both are read. Google signs nothing of it: what proves it is a key.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner
from ingest.sources.flatten import text
from ingest.sources.submission import Answer, Facts, answers_of, submitted

verify = keys.verify_webhook


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, source=source, now=now))


def _draft(event: Event, source: Source, now: datetime) -> Draft:
    told = inner(event, "answers") or inner(event, "namedValues")
    if not told:
        raise Unusable("It holds no answers.", "answers")
    facts = Facts(
        event_id=text(event.get("response_id")),
        occurred_at=lenient(event.get("submitted_at")),
        form=text(event.get("form")),
    )
    answers = answers_of(told)
    if (email := text(event.get("email"))) is not None:  # of the account, where the form collects it
        answers.append(Answer("account", email, meaning="email"))
    return submitted(answers, facts, event, source, now)
