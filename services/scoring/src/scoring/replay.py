"""What a playbook would have made of recorded touchpoints: each taken in again at the moment it was handled. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import groupby
from typing import NamedTuple
from uuid import UUID, uuid4

from relevo.events import TouchpointRecorded
from relevo.events.identity import STRENGTH
from relevo.playbook import Playbook
from scoring.batch import Judged, begin, say, step
from scoring.companies import company_of
from scoring.identity import Place, Resolved, resolve
from scoring.lead import REBUILD, Lead, OutcomeKind, disqualify, join, recycle
from scoring.score import Because, Judgement, rebuild


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
    kind: OutcomeKind
    cycle: int
    said_at: datetime
    until: datetime | None
    reason: str
    known_as: UUID
    touchpoint_id: UUID | None


class Joined(NamedTuple):
    """A person merged the lead of these subjects, `loser`, into the one of the subjects `beside`."""

    nr: int
    at: datetime
    lead_id: UUID
    loser: UUID
    subjects: frozenset[str]
    beside: frozenset[str]


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


class Into(NamedTuple):
    """What a merge by hand means to a replay, by the ids its leads have here."""

    survivor: UUID
    lost: tuple[UUID, ...]


Who = Resolved | Into | None


def same_people(steps: Sequence[Step]) -> list[Who]:
    """Who is who in these steps, for each of them; it does not depend on the playbook, so it is resolved once for all
    of them."""
    people: list[Who] = []
    places: dict[str, Place] = {}
    for by_hand, stretch in groupby(steps, lambda each: isinstance(each, Joined)):
        if by_hand:
            people += [_join(places, each) for each in stretch if isinstance(each, Joined)]
            continue
        told = list(stretch)
        found = resolve([each.touchpoint for each in told if isinstance(each, Heard)], places, lambda _: uuid4())
        resolved = iter(found.touchpoints)
        people += [next(resolved) if isinstance(each, Heard) else None for each in told]
        for subject, place in places.items():
            assert place.lead_id is not None
            lead_id = found.into.get(place.lead_id, place.lead_id)
            places[subject] = Place(lead_id, found.known_by[lead_id])
        places |= {subject: Place(lead_id, found.known_by[lead_id]) for subject, (_, lead_id) in found.tied.items()}
    return people


def _join(places: dict[str, Place], told: Joined) -> Into | None:
    """The subjects of both leads are of one from here on. None where a replay knows no subject of one of them."""
    lost = _leads_in(places, told.subjects)
    survivor = next((each for each in _leads_in(places, told.beside) if each not in lost), None)
    if survivor is None or not lost:
        return None
    theirs = {subject: place for subject, place in places.items() if place.lead_id in {survivor, *lost}}
    known_by = min((place.known_by for place in theirs.values()), key=STRENGTH.__getitem__)
    places.update(dict.fromkeys(theirs, Place(survivor, known_by)))
    return Into(survivor, lost)


def _leads_in(places: Mapping[str, Place], subjects: Iterable[str]) -> tuple[UUID, ...]:
    found = (places[each].lead_id for each in sorted(subjects) if each in places)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def replay(
    steps: Sequence[Step], people: Sequence[Who], playbook: Playbook, until: datetime
) -> tuple[list[WouldBe], int]:
    """The MQLs of these steps, which are all there is to know of one company, or of one lead without; and how often a
    rule failed. `steps` in the order they were handled, `people` as `same_people` found them."""
    story = _Story(playbook, steps, people)
    for each, who in zip(steps, people, strict=True):
        if not isinstance(each, Heard) or each.at > story.way.as_of:  # else it is of the same batch
            story.wait(each.at)
        if isinstance(who, Resolved):
            story.heard(who, each.at)
        elif isinstance(who, Into):
            story.joined(who, each.at)
        elif isinstance(each, Answered):
            story.answered(each)
    story.wait(until)
    return story.mqls, len(story.way.failed)


class _Story:
    """The leads of one replay as they now are, and its MQLs so far."""

    def __init__(self, playbook: Playbook, steps: Sequence[Step], people: Sequence[Who]) -> None:
        self.way = begin(playbook, datetime.min.replace(tzinfo=UTC), mqls_only=True)
        self.mqls: list[WouldBe] = []
        self._judged: dict[UUID, datetime] = {}
        self._due: list[tuple[datetime, UUID]] = []  # a heap
        self._tipped: dict[UUID, UUID | None] = {}
        self._today: dict[UUID, UUID] = {}
        self._lost: dict[UUID, UUID] = {}  # as it was known before somebody merged it
        self._of_today: defaultdict[UUID, dict[UUID, None]] = defaultdict(dict)
        for each, who in zip(steps, people, strict=True):
            if isinstance(each, Heard) and isinstance(who, Resolved):
                self._today[who.lead_id] = each.lead_id
                self._of_today[each.lead_id][who.lead_id] = None
            elif isinstance(each, Joined) and isinstance(who, Into):
                for lost in who.lost:
                    self._lost.setdefault(lost, each.loser)

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
        self.way.as_of = at
        step(self.way, resolved, fresh=True)
        self._judged_now(resolved.lead_id)

    def answered(self, told: Answered) -> None:
        """The trip ends of the one lead that sales was told of; here it may never have been given it."""
        given = [lead for lead in self._leads_of(told.lead_id) if lead.qualified_at is not None]
        by_name = [each for each in given if self._lost.get(each.lead_id, told.lead_id) == told.known_as]
        by_touch = [each for each in given if self._tipped.get(each.lead_id) == told.touchpoint_id]
        lead = next(iter(by_name or by_touch or given), None)
        if lead is None:
            return
        cycle = told.cycle if told.known_as == told.lead_id else lead.cycle
        ended = Ended(lead.lead_id, cycle, told.said_at, told.until, told.reason)
        after = recycle(lead, ended) if told.kind == "recycled" else disqualify(lead, ended)
        if after.version == REBUILD:
            self._judge(self._summed(after), told.at, "cool_down")

    def joined(self, into: Into, at: datetime) -> None:
        survivor = self.way.leads[into.survivor]
        for each in into.lost:
            lost = self.way.leads.pop(each)
            self.way.companies.leave(each)
            self.way.heard[survivor.lead_id] += self.way.heard.pop(each)
            survivor = self._judge(self._summed(join(survivor, lost, at)), at, "merge")

    def _leads_of(self, lead_id: UUID) -> list[Lead]:
        """The replay's leads that are this lead today."""
        return [self.way.leads[each] for each in self._of_today[lead_id] if each in self.way.leads]

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
                lead = each.judgement.lead
                self._tipped[lead.lead_id] = each.judgement.trigger.touchpoint_id
                today = self._today.get(lead.lead_id, lead.lead_id)
                self.mqls.append(WouldBe(today, lead.cycle, each.judgement, now))
        self.way.said.clear()
