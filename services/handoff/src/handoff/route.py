"""PURE: who gets a lead. Relationship first, then the first rule that matches, then the fairest of those who can.

A rule may name several teams: they share its leads as the reps of a team share theirs, all with the same weight.

Fairness. Each rep has a target: every lead adds to it the rep's share by weight among those who could have taken that
lead. The one whose target exceeds what they got by most (the largest shortfall) gets the lead.

With n reps of equal weight who can take every lead, nobody is ever a whole lead off: after t leads every target is t/n,
so the largest shortfall is the fewest leads; giving the next lead to one with the fewest keeps all counts within one of
each other; so each count is t/n rounded down or up, and |assigned - target| < 1. With any weights it stays under 2 (the
tests search for the worst). Targets and counts grow by one together, so shortfalls of a team add up to nothing, and one
who joins with nothing of either stands level with the others.

However reps come and go, no shortfall exceeds 3(n - 1)/2, after ten leads or ten million. Let S_j be the sum of the j
largest. Where the jth exceeds the next by 1 or more, a lead does not raise S_j: if one of those j can take it, one of
them gets it, and loses the whole that all gain together; if none can, nobody below comes past them. So when S_j comes
to a new height, that gap was under 1, and S_j rose by at most 1: 2 S_j <= S_(j-1) + S_(j+1) + 3. Heights that bend so
little, and are nothing at j = 0 and j = n, are at most 3j(n - j)/2. (Who catches up gathers a shortfall while away.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec.structs import replace as with_

from handoff.eligible import NEW, Lead, RepState, TeamState, Test, failed_tests, wanted
from relevo.playbook import Manager, Needs, Playbook, Rep, RuleFailed, Team

RELATIONSHIP = "relationship"  # in the place of a rule's id


def turn_of(rule: str) -> str:
    """Under this name a rule's teams have their counters, where a team's reps have theirs under its id (which holds no
    colon)."""
    return f"rule:{rule}"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a lead is to go: a team, or only one `rep` of it; or several teams in turn."""

    teams: tuple[Team, ...]
    rule: str
    priority: int
    needs: Needs
    rep: str | None = None


class Considered(msgspec.Struct, frozen=True, gc=False):
    """One rep (or team) at one decision, before the lead was given away, as the record keeps it. `share` is what this
    lead adds to the target: nothing for a team where nobody can take it."""

    rep: str
    weight: float
    assigned: int
    target: float
    share: float
    failed: Mapping[Test, str]

    @property
    def shortfall(self) -> float:
        return self.target + self.share - self.assigned


@dataclass(frozen=True, slots=True)
class Decision:
    """`rep` None: nobody can take it, it waits. `failed_rules`: conditions that gave no answer, with their line.
    `turn`: the teams that take turns; `passed_over`: the reps of those whose turn it was not."""

    team: str
    rule: str
    priority: int
    rep: str | None
    considered: tuple[Considered, ...]
    failed_rules: tuple[str, ...] = ()
    turn: tuple[Considered, ...] = ()
    passed_over: tuple[Considered, ...] = ()


def destinations(playbook: Playbook, lead: Lead) -> tuple[tuple[Destination, ...], tuple[str, ...]]:
    """Where `lead` may go, best first: related reps, then the first rule that matches; and the rules that failed.

    Of the last destination the lead waits for a rep. Empty only where every rule left leads to excluded teams.
    """
    routing = playbook.routing
    failed: list[str] = []
    for rule in routing.rules:
        named = map(routing.team, rule.team_ids) if rule.rep is None else (routing.team_of(rule.rep),)
        teams = tuple(team for team in named if team is not None and team.id not in lead.not_teams)
        if not teams:
            continue
        verdict = rule.when.holds(lead.about)
        if isinstance(verdict, RuleFailed):
            failed.append(str(verdict))
        if verdict:
            ruled = Destination(teams, rule.id, rule.priority, rule.needs, rule.rep)
            return (*_related(playbook, lead, rule.priority), ruled), tuple(failed)
    return (), tuple(failed)


def _related(playbook: Playbook, lead: Lead, priority: int) -> Iterator[Destination]:
    for rep in dict.fromkeys(lead.related):
        team = playbook.routing.team_of(rep)
        if team is not None and team.id not in lead.not_teams:
            yield Destination((team,), RELATIONSHIP, priority, Needs(), rep)


def route(playbook: Playbook, lead: Lead, states: Mapping[str, TeamState], now: datetime) -> Decision | None:
    """Who gets `lead`; `states` by team id and `turn_of` rule. A related rep who cannot take it now leaves it to the
    rules. None: no rule is left for it."""
    ways, failed = destinations(playbook, lead)
    decision: Decision | None = None
    for way in ways:
        decision = replace(choose(playbook, way, lead, states, now), failed_rules=failed)
        if decision.rep is not None:
            break
    return decision


