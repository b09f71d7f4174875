"""PURE: which reps can take a lead at this moment, and why the others cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from relevo.calendar import Calendar, is_open, next_opening
from relevo.playbook import Activation, Manager, Needs, Playbook, Rep, Team, format_duration

Test = Literal["language", "territory", "skill", "hours", "away", "capacity", "window", "earlier_owner"]
TESTS: tuple[Test, ...] = ("language", "territory", "skill", "hours", "away", "capacity", "window", "earlier_owner")


@dataclass(frozen=True, slots=True)
class Lead:
    """What routing needs to know of a lead. `values` are its variables of the MQL context, `about` the same for CEL."""

    lead_id: UUID
    about: Activation
    values: Mapping[str, object]
    owners: frozenset[str] = frozenset()  # reps who had it in this cycle
    not_teams: frozenset[str] = frozenset()  # teams that said: not our geography
    related: tuple[str, ...] = ()  # the rep of this person's open lead, then the owner of the company


class RepState(msgspec.Struct, frozen=True, gc=False):
    """A rep's counters within the team, and the rep's day. `taken`: leads within the rep's window until now."""

    assigned: int = 0
    target: float = 0.0
    last_at: datetime | None = None
    open_leads: int = 0
    taken: int = 0
    away: bool = False
    away_until: datetime | None = None
    capacity: int | None = None  # for a while, instead of the playbook's


TeamState = Mapping[str, RepState]
NEW = RepState()


class Wanted(NamedTuple):
    """What a lead asks of its rep; empty: nothing."""

    language: str
    territory: str
    skills: tuple[str, ...]


def wanted(needs: Needs, lead: Lead) -> Wanted:
    language, territory = (
        str(lead.values.get(variable) or "").casefold() if variable else ""
        for variable in (needs.language, needs.territory)
    )
    return Wanted(language, territory, needs.skills)


def failed_tests(
    playbook: Playbook, team: Team, asks: Wanted, who: Rep | Manager, lead: Lead, state: RepState, now: datetime
) -> dict[Test, str]:
    """The tests that `who` fails, each with its reason. A manager takes everything but what they had before."""
    failed: dict[Test, str] = {}
    if isinstance(who, Rep):
        if asks.language and who.languages and asks.language not in map(str.casefold, who.languages):
            failed["language"] = f"has {', '.join(who.languages)}"
        if asks.territory and who.territories and asks.territory not in map(str.casefold, who.territories):
            failed["territory"] = f"has {', '.join(who.territories)}"
        if asks.skills and (missing := [skill for skill in asks.skills if skill not in who.skills]):
            failed["skill"] = f"lacks {', '.join(missing)}"
        failed |= day(playbook, team, who, state, now)
    if who.id in lead.owners:
        failed["earlier_owner"] = "had this lead before, in this cycle"
    return failed


def day(playbook: Playbook, team: Team, rep: Rep, state: RepState, now: datetime) -> dict[Test, str]:
    """The tests that `rep` fails for any lead, at this moment."""
    failed: dict[Test, str] = {}
    if team.outside_hours == "wait":
        cal: Calendar = playbook.sla.calendar(playbook.routing.calendar_of(team, rep))
        if not is_open(cal, now):
            failed["hours"] = f"closed until {next_opening(cal, now):%Y-%m-%dT%H:%MZ}"
    if state.away:
        failed["away"] = f"away until {state.away_until:%Y-%m-%dT%H:%MZ}" if state.away_until else "away"
    capacity = rep.capacity if state.capacity is None else state.capacity
    if state.open_leads >= capacity:
        failed["capacity"] = f"{state.open_leads} open leads of {capacity}"
    if rep.window is not None and state.taken >= rep.window.count:
        failed["window"] = f"{state.taken} of {rep.window.count} within {format_duration(rep.window.per)}"
    return failed


def anybody(playbook: Playbook, team: Team, state: TeamState, now: datetime) -> bool:
    """Whether any rep of `team` can take any lead now: if not, its queue need not be looked at."""
    return any(not day(playbook, team, rep, state.get(rep.id, NEW), now) for rep in team.reps)


def next_chance(playbook: Playbook, team: Team, state: TeamState, now: datetime) -> datetime | None:
    """When the next rep of `team` comes to work or comes back; None where time alone changes nothing."""
    moments = [state[rep.id].away_until for rep in team.reps if rep.id in state and state[rep.id].away]
    if team.outside_hours == "wait":
        calendars = {playbook.routing.calendar_of(team, rep) for rep in team.reps}
        opening = (next_opening(playbook.sla.calendar(calendar), now) for calendar in calendars)
        moments += [at for at in opening if at > now]
    return min((at for at in moments if at is not None), default=None)
