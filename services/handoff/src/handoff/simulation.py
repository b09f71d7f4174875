"""PURE: who would have got what: MQLs one after the other through `route`, as the days really were.

Away is who really was; a lead keeps its rep's place as long as it really did, one that sales never had as long as the
median. What reps had before counts as their load; counters begin level. Answers are not replayed: nobody is too slow.
"""

from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

from msgspec.structs import replace as with_

from handoff.days import Absent, Days, Given, Held, Key, Mql, Waiting
from handoff.eligible import NEW, Lead, RepState, TeamState, anybody, next_chance
from handoff.evenness import Turns, deviation
from handoff.route import Decision, after, after_turn, route, turn_of
from relevo.playbook import Playbook


@dataclass
class Shared:
    """A team's leads as they were shared out; `turns`: by plain round robin. Each worst is the worst of all moments."""

    state: dict[str, RepState]
    worst: float = 0.0
    turns: Turns = field(default_factory=Turns)
    turns_worst: float = 0.0


@dataclass
class Replayed:
    given: list[Given]
    teams: dict[str, Shared]
    in_turn: dict[str, TeamState]
    no_team: int
    failed_rules: set[str]


def replay(playbook: Playbook, mqls: Iterable[Mql], days: Days) -> Replayed:
    """`mqls` in any order."""
    floor = _Floor(playbook, days)
    for mql in sorted(mqls, key=lambda mql: (mql.at, mql.lead_id)):
        floor.expect(mql.at, mql)
    return floor.replayed()


