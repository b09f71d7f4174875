"""Gives leads away: every change of owner goes through `place`, under the team's lock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from handoff import counters, deliveries, message, queries
from handoff.answer import STAGE_WORD
from handoff.assignment import Assignment, assigned_event, placed, waiting_event
from handoff.eligible import Lead, TeamState
from handoff.keep import keep
from handoff.route import RELATIONSHIP, Decision, after, after_turn, destinations, route, to_manager, turn_of
from handoff.settings import answers_at
from relevo.events import LeadAssigned, LeadDisqualified, LeadResumed
from relevo.events.assignments import AssignedBecause
from relevo.events.base import Decided
from relevo.playbook import Playbook, Team, mql_values
from relevo.stream import Transaction


@dataclass(frozen=True)
class Placing:
    """A lead to be given away: by the rules, or to its team's manager. Whoever asks has its lead locked."""

    of: Assignment
    because: AssignedBecause
    to: Literal["rules", "manager"] = "rules"
    by: str = "system"
    trace: str | None = None
    related: tuple[str, ...] = ()


async def relations(tx: Transaction, of: Sequence[Assignment]) -> list[tuple[queries.Known, tuple[str, ...]]]:
    """Of each: what is known of it; and who goes before the rules, if the playbook says so: the rep of the person's
    open lead, then the company's owner."""
    wanted = tx.playbook.routing.relationship
    return [
        (known, tuple(rep for rep in (known.person if wanted.open_assignment else None,
                                             known.company if wanted.company_owner else None) if rep))
        for known in await queries.known(tx, of)
    ]  # fmt: skip


async def place(
    tx: Transaction, placings: Sequence[Placing], notices: Sequence[message.Notice] = ()
) -> list[tuple[Assignment, Decided]]:
    """Decide each in turn, each seeing what the ones before took; keep owners, counters, decisions and deliveries
    (of `notices` too, which the caller has to send in any case).

    Returns, in order, how each stands now and what is to be said of it: lead.assigned, lead.waiting, or
    lead.disqualified where no rule is left. One that waits for that team already is left out.
    """
    playbook = tx.playbook
    leads = [_as_lead(playbook, each) for each in placings]
    before = await _lock_teams(tx, placings, leads)
    states: dict[str, TeamState] = dict(before)

    placed_now: list[tuple[Placing, Assignment, Decision | None]] = []
    load: dict[str, int] = {}
    colleagues: dict[str, str] = {}  # company → who got one of its leads just now: two of one company go to one rep
    for each, lead in zip(placings, leads, strict=True):
        decision = _decide(tx, each, lead, colleagues, states)
        if decision is not None and decision.rep is None and _waits_there(each.of, decision):
            continue
        if decision is not None:
            states[decision.team] = after(states[decision.team], decision, tx.now)
            if decision.turn:
                turn = turn_of(decision.rule)
                states[turn] = after_turn(states[turn], decision, tx.now)
        if each.of.is_open and each.of.rep:
            load[each.of.rep] = load.get(each.of.rep, 0) - 1
        if decision is not None and decision.rep is not None:
            load[decision.rep] = load.get(decision.rep, 0) + 1
            colleagues[_company(playbook, each.of)] = decision.rep
        placed_now.append((each, _carried_out(tx, each, decision), decision))
    if not placed_now:
        await deliveries.write(tx, notices)
        return []

    for each, assignment, _ in placed_now:
        if (
            each.of.paused and not assignment.paused and each.of.rep is not None
        ):  # whoever has it next has not paused it
            tx.emit(_resumed(tx, each))
    changed = [assignment for _, assignment, _ in placed_now]
    events = [_event(tx, each, a, decision) for each, a, decision in placed_now]
    told = [notice for a, event in zip(changed, events, strict=True) for notice in _notices(playbook, a, event)]
    decided = [(a, decision) for _, a, decision in placed_now if decision is not None]
    await keep(tx, changed, decided, before, states, load, [*notices, *told])
    positions = await queries.positions(tx, [a for a in changed if a.stage == "waiting"])
    return [(a, _at(event, positions.get(a.assignment_id))) for a, event in zip(changed, events, strict=True)]


