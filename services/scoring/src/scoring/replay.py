"""What a playbook would have made of recorded touchpoints: each taken in again at the moment it was handled. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from relevo.events import TouchpointRecorded
from relevo.events.leads import Snapshot
from relevo.playbook import Playbook
from scoring.batch import Judged, Walk, begin, step
from scoring.companies import company_of
from scoring.identity import Resolution, resolve
from scoring.kept import Kind
from scoring.lead import REBUILD, Lead, disqualify, join, recycle
from scoring.score import Because, Judgement, judge, rebuild
from scoring.tell import snapshot


class Heard(NamedTuple):
    """A touchpoint, and the lead it belongs to today."""

    nr: int
    at: datetime
    touchpoint: TouchpointRecorded
    lead_id: UUID


class Answered(NamedTuple):
    """Sales ended a lead's trip: recycled or disqualified."""

    nr: int
    at: datetime
    lead_id: UUID
    kind: Kind
    cycle: int
    said_at: datetime
    until: datetime | None
    reason: str


class Joined(NamedTuple):
    """A person merged the lead of these subjects into another."""

    nr: int
    at: datetime
    lead_id: UUID
    subjects: frozenset[str]


Step = Heard | Answered | Joined


class Ended(NamedTuple):
    lead_id: UUID
    cycle: int
    at: datetime
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class WouldBe:
    """An MQL of a replay, under the id its lead has today."""

    lead_id: UUID
    cycle: int
    judgement: Judgement
    at: datetime
    snapshot: Snapshot


def same_people(steps: Sequence[Step]) -> Resolution:
    """Who is who in these steps; it does not depend on the playbook, so it is resolved once for all of them."""
    begun: dict[str, UUID] = {}
    touchpoints = [each.touchpoint for each in steps if isinstance(each, Heard)]
    return resolve(touchpoints, {}, lambda subject: begun.setdefault(subject, uuid4()))


def replay(steps: Sequence[Step], people: Resolution, playbook: Playbook, until: datetime) -> tuple[list[WouldBe], int]:
    """The MQLs of these steps, which are all there is to know of one company, or of one lead without; and how often a
    rule failed. `steps` in the order they were handled."""
    story = _Story(begin(playbook), steps, people)
    resolved = iter(people.touchpoints)
    for each in steps:
        story.way.as_of = each.at
        match each:
            case Heard():
                found = next(resolved)
                lead_id = story.here(found.lead_id)
                story.due(lead_id, each.at)
                step(story.way, replace(found, lead_id=lead_id), fresh=True)
                story.colleagues(lead_id)
            case Answered():
                story.answered(each)
            case Joined():
                story.joined(each)
        story.collect(each.at)
    for lead_id in list(story.way.leads):
        story.due(lead_id, until)
    return story.mqls, len(story.way.failed)


class _Story:
    """The leads of one replay, and the MQLs so far."""

    def __init__(self, way: Walk, steps: Sequence[Step], people: Resolution) -> None:
        self.way, self.people = way, people
        self.into: dict[UUID, UUID] = {}  # merged by hand
        self.mqls: list[WouldBe] = []
        self.today: dict[UUID, UUID] = {}
        subject_leads: defaultdict[UUID, set[UUID]] = defaultdict(set)
        heard = (each for each in steps if isinstance(each, Heard))
        for each, found in zip(heard, people.touchpoints, strict=True):
            self.today[found.lead_id] = each.lead_id
            subject_leads[each.lead_id].add(found.lead_id)
        self.of_today: Mapping[UUID, set[UUID]] = subject_leads

    def here(self, lead_id: UUID) -> UUID:
        while lead_id in self.into:
            lead_id = self.into[lead_id]
        return lead_id

    def _leads_of(self, lead_id: UUID) -> list[Lead]:
        """The replay's leads that are this lead today."""
        ids = dict.fromkeys(self.here(each) for each in self.of_today.get(lead_id, ()))
        return [self.way.leads[each] for each in ids if each in self.way.leads]

    def due(self, lead_id: UUID, before: datetime) -> None:
        """What the background would have judged by then: cool-downs that end, clicks that settle."""
        lead = self.way.leads.get(lead_id)
        for _ in range(10):
            at = lead.due_at(lead.cool_until or before) if lead is not None and lead.held is None else None
            if lead is not None and lead.held is not None:
                at = lead.held.until
            elif lead is not None and lead.cool_until is not None and lead.qualified_at is None:
                at = lead.cool_until if lead.cool_until > self.judged.get(lead_id, lead.cool_until.min) else at
            if lead is None or at is None or at >= before:
                return
            lead = self._judge(lead, at, "cool_down")

    def answered(self, told: Answered) -> None:
        for lead in self._leads_of(told.lead_id):
            if lead.qualified_at is None:  # sales was never given it here
                continue
            ended = Ended(lead.lead_id, told.cycle, told.said_at, told.until, told.reason)
            after = recycle(lead, ended) if told.kind == "recycled" else disqualify(lead, ended)
            if after.version == REBUILD:
                heard = self.way.heard[lead.lead_id]
                self._judge(rebuild(after, heard, self.way.playbook, self.way.failed), told.at, "cool_down")
