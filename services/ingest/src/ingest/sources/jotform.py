"""Jotform: a form's submissions, one a request, the answers as JSON within a form. PURE.

https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/ and https://api.jotform.com/docs/. Jotform signs
nothing: what proves it is a key in the address. A question is named `q3_fullName3`: its number, its name and, of older
forms, its number again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Outcome, Request, Unusable
from ingest.json_body import flaw, parse
from ingest.registry import Source
from ingest.sources.flatten import flatten, text
from ingest.sources.form_body import pairs
from ingest.sources.submission import Answer, Facts, submitted

verify = keys.verify_webhook

_QUESTION = re.compile(r"q(\d+)_(.+)", re.DOTALL)
_NAME_PARTS = {"first": "first_name", "last": "last_name"}
_PHONE_PARTS = ("country", "area", "phone")


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    told = dict(pairs(request))
    raw, suspicious = parse(told.get("rawRequest", "").encode())
    if suspicious and (because := flaw(raw)) is not None:
        raise because
    if not isinstance(raw, dict):
        raise Unusable("Its answers are a JSON object.", "rawRequest")
    facts = Facts(
        event_id=told.get("submissionID"),
        occurred_at=lenient(raw.get("submitDate")),
        form=told.get("formTitle") or told.get("formID"),
    )
    return [submitted(list(_answers(raw)), facts, request.body, source, now)]


def _answers(raw: Mapping[str, Any]) -> Iterator[Answer]:
    for key, value in raw.items():  # what has no number is the form's machinery
        if (question := _QUESTION.fullmatch(key)) is None:
            continue
        number, name = question.groups()
        name = name.removesuffix(number) or name
        for part, told in _parts(value).items():
            yield Answer(f"{name}.{part}" if part else name, told, [f"{key}.{part}" if part else key])


def _parts(value: Any) -> dict[str, str]:
    """By part: of a name its first and last, of a phone number its digits in one, of anything else what it has."""
    if not isinstance(value, dict):
        return flatten({"": value})
    if (number := text(value.get("full"))) is not None:
        return {"": number}
    if "phone" in value:
        return flatten({"": " ".join(filter(None, (text(value.get(part)) for part in _PHONE_PARTS)))})
    return flatten({_NAME_PARTS.get(part) or part: told for part, told in value.items()})
