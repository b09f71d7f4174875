"""Tally: a form's responses, one a request. PURE.

https://tally.so/help/webhooks: HMAC-SHA256 of the body in base64, where the webhook has a signing secret.
"""

from collections.abc import Mapping, Sequence
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
from ingest.sources.submission import Answer, Facts, submitted

_MEANINGS: Final = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac_base64(source, request.body, request.headers.get(b"tally-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, source=source, now=now))


def _draft(event: Event, source: Source, now: datetime) -> Draft:
    data = inner(event, "data")
    if event.get("eventType") != "FORM_RESPONSE" or not data:
        raise Unusable("It is no form's response.", "eventType")
    facts = Facts(
        event_id=text(data.get("submissionId")) or text(data.get("responseId")),
        occurred_at=lenient(data.get("createdAt")) or lenient(event.get("createdAt")),
        form=text(data.get("formName")) or text(data.get("formId")),
    )
    answers = [answer for field in listed(data, "fields") for answer in _answers(field)]
    return submitted(answers, facts, event, source, now)


def _answers(field: Event) -> list[Answer]:
    kind, value = text(field.get("type")) or "", field.get("value")
    key = text(field.get("key")) or ""
    name = text(field.get("label")) or key
    if kind == "CHECKBOXES" and isinstance(value, bool):
        return []  # each box once more by itself: the question said which are ticked
    shown = {text(each.get("id")): text(each.get("text")) for part in _PARTS for each in listed(field, part)}
    if isinstance(value, dict):  # a matrix: by row
        rows = {f"{name}: {shown.get(row) or row}": _value(told, shown) for row, told in value.items()}
    else:
        rows = {name: _value(value, shown)}
    return [Answer(row, told, [key], _MEANINGS.get(kind)) for row, told in rows.items() if told]


_PARTS = ("options", "rows", "columns")


def _value(told: Any, shown: Mapping[str | None, str | None]) -> str | None:
    """Choices as they were shown, a file by its name, anything else as it is."""
    if isinstance(told, list):
        return ", ".join(filter(None, (_value(each, shown) for each in told))) or None
    if isinstance(told, dict):
        return text(told.get("name")) or text(told.get("url"))
    return shown.get(text(told)) or text(told)
