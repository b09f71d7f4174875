"""PURE: what the playbook promises a lead, and in whose hours. The first policy of a clock whose condition holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from relevo.calendar import Calendar
from relevo.events import LeadQualified, PlaybookStamp
from relevo.events.vocabulary import ClockKind
from relevo.playbook import Activation, Playbook, Policy, RuleFailed, Verdict, mql_values
from sla_monitor.clock import Promise, Rung


class Owner(Struct, frozen=True):
    """Whose lead it is. `calendar`: the rep's, as handoff named it, for a rep this playbook does not know (yet)."""

    team: str
    rep: str | None = None  # None: it waits
    calendar: str | None = None


class Terms(Struct, frozen=True):
    """What a clock runs under: the promise, and the id of the calendar that counts its time."""

    promise: Promise
    calendar: str


@dataclass(frozen=True)
class Agreement:
    """The active playbook, and earlier ones under which clocks were counted, by version.

    `failed` collects the rules that could not be answered: they count as not holding, and the caller counts them.
    """

    stamp: PlaybookStamp
    playbook: Playbook
    earlier: Mapping[str, Playbook] = field(default_factory=dict)
    failed: list[RuleFailed] = field(default_factory=list)
    _promises: dict[str, Promise] = field(default_factory=dict, repr=False)  # by policy, in plain times

    def calendar(self, version: str, name: str) -> Calendar | None:
        """A calendar as it was agreed under that version; None where nobody knows it."""
        book = self.playbook if version == self.stamp.version else self.earlier.get(version)
        try:
            return book.sla.calendar(name) if book is not None else None
        except KeyError:
            return None

    def about(self, values: Mapping[str, object]) -> Activation:
        """A lead, ready to be asked about by the policies' conditions."""
        return self.playbook.activation("mql", values, self.playbook.asked_by_policies)

    def terms(self, kind: ClockKind, about: Activation, owner: Owner) -> Terms | None:
        """None: nothing is promised to such a lead."""
        for policy in self.playbook.sla.policies_for(kind):
            verdict = policy.when.holds(about)
            if isinstance(verdict, RuleFailed):
                self.failed.append(verdict)
            elif verdict:
                if policy.id not in self._promises:
                    self._promises[policy.id] = promise_of(policy, self.playbook.sla.max_reassign)
                return Terms(self._promises[policy.id], self.hours(policy, owner))
        return None

    def hours(self, policy: Policy, owner: Owner) -> str:
        """Services take up a playbook at different moments, so a name may be unknown here: a rep's hours are then
        those handoff named, or else the team's."""
        if policy.calendar not in ("team", "rep"):
            return policy.calendar
        routing = self.playbook.routing
        team = routing.team(owner.team)
        if policy.calendar == "rep" and owner.rep is not None:
            rep = routing.rep(owner.rep)
            if team is not None and rep is not None:
                return routing.calendar_of(team, rep)
            if owner.calendar is not None and self.calendar(self.stamp.version, owner.calendar) is not None:
                return owner.calendar
        return team.calendar if team is not None else f"of team {owner.team}"


def is_complete(mql: LeadQualified, book: Playbook) -> Verdict:
    """Whether its data are what sales asked marketing for."""
    by_hand = mql.trigger.kind == "hand_raise"
    values = mql_values(mql.snapshot, mql.score, trigger=mql.trigger.id, hand_raise=by_hand)
    return book.sla.complete.holds(book.activation("mql", values))


def promise_of(policy: Policy, max_reassign: int) -> Promise:
    """The policy in plain times."""
    ladder = tuple(Rung(step.at.of(policy.target), step.do) for step in policy.ladder)
    return Promise(policy.id, policy.target, ladder, policy.target_of(2), max_reassign)
