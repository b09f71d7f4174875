"""A lead as scoring keeps it: what its touchpoints sum up to, and where it is on its trips through the funnel."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from relevo.events.identity import STRENGTH, SubjectKind
from relevo.events.leads import PastOwner
from relevo.events.vocabulary import Grade, Level
from scoring.engagement import Decaying
from scoring.facts import Facts, strictest, value_of
from scoring.moments import micros
from scoring.rules import Fit

REBUILD: Final = ""  # no playbook has this version: whoever meets such a lead sums its touchpoints again

OutcomeKind = Literal["accepted", "rejected", "won", "lost", "recycled", "disqualified"]
"""What sales said of an MQL."""


class Standing(NamedTuple):
    """A lead's score; `relevo.events.leads.Score` says it to others."""

    persona: str | None
    grade: Grade
    level: Level
    fit: float
    engagement: float

    @property
    def cell(self) -> str:
        return f"{self.grade}{self.level}"


class HandRaise(NamedTuple):
    """The newest time in this cycle that the person asked for sales."""

    at: int
    touchpoint_id: str
    rule: str


class Click(NamedTuple):
    """A click in a mail that may yet turn out to be a machine's, with the points it gave, by signal."""

    at: int
    points: tuple[tuple[str, float], ...]


@dataclass(slots=True)
class Sums:
    """All that the touchpoints sum up to under one playbook. Mutable: folding in a touchpoint is the hot path.

    `clicks` are the newest ones, until nothing can prove them a machine's any more; `active` is the day (microseconds)
    of the last touchpoint by a person. `company`: when the people of its company, itself among them, were last active,
    newest first; read anew for each judgement, not kept.
    """

    facts: Facts = field(default_factory=dict)
    signals: dict[str, Decaying] = field(default_factory=dict)
    hand_raise: HandRaise | None = None
    fit: Fit | None = None
    clicks: tuple[Click, ...] = ()
    active: int | None = None
    company: tuple[int, ...] = ()

    def copy(self) -> "Sums":
        facts, signals = dict(self.facts), dict(self.signals)
        return Sums(facts, signals, self.hand_raise, self.fit, self.clicks, self.active, self.company)


class Held(NamedTuple):
    """It would be an MQL, if the clicks that made it one are a person's: judge it again then."""

    until: datetime
    touchpoint_id: UUID | None


@dataclass(frozen=True, slots=True)
class Disqualified:
    """Out of the funnel until `until`, or until one of `fields` is no longer what it was."""

    reason: str
    at: datetime
    until: datetime | None
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Lead:
    """`version` names the playbook it was summed under; `said` is the score that `lead.scored` told last.

    Signals and hand-raises count what occurred after `cycle_from` (None: everything). Before `cool_until` only a
    hand-raise qualifies it. `restricted`: what a merge by hand says of its consent, as of the merge. `partings` counts
    the unmerges that took subjects away from it. `chance`: that sales accepts this MQL, until it answers.
    """

    lead_id: UUID
    known_by: SubjectKind
    version: str
    sums: Sums = field(default_factory=Sums)
    cycle: int = 1
    cycle_from: datetime | None = None
    cool_until: datetime | None = None
    qualified_at: datetime | None = None
    disqualified: Disqualified | None = None
    said: Standing | None = None
    owners: tuple[PastOwner, ...] = ()
    restricted: Facts = field(default_factory=dict)
    partings: int = 0
    held: Held | None = None
    chance: float | None = None

    @property
    def cycle_from_micros(self) -> int:
        return micros(self.cycle_from) if self.cycle_from is not None else 0

    def due_at(self, as_of: datetime) -> datetime | None:
        """When to judge it again though nothing happens: a cool-down or disqualification ends, clicks have settled."""
        if self.disqualified is not None:
            return self.disqualified.until
        if self.held is not None:
            return self.held.until
        waits = self.qualified_at is None and self.cool_until is not None and self.cool_until > as_of
        return self.cool_until if waits else None


# What sales said was wrong → the facts that must change before the lead is looked at again (decisions.md, Answers).
_NAMED: Final[dict[str, tuple[str, ...]]] = {
    "wrong_size": ("company.employees",),
    "wrong_role": ("lead.job_title",),
    "competitor": ("company.domain", "company.name"),
    "existing_customer": ("company.is_customer", "company.domain"),
}


