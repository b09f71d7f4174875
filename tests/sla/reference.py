"""The promises of one lead, counted minute by minute: slow and obvious. It shares no code with what it checks.

A minute counts where the clock on the wall shows an opening hour and nothing is paused. All else is a rule of the
agreement, written down once more. Fewer than 150 lines of code.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from tests.sla.world import HORIZON, OPEN, REPS, TEAMS, Fact, Policy, Standing, Terms

CONTACT = {"contacted", "opportunity", "won", "lost"}
KEPT = {
    "wait": {"assigned"}, "answer": {"accepted", "rejected"} | CONTACT, "first_contact": CONTACT,
    "outcome": {"opportunity", "won", "lost", "rejected"},
}  # fmt: skip
VOID = {"wait": {"rejected"}, "answer": {"assigned", "waiting"}, "first_contact": {"rejected"}, "outcome": {""}}
NEVER = 10**9


Pauses = tuple[tuple[int, int], ...]


def is_paused(pauses: Pauses, minute: int) -> bool:
    return any(begin <= minute < end for begin, end in pauses)


def passes(hours: str, pauses: Pauses, since: int, until: int) -> int:
    return sum(OPEN[hours][minute] and not is_paused(pauses, minute) for minute in range(since, until))


@lru_cache(maxsize=1000)
def reached(hours: str, pauses: Pauses, since: int, counted: int, after: int) -> int:
    """The first minute by which so much has passed; what a change made due: then, or when no pause is on."""
    count = counted
    for minute in range(since, HORIZON):
        if count >= after and (after > counted or not is_paused(pauses, minute)):
            return minute
        count += OPEN[hours][minute] and not is_paused(pauses, minute)
    return NEVER  # it stands still


@dataclass
class Clock:
    kind: str
    start: int
    version: int
    standing: Standing
    policy: Policy
    most: int  # times that a step may take it from a rep
    hours: str
    counted: int = 0  # settled at the latest change of policy or hours
    since: int = 0  # when that was
    pauses: Pauses = ()
    fired: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # key → event, when it was due, whether a breach
    state: str = "running"
    closed: int = NEVER
    told: int = NEVER

    def elapsed(self, at: int) -> int:
        if at < self.since:  # the hours of that time are forgotten: by today's, at most what was settled
            return min(self.counted, passes(self.hours, self.pauses, self.start, at))
        return self.counted + passes(self.hours, self.pauses, self.since, at)

    def due(self, after: int) -> int:
        return reached(self.hours, self.pauses, self.since, self.counted, after)

    @property
    def goal(self) -> int:
        return self.policy.again if self.kind == "answer" and self.version > 1 else self.policy.target

    def act(self, do: str | None) -> str | None:
        if do in ("reassign", "fallback") and (self.standing.contacted or self.standing.manager):
            return "warn_manager"
        return "fallback" if do == "reassign" and self.standing.tries >= self.most else do

    def whose(self) -> tuple[str, int, str | None]:
        return self.kind, self.standing.version, self.standing.rep


class Lead:
    def __init__(self, terms: Terms, mql: int) -> None:
        self.terms, self.mql, self.standing, self.team, self.employees = terms, mql, Standing(), "", 0
        self.clocks: dict[tuple[str, int], Clock] = {}
        self.said: list[tuple[Any, ...]] = []

    def agree(self, terms: Terms, now: int) -> None:
        self.terms = terms
        for clock in self.clocks.values():
            self.promise(clock, now)
            self.tell(clock)

    def hear(self, fact: Fact) -> None:
        arrived = fact.kind == "waiting" or (fact.kind == "assigned" and fact.version > self.standing.version)
        if arrived:
            self.team, self.employees = fact.team, fact.employees
        self.standing = after(self.standing, fact)
        for clock in self.clocks.values():
            if arrived and clock.state == "running":
                clock.pauses = resumed(clock.pauses, fact.at)
            self.rule(clock, fact)
            if arrived:
                self.promise(clock, fact.at)
            self.tell(clock)
        first = "wait" if fact.kind == "waiting" else "answer"
        for kind in (first, "first_contact", "outcome") if arrived else ():
            key, start = ((kind, self.standing.version), fact.at) if kind == first else ((kind, 0), self.mql)
            policy = self.policy(kind)
            if policy and key not in self.clocks:
                agreed = (policy, self.terms.most, self.hours(policy))
                self.clocks[key] = Clock(kind, start, self.standing.version, self.standing, *agreed, since=start)
                self.tell(self.clocks[key])

    def look(self, now: int) -> None:
        for clock in self.clocks.values():
            for after_, index, do, key in clock.policy.steps(clock.goal) if clock.state == "running" else ():
                if key not in clock.fired and (due := clock.due(after_)) <= now:
                    breach = after_ >= clock.goal
                    event = ("breached" if breach else "warned", *clock.whose(), index, clock.act(do), due, now)
                    clock.fired[key] = (event, due, breach)
                    self.said.append((*event, clock.elapsed(now)))

    def rule(self, clock: Clock, fact: Fact) -> None:
        minds = not (fact.onward and clock.kind in ("first_contact", "outcome"))
        if clock.kind == "answer" and fact.version:
            minds = fact.version > clock.version if fact.kind == "assigned" else fact.version == clock.version
        still = bool(clock.pauses) and clock.pauses[-1][1] == NEVER
        if minds and fact.kind in KEPT[clock.kind]:
            if fact.at < clock.closed:
                self.meet(clock, fact)
        elif clock.state != "running":
            return
        elif minds and fact.kind in VOID[clock.kind] | {"recycled", "disqualified"}:
            clock.state, clock.closed = "ended", fact.at
        elif minds and fact.kind == "paused" and not still:
            begin = max(fact.at, clock.since)
            clock.pauses = (*clock.pauses, (begin, NEVER))
            self.retract(clock, [key for key, (_, due, _) in clock.fired.items() if due > begin], fact)
        elif minds and fact.kind == "resumed":
            clock.pauses = resumed(clock.pauses, fact.at)
        else:
            clock.standing = after(clock.standing, fact)

    def meet(self, clock: Clock, fact: Fact) -> None:
        still = reached(clock.hours, resumed(clock.pauses, fact.at), clock.since, clock.counted, clock.goal)
        due = clock.fired["target"][1] if "target" in clock.fired else still
        clock.standing, clock.state, clock.closed = after(clock.standing, fact), "met", fact.at
        self.retract(clock, [key for key, (_, at, breach) in clock.fired.items() if breach and fact.at <= at], fact)
        self.said.append(("met", *clock.whose(), due, fact.at, clock.elapsed(fact.at), fact.at > due))

    def retract(self, clock: Clock, keys: list[str], fact: Fact) -> None:
        taken_back = [clock.fired.pop(key) for key in keys]
        self.said += [("corrected", event, fact.at) for event, _, breach in taken_back if breach]

    def policy(self, kind: str) -> Policy | None:
        return next((one for one in self.terms.policies if one.kind == kind and self.employees >= one.least), None)

    def hours(self, policy: Policy) -> str:
        if policy.hours == "rep" and self.standing.rep is not None:
            return REPS[self.standing.rep]
        return TEAMS[self.team] if policy.hours in ("team", "rep") else policy.hours

    def promise(self, clock: Clock, at: int) -> None:
        """What is agreed for the lead now, in the hours of whoever has it; what has elapsed stays."""
        if clock.state != "running":
            return
        if (policy := self.policy(clock.kind)) is None:
            clock.state, clock.closed = "ended", at
        elif (agreed := (policy, self.terms.most, self.hours(policy))) != (clock.policy, clock.most, clock.hours):
            at = max(at, clock.since)
            clock.counted, clock.since = clock.elapsed(at), at
            clock.policy, clock.most, clock.hours = agreed

    def tell(self, clock: Clock) -> None:
        due = clock.due(clock.goal) if clock.state == "running" else NEVER
        if due not in (NEVER, clock.told) and "target" not in clock.fired:
            self.said.append(("started", *clock.whose(), due, clock.start, clock.goal))
        clock.told = clock.told if due == NEVER else due


def resumed(pauses: Pauses, at: int) -> Pauses:
    """What stands still goes on."""
    if not pauses or pauses[-1][1] != NEVER:
        return pauses
    return (*pauses[:-1], (pauses[-1][0], max(pauses[-1][0], at)))


def after(standing: Standing, fact: Fact) -> Standing:
    tries = standing.tries + (fact.by_step and standing.rep is not None)
    if fact.kind == "assigned" and fact.version > standing.version:
        return Standing(fact.version, fact.rep, tries, fact.manager, standing.contacted)
    if fact.kind == "waiting":
        return replace(standing, rep=None, tries=tries, manager=False)
    return replace(standing, contacted=standing.contacted or fact.kind in CONTACT)
