"""A form's answers as one touchpoint, the same for every tool that has forms. PURE."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ingest.campaign import of_fields
from ingest.dates import lenient
from ingest.draft import NOTHING, Draft
from ingest.registry import Source
from ingest.sources.events import said
from ingest.sources.flatten import flatten
from relevo.events.touchpoints import Consent
from relevo.meanings import CLICK_IDS, UTM, is_machinery, is_no, meanings, person, plain


class Answer(NamedTuple):
    """What was filled in: a field's name, or its question as people read it, and the value. `also`: what else the tool
    calls the field, so that `fields:` may too; `meaning`: what the tool knows it to be, by its type."""

    name: str
    value: str
    also: Sequence[str] = ()
    meaning: str | None = None


class Facts(NamedTuple):
    """What a tool says of a submission beside its answers; goes before what the answers say."""

    event_id: str | None = None
    occurred_at: datetime | None = None
    form: str | None = None
    url: str | None = None
    title: str | None = None
    agent: str | None = None
    campaign: Mapping[str, str] = NOTHING


def answers_of(values: Mapping[str, Any]) -> list[Answer]:
    """Of JSON that holds values by their fields' names, in any shape."""
    return [Answer(name, value) for name, value in flatten(values).items()]


def submitted(answers: Sequence[Answer], facts: Facts, told: Any, source: Source, now: datetime) -> Draft:
    """The draft of a submission; several answers of one name are joined by a comma."""
    fields: dict[str, str] = {}
    typed: dict[str, str] = {}
    known_as: dict[str, str] = {}
    for answer in answers:
        name = answer.name
        fields[name] = f"{fields[name]}, {answer.value}" if name in fields else answer.value
        known_as |= dict.fromkeys(answer.also, name)
        if answer.meaning is not None:
            typed.setdefault(answer.meaning, name)
    trapped = [name for name in source.honeypot if fields.pop(name, None)]
    mapping = {
        meaning: [*names, *(known_as[name] for name in names if name in known_as)]
        for meaning, names in source.fields.items()
    }
    mean = meanings(fields, mapping, typed)

    def of(meaning: str) -> str | None:
        return fields.get(mean[meaning]) if meaning in mean else None

    first, last, full = person(of("first_name"), of("last_name"), of("name"))
    consumed = {name for meaning, name in mean.items() if meaning != "consent"}
    at = facts.occurred_at or lenient(of("occurred_at"))
    return Draft(
        touch="form_submitted",
        told=told,
        event_id=facts.event_id or of("event_id"),
        email=of("email"),
        user_id=of("user_id"),
        anonymous_id=of("anonymous_id"),
        phone=of("phone"),
        first=first,
        last=last,
        full=full,
        company=of("company"),
        website=of("website"),
        what=said(
            form=facts.form or of("form") or source.name,
            url=facts.url or of("url"),
            title=facts.title or of("title"),
            text=of("message"),
        ),
        fields={
            name: value
            for name, value in fields.items()
            if name not in consumed and not is_machinery(name) and not _campaigns(name)
        },
        campaign={**facts.campaign, **of_fields({plain(name): value for name, value in fields.items()})},
        consent=_consent(of("consent"), at or now),
        occurred_at=at,
        agent=facts.agent,
        machine_because="it filled in a field that people do not see" if trapped else None,
        must_reach=True,
    )


def _campaigns(name: str) -> bool:
    low = plain(name)
    return low in UTM or low in CLICK_IDS


def _consent(value: str | None, at: datetime) -> Consent | None:
    """A ticked box is consent, given with the form."""
    if value is None:
        return None
    return Consent(basis="none" if is_no(value) else "consent", at=at)
