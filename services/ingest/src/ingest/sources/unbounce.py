"""Unbounce: a page's form submissions, one a request. PURE.

https://documentation.unbounce.com/hc/en-us/articles/203510044-Using-a-Webhook: a form with the page's name and address,
and the answers as JSON, each in a list. Unbounce signs nothing: what proves it is a key in the address.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ingest import keys
from ingest.draft import Outcome, Request, Unusable
from ingest.json_body import flaw, parse
from ingest.registry import Source
from ingest.sources.flatten import flatten
from ingest.sources.form_body import fields
from ingest.sources.submission import Answer, Facts, submitted

verify = keys.verify_webhook

# What stands elsewhere in the touchpoint, or says nothing of the person.
_OWN = frozenset(
    "data.json data.xml page_id page_uuid page_name page_url ip_address date_submitted time_submitted".split()
)


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    told = fields(request)
    if "data.json" in told:
        told |= flatten(_answers(told["data.json"]))
    facts = Facts(
        occurred_at=_moment(f"{told.get('date_submitted')} {told.get('time_submitted')}"),
        form=told.get("page_name") or told.get("page_id"),
        url=told.get("page_url"),
    )
    answers = [Answer(name, value) for name, value in told.items() if name not in _OWN]
    return [submitted(answers, facts, request.body, source, now)]


def _answers(told: str) -> dict[str, Any]:
    value, suspicious = parse(told.encode())
    if suspicious and (because := flaw(value)) is not None:
        raise because
    if not isinstance(value, dict):
        raise Unusable("Its answers are a JSON object.", "data.json")
    return value


def _moment(told: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime(told, "%Y-%m-%d %I:%M %p UTC").replace(tzinfo=UTC)
    return None
