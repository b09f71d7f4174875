"""Typeform: a form's responses, one a request. PURE.

https://www.typeform.com/developers/webhooks/example-payload/ and, on its signature, …/webhooks/secure-your-webhooks/:
HMAC-SHA256 of the body in base64, where the webhook has a secret. A response is known by its token; what was filled in
so far and not yet sent, by the same.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, listed
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac_base64
from ingest.sources.submission import Answer, Facts, answers_of, submitted

_MEANINGS: Final = {"email": "email", "phone_number": "phone"}
_PARTIAL = "form_response_partial"


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac_base64(source, request.body, request.headers.get(b"typeform-signature", b"").removeprefix(b"sha256="))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, source=source, now=now))


def _draft(event: Event, source: Source, now: datetime) -> Draft:
    kind, response = text(event.get("event_type")), inner(event, "form_response")
    if not response:
        raise Unusable("It holds no response.", "form_response")
    definition = inner(response, "definition")
    titles = dict(_titles(listed(definition, "fields")))
    answers = [found for told in listed(response, "answers") if (found := _answer(told, titles)) is not None]
    variables = {text(each.get("key")) or "": each.get(str(each.get("type"))) for each in listed(response, "variables")}
    facts = Facts(
        event_id=text(response.get("token")),
        occurred_at=lenient(response.get("submitted_at")),
        form=text(definition.get("title")) or text(response.get("form_id")),
    )
    more = answers_of(variables) + answers_of(inner(response, "hidden"))
    draft = submitted([*answers, *more], facts, event, source, now)
    if kind == _PARTIAL:  # the person has not sent it; the whole one may still come
        return draft._replace(touch="other", original_type=kind, event_id=f"{draft.event_id}:partial")
    return draft


def _titles(fields: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """Id and title of every question, those within groups too."""
    for field in fields:
        if (name := text(field.get("id"))) and (title := text(field.get("title"))):
            yield name, title
        yield from _titles(listed(inner(field, "properties"), "fields"))


def _answer(told: Event, titles: dict[str, str]) -> Answer | None:
    field, kind = inner(told, "field"), text(told.get("type")) or ""
    value = _value(told.get(kind))
    names = [name for name in (text(field.get("ref")), text(field.get("id"))) if name]
    if value is None or not names:
        return None
    return Answer(titles.get(names[-1]) or names[0], value, names, _MEANINGS.get(kind))


def _value(told: Any) -> str | None:
    """Of any answer; of choices their labels, and what was written beside them."""
    if not isinstance(told, dict):
        return text(told)
    labels = told.get("labels")
    chosen = [*(labels if isinstance(labels, list) else []), told.get("label"), told.get("other"), told.get("amount")]
    return ", ".join(filter(None, map(text, chosen))) or None