class Ending(Protocol):
    """What ends a lead's trip: `lead.recycled` or `lead.disqualified`, or one of them as it was kept."""

    @property
    def lead_id(self) -> UUID: ...
    @property
    def cycle(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def reason(self) -> str: ...


def recycle(lead: Lead, event: Ending) -> Lead:
    """The next cycle begins; the sums must be rebuilt, since signals now count from here."""
    if not _of_this_cycle(lead, event.lead_id, event.cycle):
        return lead
    return replace(
        lead,
        version=REBUILD,
        cycle=lead.cycle + 1,
        cycle_from=event.at,
        cool_until=event.until,
        qualified_at=None,
        disqualified=None,
        held=None,
        chance=None,
    )


def disqualify(lead: Lead, event: Ending) -> Lead:
    """Out of the funnel. The cycle stays closed; when it opens again, signals will count from here."""
    if not _of_this_cycle(lead, event.lead_id, event.cycle):
        return lead
    named = _NAMED.get(event.reason, ())
    blocked = Disqualified(
        event.reason, event.at, event.until, {name: value_of(lead.sums.facts, name) for name in named}
    )
    return replace(lead, version=REBUILD, cycle_from=event.at, disqualified=blocked, chance=None)


def settle(lead: Lead) -> Lead:
    """Sales has answered: the lead is judged again without what the learnt score guessed."""
    return lead if lead.chance is None else replace(lead, version=REBUILD, chance=None)


def _of_this_cycle(lead: Lead, told_of: UUID, cycle: int) -> bool:
    """An outcome of an earlier cycle comes too late. One of a lead that has since gone into this one ends the trip
    it brought along, whatever its number was."""
    return cycle == lead.cycle if told_of == lead.lead_id else lead.qualified_at is not None


def readmit(lead: Lead, as_of: datetime) -> Lead:
    """The next cycle of a disqualified lead, once its time is over or the facts in question have changed."""
    out = lead.disqualified
    if out is None:
        return lead
    over = out.until is not None and as_of >= out.until
    changed = any(value_of(lead.sums.facts, name) != was for name, was in out.fields.items())
    if not over and not changed:
        return lead
    return replace(lead, cycle=lead.cycle + 1, qualified_at=None, disqualified=None)


def owned(lead: Lead, owner: PastOwner) -> Lead:
    return lead if owner in lead.owners else replace(lead, owners=(*lead.owners, owner))


def absorb(survivor: Lead, lost: Lead) -> Lead:
    """The survivor with the other's trips: where they differ, the state that keeps a person from being handed over
    twice. The sums must be rebuilt from the touchpoints of both: totals are never added."""
    return replace(
        survivor,
        version=REBUILD,
        known_by=min(survivor.known_by, lost.known_by, key=STRENGTH.__getitem__),
        cycle=max(survivor.cycle, lost.cycle),
        cycle_from=_latest((survivor.cycle_from, lost.cycle_from)),
        cool_until=_latest((survivor.cool_until, lost.cool_until)),
        qualified_at=_latest((survivor.qualified_at, lost.qualified_at)),
        disqualified=survivor.disqualified or lost.disqualified,
        owners=(*survivor.owners, *(owner for owner in lost.owners if owner not in survivor.owners)),
        restricted=survivor.restricted | lost.restricted,
        chance=lost.chance if survivor.chance is None else survivor.chance,
    )


def join(survivor: Lead, lost: Lead, as_of: datetime) -> Lead:
    """A merge that a person asked for: as `absorb`, and of two consents the more restrictive one counts until somebody
    says something newer."""
    said = strictest(survivor.sums.facts, lost.sums.facts, as_of)
    merged = absorb(survivor, lost)
    return replace(merged, restricted=merged.restricted | said)


def part(survivor: Lead, before: Lead, merged: Lead, known_by: SubjectKind) -> Lead:
    """The survivor without what a merge brought it: `before` and `merged` are how it stood before and after that.

    What sales holds (owners, the open cycle) stays with it. What the merge changed and nothing has changed since goes
    back, so that its score is again that of its own touchpoints.
    """
    untouched = survivor.cycle_from == merged.cycle_from
    return replace(
        survivor,
        version=REBUILD,
        known_by=known_by,
        cycle_from=before.cycle_from if untouched else survivor.cycle_from,
        restricted={name: word for name, word in survivor.restricted.items() if merged.restricted.get(name) != word}
        | before.restricted,
    )


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)
