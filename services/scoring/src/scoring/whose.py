"""Decides whose touchpoints these are, and holds the locks of everybody concerned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from relevo.events import TouchpointRecorded, uuid7
from relevo.stream import Transaction
from scoring import queries, ties
from scoring.identity import Place, Resolution, resolve
from scoring.lead import Lead


@dataclass(frozen=True, slots=True)
class Whose:
    """The touchpoints with their leads, and those leads that exist, locked."""

    resolution: Resolution
    leads: Mapping[UUID, Lead]


async def decide(tx: Transaction, touchpoints: Sequence[TouchpointRecorded], *, wait: bool = True) -> Whose:
    """Nearly always three statements: read places, claim new subjects, lock leads. Each further round is the answer to
    somebody who tied a subject or moved a lead in the meantime; `queries` says in which order locks are taken. Who
    holds leads already may not `wait` for others."""
    begun: dict[str, UUID] = {}
    mine: dict[str, UUID] = {}
    leads: dict[UUID, Lead] = {}
    places = await ties.places(tx, {subject.subject_id for touch in touchpoints for subject in touch.subjects})
    while True:
        resolution = resolve(touchpoints, places, lambda subject: begun.setdefault(subject, uuid7()))
        unclaimed = {subject: tie for subject, tie in resolution.tied.items() if subject not in mine}
        if unclaimed:
            won = await ties.claim(tx, unclaimed, unclaimed.keys() & places.keys(), wait=wait and not leads)
            mine |= {subject: unclaimed[subject][1] for subject in won}
            if lost := unclaimed.keys() - won:
                places |= await ties.places(tx, lost)
                continue
        wanted = {place.lead_id for place in places.values() if place.lead_id is not None}
        missing = wanted - leads.keys()
        if not missing:
            break
        leads |= await queries.lock(tx, missing, wait=wait and not leads)
        gone = {subject for subject, place in places.items() if place.lead_id in missing and _moved(place, leads)}
        before = places
        places = _under_lock(before, leads) | (await ties.places(tx, gone) if gone else {})
        if places == before:
            break
    await ties.retie(tx, {s: end for s, (_, end) in resolution.tied.items() if mine[s] != end})
    return Whose(resolution, leads)


def _moved(place: Place, leads: Mapping[UUID, Lead]) -> bool:
    """Whether the subject may have left the lead while its lock was waited for: ask again where it is."""
    lead = leads.get(place.lead_id) if place.lead_id else None
    return lead is None or lead.partings != place.partings


def _under_lock(places: Mapping[str, Place], leads: Mapping[UUID, Lead]) -> dict[str, Place]:
    """Somebody may have identified a lead since its place was read."""
    known = {lead_id: lead.known_by for lead_id, lead in leads.items()}
    return {
        subject: replace(place, known_by=now)
        if place.lead_id and (now := known.get(place.lead_id, place.known_by)) != place.known_by
        else place
        for subject, place in places.items()
    }