class _Floor:
    """Sales at one moment of the replay, and what is to come."""

    def __init__(self, playbook: Playbook, days: Days) -> None:
        self._playbook, self._days = playbook, days
        self._teams = {team.id: team for team in playbook.routing.teams}
        self._shared = {team.id: Shared({rep.id: NEW for rep in team.reps}) for team in self._teams.values()}
        self._in_turn: dict[str, TeamState] = {
            turn_of(rule.id): dict.fromkeys(rule.teams, NEW) for rule in playbook.routing.rules if rule.teams
        }
        self._queues: dict[str, list[Waiting]] = {team: [] for team in self._teams}
        self._windows = {rep.id: rep.window for team in self._teams.values() for rep in team.reps if rep.window}
        self._taken: dict[str, deque[datetime]] = {rep: deque() for rep in self._windows}
        self._absences: dict[str, list[Absent]] = defaultdict(list)
        for absent in days.absences:
            self._absences[absent.rep].append(absent)
        self._people: dict[UUID, dict[Key, str]] = defaultdict(dict)
        self._companies: dict[str, dict[Key, str]] = defaultdict(dict)
        self._held, self._median = days.held()
        self._won = {(past.lead_id, past.cycle) for past in days.past if past.won}
        self._agenda: list[tuple[datetime, int, Mql | Held | str]] = []
        self._numbers = count()
        self._woken: dict[str, datetime] = {}
        self._done = Replayed([], self._shared, self._in_turn, 0, set())
        for past in sorted(days.past, key=lambda past: past.assigned_at):
            if past.assigned_at < days.since and (past.won or past.ended_at is None or past.ended_at > days.since):
                company = self._company(past.company)
                self._hold(Held((past.lead_id, past.cycle), past.rep, company, past.won), past.ended_at)

    def expect(self, at: datetime, what: Mql | Held | str) -> None:
        heappush(self._agenda, (at, next(self._numbers), what))

    def replayed(self) -> Replayed:
        while self._agenda and self._agenda[0][0] < self._days.until:
            now, number, what = heappop(self._agenda)
            self._look_around(now)
            if isinstance(what, Mql):
                self._arrive(what, number, now)
            elif isinstance(what, Held):
                self._end(what)
                for team in self._teams_of(what.rep):
                    self._drain(team, now)
            else:
                self._drain(what, now)
        for team, queue in self._queues.items():
            waits = (_given(each.mql, each.at, Decision(team, each.rule, -each.before, None, ())) for each in queue)
            self._done.given.extend(waits)
        return self._done

    def _arrive(self, mql: Mql, number: int, now: datetime) -> None:
        decision = self._decide(mql, now)
        if decision is None:
            self._done.no_team += 1
        elif decision.rep is None:
            insort(self._queues[decision.team], Waiting(-decision.priority, now, number, mql, decision.rule))
            self._wake(decision.team, now)
        else:
            self._give(mql, decision, now)

    def _drain(self, team: str, now: datetime) -> None:
        """Also what waits for those with whom the team takes turns."""
        for each in self._playbook.routing.in_turn_with(team):
            self._drain_queue(each.id, now)

    def _anybody(self, of: str, now: datetime) -> bool:
        teams = self._playbook.routing.in_turn_with(of)
        return any(anybody(self._playbook, team, self._shared[team.id].state, now) for team in teams)

    def _drain_queue(self, team: str, now: datetime) -> None:
        """As long as anybody can take any lead that waits there."""
        queue, place = self._queues[team], 0
        while place < len(queue) and self._anybody(team, now):
            decision = self._decide(queue[place].mql, now)
            if decision is not None and decision.rep is not None:
                self._give(queue.pop(place).mql, decision, now)
            else:
                place += 1
        if queue:
            self._wake(team, now)

    def _wake(self, queue: str, now: datetime) -> None:
        """When time alone lets somebody take what waits there: a shift starts, a rep comes back, a window moves on."""
        for team in self._playbook.routing.in_turn_with(queue):
            self._wake_team(team.id, now)

    def _wake_team(self, team: str, now: datetime) -> None:
        state = self._shared[team].state
        full = (rep for rep in state if rep in self._windows and self._taken[rep])
        moments = [self._taken[rep][0] + self._windows[rep].per for rep in full]
        if (chance := next_chance(self._playbook, self._teams[team], state, now)) is not None:
            moments.append(chance)
        soonest = min((at for at in moments if at > now), default=None)
        if soonest is not None and not now < self._woken.get(team, now) <= soonest:
            self._woken[team] = soonest
            self.expect(soonest, team)

    def _decide(self, mql: Mql, now: datetime) -> Decision | None:
        wanted = self._playbook.routing.relationship
        person = next(reversed(self._people[mql.lead_id].values()), None) if wanted.open_assignment else None
        known_as = self._company(mql.company)
        company = next(reversed(self._companies[known_as].values()), None) if known_as else None
        related = tuple(rep for rep in (person, company if wanted.company_owner else None) if rep)
        about = self._playbook.activation("mql", mql.values, self._playbook.asked_by_rules)
        lead = Lead(mql.lead_id, about, mql.values, related=related)
        states = self._in_turn | {team: each.state for team, each in self._shared.items()}
        decision = route(self._playbook, lead, states, now)
        self._done.failed_rules.update(decision.failed_rules if decision is not None else ())
        return decision

    def _give(self, mql: Mql, decision: Decision, now: datetime) -> None:
        assert decision.rep is not None
        shared, key = self._shared[decision.team], (mql.lead_id, mql.cycle)
        before = shared.state
        shared.state = {
            rep: with_(each, open_leads=before[rep].open_leads, taken=before[rep].taken)
            for rep, each in after(before, decision, now).items()
            if rep in before
        }
        if decision.turn:
            turn = turn_of(decision.rule)
            self._in_turn[turn] = after_turn(self._in_turn[turn], decision, now)
        shared.turns.take(decision)
        shared.worst = max(shared.worst, deviation(shared.state))
        shared.turns_worst = max(shared.turns_worst, deviation(shared.turns.instead(shared.state)))
        if decision.rep in self._taken:
            self._taken[decision.rep].append(now)
            self._look_around(now)
        known = key in self._held
        took = self._held[key] if known else self._median
        ends = now + took if took is not None else None if known else now
        self._hold(Held(key, decision.rep, self._company(mql.company), key in self._won), ends)
        self._done.given.append(_given(mql, now, decision))

    def _hold(self, held: Held, ends: datetime | None) -> None:
        """`ends` None: not before the replay does."""
        if ends is not None and ends <= self._days.since:  # won long ago: the company is still theirs
            self._companies[held.company or ""][held.key] = held.rep
            return
        self._load(held.rep, 1)
        self._people[held.key[0]][held.key] = held.rep
        if held.company:
            self._companies[held.company][held.key] = held.rep
        if ends is not None:
            self.expect(ends, held)

    def _end(self, held: Held) -> None:
        self._load(held.rep, -1)
        self._people[held.key[0]].pop(held.key, None)
        if held.company and not held.won:
            self._companies[held.company].pop(held.key, None)

    def _company(self, domain: str | None) -> str | None:
        return self._playbook.company.main_domain(domain) if domain else None

    def _load(self, rep: str, more: int) -> None:
        for team in self._teams_of(rep):
            state = self._shared[team].state
            state[rep] = with_(state[rep], open_leads=state[rep].open_leads + more)

    def _teams_of(self, rep: str) -> list[str]:
        return [team for team, shared in self._shared.items() if rep in shared.state]

    def _look_around(self, now: datetime) -> None:
        """Who is away at this moment, and what counts into whose window."""
        for rep in {*self._absences, *self._windows}:
            taken = self._taken.get(rep, deque())
            while taken and taken[0] <= now - self._windows[rep].per:
                taken.popleft()
            here = [a for a in self._absences[rep] if a.start <= now and (a.until is None or a.until > now)]
            until = (
                None if any(a.until is None for a in here) else max((a.until for a in here if a.until), default=None)
            )
            for team in self._teams_of(rep):
                state = self._shared[team].state
                state[rep] = with_(state[rep], taken=len(taken), away=bool(here), away_until=until)


def _given(mql: Mql, at: datetime, decision: Decision) -> Given:
    return Given(mql.lead_id, mql.cycle, mql.at, at, decision.team, decision.rule, decision.priority, decision.rep)
