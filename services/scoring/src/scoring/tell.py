"""From what changed to the events that say it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from relevo.events import (
    Event,
    LeadIdentified,
    LeadMerged,
    LeadQualified,
    LeadScored,
    LeadUnmerged,
    PlaybookStamp,
    TouchpointRecorded,
)
from relevo.events.leads import Score, Snapshot, TouchSummary
from relevo.playbook import Playbook
from scoring import facts
from scoring.batch import Absorbed, Identified, Judged, Parted, Said
from scoring.lead import Lead, Standing
from scoring.score import by_occurrence, contribution, weightiest

SHOWN: Final = 20  # touchpoints in a snapshot
_LINE, _TEXT = 500, 2_000  # characters of what somebody wrote: twenty touchpoints must stay one small record
_IDS: Final = 5_000  # touchpoint ids in one lead.identified: a record stays far below Kafka's limit of 1 MB

Recent = Mapping[UUID, Sequence[TouchpointRecorded]]


@dataclass(frozen=True, slots=True)
class Now:
    """When, under which agreement, and by whom the events are said."""

    at: datetime
    stamp: PlaybookStamp
    playbook: Playbook
    by: str = "system"


def incomplete(said: Iterable[Said]) -> set[UUID]:
    """Leads whose earlier touchpoints the events will have to show, and that are not at hand."""
    return {
        each.judgement.lead.lead_id
        for each in said
        if isinstance(each, Judged) and each.judgement.trigger is not None and not each.complete
    }


def events(said: Iterable[Said], recent: Recent, now: Now) -> list[Event]:
    """`recent`: the newest touchpoints from before this batch, of the leads that `incomplete` named.

    Each event is a microsecond later than the one before it: a subject that moves twice in a batch is spoken of in two
    partitions, and a reader must know which word is the newer one.
    """
    told: list[Event] = []
    for each in said:
        then = replace(now, at=now.at + timedelta(microseconds=len(told)))
        told += _events(each, recent, then)
    return told


def _events(said: Said, recent: Recent, now: Now) -> Iterator[Event]:
    match said:
        case Identified():
            for start in range(0, len(said.touchpoint_ids) or 1, _IDS):
                yield LeadIdentified(
                    **_head(said.lead, now, said.trace),
                    subject_id=said.subject_id,
                    subject_kind=said.kind,
                    from_lead_id=said.from_lead_id,
                    touchpoint_ids=said.touchpoint_ids[start : start + _IDS],
                )
        case Absorbed(trace=trace):
            yield from _both(LeadMerged, said, now, trace)
        case Parted():
            yield from _both(LeadUnmerged, said, now, None)
        case Judged():
            yield from _judged(said, recent, now)


def _both(
    kind: type[LeadMerged | LeadUnmerged], said: Absorbed | Parted, now: Now, trace: str | None
) -> Iterator[Event]:
    """One event under each of the two keys."""
    survivor, lost = said.survivor, said.lost
    shown = snapshot(survivor, survivor.sums.facts, said.heard, now.playbook)
    for lead in (survivor, lost):
        yield kind(
            **_head(lead, now, trace),
            merge_id=said.merge_id,
            survivor=survivor.lead_id,
            loser=lost.lead_id,
            snapshot=shown,
        )


def _judged(said: Judged, recent: Recent, now: Now) -> Iterator[Event]:
    judgement = said.judgement
    lead = judgement.lead
    if judgement.changed:
        yield LeadScored(
            **_head(lead, now, said.trace),
            old=_score(judgement.old) if judgement.old is not None else None,
            new=_score(judgement.new),
            reasons=tuple(map(contribution, weightiest(judgement.reasons))),
            level_until=judgement.level_until,
        )
    if judgement.trigger is not None:
        heard = said.heard if said.complete else (*said.heard, *recent.get(lead.lead_id, ()))
        yield LeadQualified(
            **_head(lead, now, said.trace),
            score=_score(judgement.new),
            level_until=judgement.level_until,
            trigger=judgement.trigger,
            contributions=tuple(map(contribution, judgement.reasons)),
            snapshot=snapshot(lead, judgement.facts, heard, now.playbook),
            earlier_owners=lead.owners,
        )


def _score(standing: Standing) -> Score:
    return Score(**standing._asdict())


def _head(lead: Lead, now: Now, trace: str | None) -> dict[str, Any]:
    return {
        "at": now.at,
        "by": now.by,
        "trace": trace,
        "lead_id": lead.lead_id,
        "cycle": lead.cycle,
        "playbook": now.stamp,
    }


def snapshot(lead: Lead, known: facts.Known, heard: Iterable[TouchpointRecorded], playbook: Playbook) -> Snapshot:
    """All a reader needs to know of the lead: `attributes` are the lead by the names that conditions use."""
    newest = sorted(heard, key=by_occurrence, reverse=True)[:SHOWN]
    return Snapshot(
        contact=facts.contact(known),
        company=facts.company_data(known),
        attributes=facts.variables(known, lead.known_by, playbook.company),
        consent=facts.consent(known),
        first_source=facts.value_of(known, "first_source"),
        campaign=facts.campaign(known),
        touchpoints=tuple(summary(touch) for touch in newest),
    )


def summary(touch: TouchpointRecorded) -> TouchSummary:
    """The touchpoint as snapshots show it."""
    what = touch.what
    return TouchSummary(
        touchpoint_id=touch.touchpoint_id,
        touch=touch.touch,
        source=touch.source,
        title=_cut(what.title or what.asset or what.event or what.subject_line or what.form, _LINE),
        url=_cut(what.url or what.link, _TEXT),
        text=_cut(what.text, _TEXT),
        machine=touch.machine,
        occurred_at=touch.occurred_at,
    )


def _cut(text: str | None, at_most: int) -> str | None:
    return text if text is None or len(text) <= at_most else text[: at_most - 1] + "…"
