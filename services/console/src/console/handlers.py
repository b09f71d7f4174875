"""Kafka: every event is kept once, and folded into the read models of its lead."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from console import clocks, erasing, leads, store, trips
from console.clocks import Clock, SlaEvent
from console.filing import Files, file
from console.leads import Lead
from console.trips import Trip
from relevo.events import EVENTS, Event, LeadErased, LeadIdentified, TouchpointFailed, TouchpointRecorded
from relevo.events.base import LeadEvent
from relevo.events.slas import Clock as OfClock
from relevo.stream import Transaction, on

K = TypeVar("K")
V = TypeVar("V")


@on(*EVENTS.values())
async def keep(tx: Transaction, batch: Sequence[Event]) -> None:
    """Keep `batch`, file its touchpoints and those kept before, fold all into leads, trips and clocks."""
    await store.serialised(tx)
    events = await _not_erased(tx, batch)
    touches = [event for event in events if isinstance(event, TouchpointRecorded)]
    said = [event for event in events if isinstance(event, LeadIdentified)]
    before = await _files(tx, touches, said)
    files = file(before, said)
    await store.keep(
        tx, [(e, files.lead_of(e) if isinstance(e, TouchpointRecorded) else store.lead_of(e)) for e in events]
    )
    moved = await store.save_files(tx, said, files) if said else []
    filed = [(lead, touch) for touch in (*moved, *touches) if (lead := files.lead_of(touch)) is not None]
    own = [event for event in events if isinstance(event, LeadEvent)]
    untied = {known.lead_id for known in before.subjects.values()} if said else set()
    await _fold(tx, own, filed, untied)
    await erasing.erase(tx, [event for event in events if isinstance(event, LeadErased)])


async def _not_erased(tx: Transaction, batch: Sequence[Event]) -> list[Event]:
    """`batch` without what an erasure has forbidden to keep, however late it comes."""
    named = {lead for event in batch if (lead := store.lead_of(event)) is not None}
    subjects = {subject for event in batch for subject in _subjects(event)}
    erased = await store.erased(tx, named, subjects)
    return [event for event in batch if not _is_erased(event, erased)] if erased else list(batch)


def _lead_of(event: Event, files: Files) -> UUID | None:
    return files.lead_of(event) if isinstance(event, TouchpointRecorded) else store.lead_of(event)


def _subjects(event: Event) -> tuple[str, ...]:
    match event:
        case TouchpointRecorded():
            return (event.key(),)
        case TouchpointFailed():
            return event.subject_ids
        case LeadIdentified():
            return (event.subject_id,)
    return ()


def _is_erased(event: Event, erased: dict[str, datetime | None]) -> bool:
    if isinstance(event, TouchpointRecorded | TouchpointFailed):
        limits = [erased.get(subject) for subject in _subjects(event)]
        return any(limit is not None and event.received_at < limit for limit in limits)
    return str(store.lead_of(event)) in erased and not isinstance(event, LeadErased)


async def _files(tx: Transaction, touches: Sequence[TouchpointRecorded], said: Sequence[LeadIdentified]) -> Files:
    subjects = {touch.key() for touch in touches} | {event.subject_id for event in said}
    touchpoints = {touch.touchpoint_id for touch in touches} | {t for event in said for t in event.touchpoint_ids}
    if not subjects:
        return Files({}, {})
    return await store.files(tx, subjects, touchpoints)


async def _fold(
    tx: Transaction,
    events: Sequence[LeadEvent],
    filed: Sequence[tuple[UUID, TouchpointRecorded]],
    untied: Collection[UUID],
) -> None:
    """Load the rows these concern, fold, save. `untied`: leads that may have lost a subject."""
    concerned = {event.lead_id for event in events} | {lead for lead, _ in filed} | set(untied)
    if not concerned:
        return
    known = await store.load_leads(tx, concerned)
    journeys = await store.load_trips(tx, concerned)
    spoken = [event for event in events if isinstance(event, OfClock)]
    running = await store.load_clocks(tx, {event.clock_id for event in spoken}, concerned)
    loaded = dict(known), dict(journeys), dict(running)
    for event in events:
        lead = known.get(event.lead_id) or Lead(event.lead_id, first_at=event.at, newest_at=event.at)
        known[event.lead_id] = leads.fold(lead, event)
        key = (event.lead_id, event.cycle)
        journeys[key] = trips.fold(journeys.get(key) or Trip(*key, started_at=event.at), event)
    for lead_id, touch in filed:
        lead = known.get(lead_id) or Lead(lead_id, first_at=touch.occurred_at, newest_at=touch.occurred_at)
        known[lead_id] = leads.fold_touchpoint(lead, touch)
    _fold_clocks(running, spoken)
    for clock_id, clock in running.items():
        running[clock_id] = clocks.settle(clock, journeys.get((clock.lead_id, clock.cycle)))
    subjects = await store.subjects_of(tx, concerned)
    trips_of: defaultdict[UUID, list[Trip]] = defaultdict(list)
    for (lead_id, _), trip in journeys.items():
        trips_of[lead_id].append(trip)
    for lead_id, lead in known.items():
        known[lead_id] = _standing(lead, trips_of[lead_id], subjects[lead_id])
    await store.save(tx, _changed(loaded[0], known), _changed(loaded[1], journeys), _changed(loaded[2], running))


def _changed(loaded: dict[K, V], folded: dict[K, V]) -> list[V]:
    return [row for key, row in folded.items() if loaded.get(key) != row]


def _fold_clocks(running: dict[UUID, Clock], events: Sequence[OfClock]) -> None:
    for event in events:
        assert isinstance(event, SlaEvent)
        running[event.clock_id] = clocks.fold(running.get(event.clock_id) or clocks.opened(event), event)


def _standing(lead: Lead, journeys: Sequence[Trip], subjects: int) -> Lead:
    trip = trips.standing(journeys)
    return replace(lead, subjects=subjects, stage=trip.stage if trip else lead.stage)
