"""People of one company: when each of them was last active, so that several of them count as a buying group. Pure.

A company is known by its registrable domain, and a person by an address or a user id. Of each person only the day of
the last touchpoint counts: a group is an affair of weeks, and who clicks all day need not be told of all day.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from relevo.playbook import CompanySignal
from scoring.engagement import MICROSECONDS, Term, faded
from scoring.facts import value_of
from scoring.lead import Lead

DAY: Final = 86_400 * MICROSECONDS
MOST: Final = 50  # people of a company that are looked at: those active last


def company_of(lead: Lead) -> str | None:
    """Its domain, where we know who the lead is."""
    if lead.known_by == "anonymous":
        return None
    domain = value_of(lead.sums.facts, "company.domain")
    return domain if isinstance(domain, str) else None


@dataclass(slots=True)
class Companies:
    """Who of which company was active when, as the walk through a batch changes it. `changed`: companies whose people
    must be judged again, since their group is newer than it was."""

    signals: tuple[CompanySignal, ...]
    active: defaultdict[str, dict[UUID, int]] = field(default_factory=lambda: defaultdict(dict))
    where: dict[UUID, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    _newest: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def learn(self, people: Iterable[tuple[str, UUID, int]]) -> None:
        """What is known of them: (company, lead, last active)."""
        for company, lead_id, at in people:
            self._put(company, lead_id, at)

    def of(self, lead: Lead) -> tuple[int, ...]:
        """When the people of this lead's company were last active, newest first; takes in how the lead now is."""
        company = company_of(lead)
        if (before := self.where.get(lead.lead_id)) is not None and before != company:
            self.leave(lead.lead_id)
        if company is None or lead.sums.active is None:
            return ()
        if self.active[company].get(lead.lead_id) == lead.sums.active:
            return self._moments(company)
        moments = self._moments(company)
        groups = [since(signal, moments) for signal in self.signals]
        self._put(company, lead.lead_id, lead.sums.active)
        moments = self._moments(company)
        if [since(signal, moments) for signal in self.signals] != groups:
            self.changed.add(company)
        return moments

    def leave(self, lead_id: UUID) -> None:
        """It went into another lead, or to another company."""
        if (company := self.where.pop(lead_id, None)) is not None:
            self.active[company].pop(lead_id, None)
            self._newest.pop(company, None)

    def _put(self, company: str, lead_id: UUID, at: int) -> None:
        self.active[company][lead_id] = at
        self.where[lead_id] = company
        self._newest.pop(company, None)

    def _moments(self, company: str) -> tuple[int, ...]:
        found = self._newest.get(company)
        if found is None:
            found = self._newest[company] = tuple(sorted(self.active[company].values(), reverse=True)[:MOST])
        return found


def since(signal: CompanySignal, active: tuple[int, ...]) -> int | None:
    """When so many people as the signal asks for had all been active; None where they are fewer."""
    return active[signal.people - 1] if len(active) >= signal.people else None


def terms(lead: Lead, signals: Iterable[CompanySignal], as_of: int) -> dict[str, tuple[Term, int]]:
    """What the lead's company is worth to it at `as_of`, by signal id, and since when; in this cycle only."""
    found: dict[str, tuple[Term, int]] = {}
    for signal in signals:
        at = since(signal, lead.sums.company)
        if at is None or (lead.cycle_from is not None and at <= lead.cycle_from_micros):
            continue
        half_life = signal.half_life.total_seconds() * MICROSECONDS
        value = signal.points * faded(at, as_of, half_life)
        found[signal.id] = Term(value, half_life, abs(signal.points)), at
    return found
