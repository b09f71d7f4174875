"""Whose touchpoint is it: subjects to leads, decided here and nowhere else. Pure.

- The strongest subject of a touchpoint (e-mail, else user id, else anonymous id) says whose it is. It ties the weaker
  ones to its lead: those not tied yet, and those whose lead is known by weaker identifiers only. Such a lead goes into
  the stronger one as a whole, with every subject and touchpoint: a visitor turned out to be somebody we know.
- A weaker subject that is tied to somebody as well known stays there: the device is shared, and two identified people
  are never merged by a machine. The touchpoint still counts for its strongest subject.
- An unknown e-mail (or user id) takes over the lead of the visitor it is seen with: the same person, now with a name.
- An office's address (`info@`) or a plus-tagged one is an identifier of its own and ties nothing.
- What was received before a person's erasure is dropped; a subject erased since then is not tied again by it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.events.identity import STRENGTH, SubjectKind, ties
from relevo.events.touchpoints import Subject


@dataclass(frozen=True, slots=True)
class Place:
    """What we know of a subject: its lead, that lead's strongest identifier and how often an unmerge took subjects
    away from it; and until when the subject was erased."""

    lead_id: UUID | None
    known_by: SubjectKind = "anonymous"
    erased_before: datetime | None = None
    partings: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """One touchpoint and its lead. Before it counts, `absorbs` go into that lead, and `tied` subjects join it.

    `shared`: it also names somebody else's subject, so that a reader cannot tell from its subjects whose it is.
    """

    touchpoint: TouchpointRecorded
    lead_id: UUID
    absorbs: tuple[UUID, ...]
    tied: tuple[Subject, ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """A batch of touchpoints with their leads, in their order; those of erased people are left out."""

    touchpoints: tuple[Resolved, ...]
    known_by: Mapping[UUID, SubjectKind]
    into: Mapping[UUID, UUID]
    """Each absorbed lead, with the one it ended in."""
    tied: Mapping[str, tuple[SubjectKind, UUID]]
    """Each subject that had no lead, by id: its kind, and the lead it ended at."""

    @property
    def leads(self) -> frozenset[UUID]:
        return frozenset(self.known_by)


def resolve(
    touchpoints: Sequence[TouchpointRecorded], places: Mapping[str, Place], new_lead: Callable[[str], UUID]
) -> Resolution:
    """One touchpoint after the other, as if each came alone. `places` by subject id, of every subject somebody has;
    `new_lead(subject_id)` is the id for a lead that begins with this subject."""
    lead_of = {subject: place.lead_id for subject, place in places.items() if place.lead_id is not None}
    known_by = {place.lead_id: place.known_by for place in places.values() if place.lead_id is not None}
    into: dict[UUID, UUID] = {}
    kinds: dict[str, SubjectKind] = {}

    def owner_of(subject: Subject) -> UUID | None:
        found = lead_of.get(subject.subject_id)
        return None if found is None else _end(into, found)

    def less_known(lead_id: UUID, than: SubjectKind) -> bool:
        return STRENGTH[known_by[lead_id]] > STRENGTH[than]

    def one(touch: TouchpointRecorded) -> Resolved | None:
        principal, *weaker = touch.subjects
        if _erased(principal, places, touch):
            return None
        owner = owner_of(principal)
        if owner is not None and not weaker and principal.kind == known_by[owner]:
            return Resolved(touch, owner, (), (), False)  # as nearly all are
        tieable = _tieable(principal, weaker, places, touch)
        joining = [] if owner else [principal]
        if owner is None:
            found = (owner_of(subject) for subject in tieable)
            visitor = next((lead for lead in found if lead and less_known(lead, than=principal.kind)), None)
            owner = visitor or new_lead(principal.subject_id)
        absorbs = []
        for subject in tieable:
            other = owner_of(subject)
            if other is None:
                joining.append(subject)
                lead_of[subject.subject_id] = owner
            elif other != owner and less_known(other, than=principal.kind):
                absorbs.append(other)
                into[other] = owner
        lead_of[principal.subject_id] = owner
        kinds.update((subject.subject_id, subject.kind) for subject in joining)
        known_by[owner] = min(known_by.get(owner, principal.kind), principal.kind, key=STRENGTH.__getitem__)
        shared = any(owner_of(subject) not in (None, owner) for subject in weaker)
        return Resolved(touch, owner, tuple(absorbs), tuple(joining), shared)

    resolved = tuple(found for touch in touchpoints if (found := one(touch)) is not None)
    return Resolution(
        resolved,
        known_by,
        {lost: _end(into, lost) for lost in into},
        {subject: (kind, _end(into, lead_of[subject])) for subject, kind in kinds.items()},
    )


def _end(into: Mapping[UUID, UUID], lead_id: UUID) -> UUID:
    while lead_id in into:
        lead_id = into[lead_id]
    return lead_id


def _erased(subject: Subject, places: Mapping[str, Place], touch: TouchpointRecorded) -> bool:
    place = places.get(subject.subject_id)
    return place is not None and place.erased_before is not None and touch.received_at < place.erased_before


def _tieable(
    principal: Subject, weaker: Sequence[Subject], places: Mapping[str, Place], touch: TouchpointRecorded
) -> list[Subject]:
    if not weaker or (principal.kind == "email" and not ties(principal.value)):
        return []
    return [subject for subject in weaker if subject.kind != "email" and not _erased(subject, places, touch)]
