"""What a playbook would have made of recorded touchpoints: each taken in again at the moment it was handled. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID, uuid4

from relevo.events import TouchpointRecorded
from relevo.events.leads import Snapshot
from relevo.playbook import Playbook
from scoring.batch import Judged, begin, say, step
from scoring.companies import company_of
from scoring.identity import Resolution, Resolved, resolve
from scoring.kept import Kind
from scoring.lead import REBUILD, Lead, disqualify, join, recycle
from scoring.score import Because, Judgement, rebuild
from scoring.tell import snapshot


class Heard(NamedTuple):
    """A touchpoint, and the lead it belongs to today."""

    nr: int
    at: datetime
    touchpoint: TouchpointRecorded
    lead_id: UUID


class Answered(NamedTuple):
    """Sales said something of a lead it was given, which was an MQL by `touchpoint_id`; `known_as` is the id it then
    had."""

    nr: int
    at: datetime
    lead_id: UUID
    kind: Kind
    cycle: int
    said_at: datetime
    until: datetime | None
    reason: str
    known_as: UUID
    touchpoint_id: UUID | None


class Joined(NamedTuple):
    """A person merged the lead of these subjects, `loser`, into another."""

    nr: int
    at: datetime
    lead_id: UUID
    loser: UUID
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
    story = _Story(playbook, steps, people)
    resolved = iter(people.touchpoints)
    for each in steps:
        if not isinstance(each, Heard) or each.at > story.way.as_of:  # else it is of the same batch
            story.wait(each.at)
        match each:
            case Heard():
                story.heard(next(resolved), each.at)
            case Answered():
                story.answered(each)
            case Joined():
                story.joined(each)
    story.wait(until)
    return story.mqls, len(story.way.failed)


class _Story:
    """The leads of one replay as they now are, and its MQLs so far."""

    def __init__(self, playbook: Playbook, steps: Sequence[Step], people: Resolution) -> None:
        self.way = begin(playbook, datetime.min.replace(tzinfo=UTC))
        self.mqls: list[WouldBe] = []
        self._into: dict[UUID, UUID] = {}  # merged by hand
        self._judged: dict[UUID, datetime] = {}
        self._due: list[tuple[datetime, UUID]] = []  # a heap
        self._tipped: dict[UUID, UUID | None] = {}
        self._today: dict[UUID, UUID] = {}
        self._then: dict[UUID, UUID] = {}  # as it was known before anybody merged it
        self._of_today: defaultdict[UUID, dict[UUID, None]] = defaultdict(dict)
        self._of_subject: dict[str, UUID] = {}
        told = (each for each in steps if isinstance(each, Heard))
        first = [each for each in reversed(steps) if isinstance(each, Joined)]
        losers = {subject: each.loser for each in first for subject in each.subjects}
        for each, found in zip(told, people.touchpoints, strict=True):
            self._today[found.lead_id] = each.lead_id
            self._then.setdefault(found.lead_id, losers.get(each.touchpoint.key(), each.lead_id))
            self._of_today[each.lead_id][found.lead_id] = None
            self._of_subject[each.touchpoint.key()] = found.lead_id

    def wait(self, now: datetime) -> None:
        """What the loop has judged by then, each at its moment, since what a lead is worth depends on its colleagues:
        companies whose group is newer, cool-downs that ended, clicks that settled."""
        while True:
            if self.way.companies.changed:
                self._company(self.way.companies.changed.pop())
            elif self._due and self._due[0][0] <= now:
                due, lead_id = heappop(self._due)
                lead = self.way.leads.get(lead_id)
                if lead is not None and lead.due_at(self._judged[lead_id]) == due:  # else something came before it
                    self._judge(lead, due, "cool_down")
            else:
                return

    def _company(self, company: str) -> None:
        for lead in list(self.way.leads.values()):
            if company_of(lead) == company and lead.qualified_at is None:
                self._judge(lead, self.way.as_of, "cell")

    def heard(self, resolved: Resolved, at: datetime) -> None:
        lead_id = self._here(resolved.lead_id)
        self.way.as_of = at
        step(self.way, resolved if lead_id == resolved.lead_id else replace(resolved, lead_id=lead_id), fresh=True)
        self._judged_now(lead_id)

    def answered(self, told: Answered) -> None:
        """The trip ends of the one lead that sales was told of; here it may never have been given it."""
        given = [lead for lead in self._leads_of(told.lead_id) if lead.qualified_at is not None]
        by_name = [each for each in given if self._then[each.lead_id] == told.known_as]
        by_touch = [each for each in given if self._tipped.get(each.lead_id) == told.touchpoint_id]
        lead = next(iter(by_name or by_touch or given), None)
        if lead is None:
            return
        cycle = told.cycle if told.known_as == told.lead_id else lead.cycle
        ended = Ended(lead.lead_id, cycle, told.said_at, told.until, told.reason)
        after = recycle(lead, ended) if told.kind == "recycled" else disqualify(lead, ended)
        if after.version == REBUILD:
            self._judge(self._summed(after), told.at, "cool_down")

    def joined(self, told: Joined) -> None:
        ids = dict.fromkeys(self._here(self._of_subject[each]) for each in told.subjects if each in self._of_subject)
        lost = [self.way.leads[each] for each in ids if each in self.way.leads]
        survivor = next((lead for lead in self._leads_of(told.lead_id) if lead.lead_id not in ids), None)
        for each in lost if survivor is not None else ():
            assert survivor is not None
            self.way.leads.pop(each.lead_id)
            self.way.companies.leave(each.lead_id)
            self._into[each.lead_id] = survivor.lead_id
            self.way.heard[survivor.lead_id] += self.way.heard.pop(each.lead_id)
            survivor = self._judge(self._summed(join(survivor, each, told.at)), told.at, "merge")

    def _here(self, lead_id: UUID) -> UUID:
        while lead_id in self._into:
            lead_id = self._into[lead_id]
        return lead_id

    def _leads_of(self, lead_id: UUID) -> list[Lead]:
        """The replay's leads that are this lead today."""
        ids = dict.fromkeys(self._here(each) for each in self._of_today[lead_id])
        return [self.way.leads[each] for each in ids if each in self.way.leads]

    def _summed(self, lead: Lead) -> Lead:
        return rebuild(lead, self.way.heard[lead.lead_id], self.way.playbook, self.way.failed)

    def _judge(self, lead: Lead, at: datetime, because: Because) -> Lead:
        self.way.as_of = at
        self.way.leads[lead.lead_id] = lead = say(self.way, lead, None, because)
        self._judged_now(lead.lead_id)
        return lead

    def _judged_now(self, lead_id: UUID) -> None:
        """Take down what was said, and when to judge it again."""
        now = self._judged[lead_id] = self.way.as_of
        due = self.way.leads[lead_id].due_at(now)
        if due is not None and due > now:
            heappush(self._due, (due, lead_id))
        for each in self.way.said:
            if isinstance(each, Judged) and each.judgement.trigger is not None:
                lead, known = each.judgement.lead, each.judgement.facts
                shown = snapshot(lead, known, (), self.way.playbook)
                self._tipped[lead.lead_id] = each.judgement.trigger.touchpoint_id
                today = self._today.get(lead.lead_id, lead.lead_id)
                self.mqls.append(WouldBe(today, lead.cycle, each.judgement, now, shown))
        self.way.said.clear()
