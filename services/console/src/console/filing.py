"""PURE: which lead a touchpoint belongs to, as scoring said it; touchpoints may come before or after that was said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relevo.events import LeadIdentified, TouchpointRecorded


@dataclass(frozen=True)
class Filed:
    """Under which lead something belongs, since when."""

    lead_id: UUID
    at: datetime


@dataclass(frozen=True)
class Files:
    """What scoring said: subject → lead, and touchpoint → lead for those it named, which go before their subject."""

    subjects: Mapping[str, Filed]
    touchpoints: Mapping[UUID, Filed]

    def lead_of(self, touch: TouchpointRecorded) -> UUID | None:
        """The lead of a touchpoint; None until its subject is identified."""
        filed = self.touchpoints.get(touch.touchpoint_id) or self.subjects.get(touch.key())
        return filed.lead_id if filed else None


def file(known: Files, said: Iterable[LeadIdentified]) -> Files:
    """`known` with what was `said`. Of one subject or touchpoint the newest word counts, whatever order it came in."""
    subjects, touchpoints = dict(known.subjects), dict(known.touchpoints)
    for event in said:
        filed = Filed(event.lead_id, event.at)
        if event.subject_id not in subjects or subjects[event.subject_id].at <= event.at:
            subjects[event.subject_id] = filed
        for touchpoint_id in event.touchpoint_ids:
            if touchpoint_id not in touchpoints or touchpoints[touchpoint_id].at <= event.at:
                touchpoints[touchpoint_id] = filed
    return Files(subjects, touchpoints)
