"""PURE: what the console knows of a lead, folded from events and touchpoints that may come in any order."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from relevo.events import (
    LeadAssigned,
    LeadMerged,
    LeadQualified,
    LeadScored,
    LeadUnmerged,
    LeadWaiting,
    TouchpointRecorded,
)
from relevo.events.base import LeadEvent
from relevo.events.leads import Score, Snapshot
from relevo.events.vocabulary import Stage

Known = dict[str, tuple[str, str]]  # field → (at as ISO 8601 in UTC, value)
_FIRST_COUNTS: Final = frozenset({"source", "campaign"})  # of these the earliest is kept, of all others the newest
_SEARCHED: Final = ("name", "email", "company", "domain")


@dataclass(frozen=True)
class Lead:
    lead_id: UUID
    first_at: datetime
    newest_at: datetime
    known: Known = field(default_factory=dict)
    search: str = ""
    cycle: int = 1
    stage: Stage = "lead"
    cell: str | None = None
    score: dict[str, Any] | None = None
    score_at: datetime | None = None
    level_until: datetime | None = None
    subjects: int = 0
    merged_into: UUID | None = None


def fold(lead: Lead, event: LeadEvent) -> Lead:
    """`lead` after one of its own events."""
    lead = replace(_seen(lead, event.at), cycle=max(lead.cycle, event.cycle))
    match event:
        case LeadScored():
            return _scored(lead, event.new, event.level_until, event.at)
        case LeadQualified():
            return _told(_scored(lead, event.score, event.level_until, event.at), event.snapshot, event.at)
        case LeadWaiting() | LeadAssigned():
            return _told(lead, event.snapshot, event.at)
        case LeadMerged():
            if event.lead_id == event.loser:
                return replace(lead, merged_into=event.survivor)
            return _told(lead, event.snapshot, event.at)
        case LeadUnmerged():
            if event.lead_id == event.loser:
                return replace(lead, merged_into=None)
            return _told(lead, event.snapshot, event.at)
    return lead


def fold_touchpoint(lead: Lead, touch: TouchpointRecorded) -> Lead:
    """`lead` after a touchpoint that is filed under it. A machine's touch shows no activity of the person."""
    lead = replace(lead, first_at=min(lead.first_at, touch.occurred_at))
    if not touch.machine:
        lead = _seen(lead, touch.occurred_at)
    return _learn(lead, touch.occurred_at, _facts_of_touchpoint(touch))


def fold_text(text: str) -> str:
    """`text` without case and accents, as names are searched."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in parts if not unicodedata.combining(c)).split())


def value(known: Known, name: str) -> str | None:
    return known[name][1] if name in known else None


def _seen(lead: Lead, at: datetime) -> Lead:
    return replace(lead, first_at=min(lead.first_at, at), newest_at=max(lead.newest_at, at))


def _scored(lead: Lead, score: Score, level_until: datetime | None, at: datetime) -> Lead:
    if lead.score_at is not None and lead.score_at > at:
        return lead
    told = score.model_dump(mode="json", exclude_none=True)
    return replace(lead, cell=score.cell, score=told, score_at=at, level_until=level_until)


def _told(lead: Lead, snapshot: Snapshot, at: datetime) -> Lead:
    return _learn(lead, at, _facts_of_snapshot(snapshot))


def _learn(lead: Lead, at: datetime, facts: Iterator[tuple[str, str | None]]) -> Lead:
    known = dict(lead.known)
    for name, told in facts:
        if told:
            heard = (at.isoformat(), told)
            choose = min if name in _FIRST_COUNTS else max
            known[name] = choose(known.get(name, heard), heard, key=lambda fact: (_moment(fact[0]), fact[1]))
    words = (known[name][1] for name in _SEARCHED if name in known)
    return replace(lead, known=known, search=fold_text(" ".join(words)))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _facts_of_snapshot(snapshot: Snapshot) -> Iterator[tuple[str, str | None]]:
    contact, company = snapshot.contact, snapshot.company
    yield "name", contact.full_name or " ".join(filter(None, (contact.first_name, contact.last_name)))
    yield "email", contact.email
    yield "phone", contact.phone
    yield "job_title", contact.job_title
    yield "language", contact.language
    yield "country", contact.country or company.country
    yield "company", company.name
    yield "domain", company.domain
    yield "employees", str(company.employees) if company.employees else None
    yield "industry", company.industry
    yield "source", snapshot.first_source
    yield "campaign", snapshot.campaign.name


def _facts_of_touchpoint(touch: TouchpointRecorded) -> Iterator[tuple[str, str | None]]:
    names = touch.names
    yield "name", names.full or " ".join(filter(None, (names.first, names.last)))
    yield "email", next((subject.value for subject in touch.subjects if subject.kind == "email"), None)
    yield "phone", touch.phone
    yield "company", touch.company.name
    yield "domain", touch.company.domain
    yield "source", touch.source
    yield "campaign", touch.campaign.name