def _resumed(tx: Transaction, placing: Placing) -> LeadResumed:
    of = placing.of
    assert of.rep is not None
    return LeadResumed(
        trace=placing.trace or of.trace, at=tx.now, by=placing.by, lead_id=of.lead_id, cycle=of.cycle,
        playbook=tx.stamp, assignment_id=of.assignment_id, version=of.version, rep=of.rep, reason="changed_owner",
    )  # fmt: skip


def _at(event: Decided, position: int | None) -> Decided:
    """With its place in the queue, which is known once all that wait are kept."""
    return event if position is None else event.model_copy(update={"position": position})


def _notices(playbook: Playbook, of: Assignment, event: Decided) -> Iterator[message.Notice]:
    if isinstance(event, LeadAssigned):
        yield message.notice(event, of, message.assigned(of, playbook, answers_at()))
    elif isinstance(event, LeadDisqualified):
        yield message.notice(event, of, message.ended(of, playbook, reason=event.reason, from_stage=event.from_stage))


def _as_lead(playbook: Playbook, placing: Placing) -> Lead:
    of = placing.of
    trigger = of.about.trigger
    hand_raise = trigger.kind == "hand_raise"
    values = mql_values(of.about.snapshot, of.about.score, trigger=trigger.id, hand_raise=hand_raise)
    about = playbook.activation("mql", values, playbook.asked_by_rules)
    return Lead(of.lead_id, about, values, frozenset(of.owners), frozenset(of.not_teams), placing.related)


async def _lock_teams(tx: Transaction, placings: Sequence[Placing], leads: Sequence[Lead]) -> dict[str, TeamState]:
    """The state of whichever teams and turns may be concerned."""
    teams: dict[str, Team] = {}
    turns: dict[str, dict[str, None]] = {}
    for placing, lead in zip(placings, leads, strict=True):
        own = tx.playbook.routing.team(placing.of.team)
        if placing.to == "manager" and own is not None:
            teams[own.id] = own
            continue
        ways, _ = destinations(tx.playbook, lead)
        for way in ways:
            ids = {team.id: team for team in way.teams}
            teams |= ids
            if len(ids) > 1:
                turns.setdefault(turn_of(way.rule), {}).update(dict.fromkeys(ids))
    return await counters.lock_teams(tx, teams.values(), turns)


def _decide(
    tx: Transaction,
    placing: Placing,
    lead: Lead,
    colleagues: Mapping[str, str],
    states: Mapping[str, TeamState],
) -> Decision | None:
    routing = tx.playbook.routing
    team = routing.team(placing.of.team)
    if placing.to == "manager" and team is not None:
        return to_manager(team, placing.of.rule, placing.of.priority)
    company = _company(tx.playbook, placing.of)
    if placing.because == "qualified" and routing.relationship.company_owner and company and company in colleagues:
        lead = replace(lead, related=(*lead.related, colleagues[company]))
    return route(tx.playbook, lead, states, tx.now)


def _company(playbook: Playbook, of: Assignment) -> str:
    """The domain by which its company is known; empty where none is."""
    domain = of.about.snapshot.company.domain
    return playbook.company.main_domain(domain) if domain else ""


def _waits_there(of: Assignment, decision: Decision) -> bool:
    """Whether it has been told that it waits for this team."""
    return of.stage == "waiting" and of.decision_id is not None and of.team == decision.team


def _carried_out(tx: Transaction, placing: Placing, decision: Decision | None) -> Assignment:
    if decision is None:
        return replace(placing.of, stage="disqualified", reason="no_matching_team", paused=False, changed_at=tx.now)
    team = tx.playbook.routing.team(decision.team)
    manager = team is not None and decision.rep == team.manager.id
    because = "relationship" if decision.rule == RELATIONSHIP else placing.because
    return placed(placing.of, decision, because, manager, tx.now)


def _event(tx: Transaction, placing: Placing, a: Assignment, decision: Decision | None) -> Decided:
    trace = placing.trace or a.trace
    if decision is None:  # nobody sells to such a lead
        return LeadDisqualified(
            trace=trace, at=tx.now, by=placing.by, lead_id=a.lead_id, cycle=a.cycle, playbook=tx.stamp,
            from_stage=STAGE_WORD[placing.of.stage], assignment_id=a.assignment_id, reason="no_matching_team",
        )  # fmt: skip
    if decision.rep is None:
        return waiting_event(a, decision, tx.stamp, placing.by, trace)
    return assigned_event(a, tx.playbook, tx.stamp, placing.by, trace)