def choose(
    playbook: Playbook, way: Destination, lead: Lead, states: Mapping[str, TeamState], now: datetime
) -> Decision:
    """Of one destination: the team whose turn it is among those with somebody who can take it; of its reps the fairest.
    Where nobody can, it waits for one of the teams, always the same."""
    found = {team.id: _in_team(playbook, way, team, lead, states.get(team.id, {}), now) for team in way.teams}
    if len(found) == 1:
        return found[way.teams[0].id]
    before = states.get(turn_of(way.rule), {})
    share = 1 / (sum(each.rep is not None for each in found.values()) or 1)
    turn = tuple(
        Considered(team, 1.0, state.assigned, state.target, share if each.rep is not None else 0.0, {})
        for team, each in found.items()
        for state in (before.get(team, NEW),)
    )
    able = [each for each in turn if each.share]
    chosen = _fairest(able, before, lead, now) if able else min(found, key=lambda team: _tie(lead.lead_id, team))
    others = (each for team, decision in found.items() if team != chosen for each in decision.considered)
    return replace(found[chosen], turn=turn, passed_over=tuple(others))


def _in_team(playbook: Playbook, way: Destination, team: Team, lead: Lead, state: TeamState, now: datetime) -> Decision:
    """Among those who pass every test, the fairest."""
    considered = _consider(playbook, way, team, lead, state, now)
    able = [each for each in considered if not each.failed]
    chosen = _fairest(able, state, lead, now) if able else None
    return Decision(team.id, way.rule, way.priority, chosen, considered)


def _fairest(able: Sequence[Considered], state: TeamState, lead: Lead, now: datetime) -> str:
    """The largest shortfall, then the larger weight, then the longest wait, then a hash that depends on lead and name
    alone."""

    def waited(each: Considered) -> float:
        last_at = state.get(each.rep, NEW).last_at
        return (now - last_at).total_seconds() if last_at else float("inf")

    able = _best(able, [round(each.shortfall, 9) for each in able])  # sums of shares are a hair off when equal
    able = _best(able, [each.weight for each in able])
    able = _best(able, [waited(each) for each in able])
    return min((each.rep for each in able), key=lambda rep: _tie(lead.lead_id, rep))


def _best(of: Sequence[Considered], values: Sequence[float]) -> list[Considered]:
    """Those whose value is the highest."""
    best = max(values)
    return [each for each, value in zip(of, values, strict=True) if value == best]


def to_manager(team: Team, rule: str, priority: int) -> Decision:
    """The rep of last resort: no tests, no share."""
    return Decision(team.id, rule, priority, team.manager.id, ())


def after(state: TeamState, decision: Decision, now: datetime) -> TeamState:
    """The team's state once `decision` is carried out."""
    return _given(state, decision.considered, decision.rep, now)


def after_turn(turn: TeamState, decision: Decision, now: datetime) -> TeamState:
    """The same of the teams that take turns."""
    return _given(turn, decision.turn, decision.team if decision.turn and decision.rep else None, now)


def _given(state: TeamState, considered: Sequence[Considered], to: str | None, now: datetime) -> TeamState:
    if to is None:
        return state
    changed: dict[str, RepState] = {}
    for each in considered:
        if each.share:
            before = state.get(each.rep, NEW)
            changed[each.rep] = with_(before, target=before.target + each.share)
    chosen = changed.get(to) or state.get(to, NEW)
    changed[to] = with_(
        chosen,
        assigned=chosen.assigned + 1,
        # A manager has no share: what one gets counts on both sides, so that no shortfall comes of it.
        target=chosen.target + (0 if considered else 1),
        last_at=now,
        open_leads=chosen.open_leads + 1,
        taken=chosen.taken + 1,
    )
    return {**state, **changed}


def _consider(
    playbook: Playbook, way: Destination, team: Team, lead: Lead, state: TeamState, now: datetime
) -> tuple[Considered, ...]:
    if way.rep == team.manager.id:
        people: tuple[Rep | Manager, ...] = (team.manager,)
    else:
        people = tuple(rep for rep in team.reps if way.rep is None or rep.id == way.rep)
    asks = wanted(way.needs, lead)
    before = [state.get(who.id, NEW) for who in people]
    tested = [failed_tests(playbook, team, asks, who, lead, had, now) for who, had in zip(people, before, strict=True)]
    weights = [who.weight if isinstance(who, Rep) else 1.0 for who in people]
    # Where nobody can take it, the lead waits: it is shared out when it is given away.
    waits = all(tested)
    counted = [0.0 if waits or not _counts(failed, team) else w for w, failed in zip(weights, tested, strict=True)]
    whole = sum(counted) or 1.0
    return tuple(
        Considered(who.id, weight, had.assigned, had.target, part / whole, failed)
        for who, weight, had, part, failed in zip(people, weights, before, counted, tested, strict=True)
    )


def _counts(failed: Mapping[Test, str], team: Team) -> bool:
    """Whether the lead counts towards a rep's target: those who could take it; in a team whose reps catch up on
    return, also one who is only away."""
    return not failed or (team.returning == "catch_up" and [*failed] == ["away"])


def _tie(lead_id: UUID, rep: str) -> bytes:
    return sha256(lead_id.bytes + rep.encode()).digest()
