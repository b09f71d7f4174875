"""routing.yaml: who takes which lead. Teams with their manager and reps, and ordered rules; the first match wins."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

from pydantic import Field

from relevo.playbook.expressions import MqlCondition
from relevo.playbook.values import Count, Duration, Email, Flag, Id, Name, Number, Part


class Relationship(Part):
    """Before any rule: the rep who already has this person's open lead, then the owner of the same company."""

    open_assignment: Flag = True
    company_owner: Flag = True


class Window(Part):
    """At most `count` leads in any stretch of `per` (wall-clock time)."""

    count: Count = Field(ge=1, le=10_000)
    per: Duration


class Rep(Part):
    """A salesperson as agreed. Away days and counters are handoff's, keyed by `id`.

    Empty `languages` or `territories` mean no restriction; `skills` are only what is listed.
    """

    id: Id
    name: Name
    email: Email
    weight: Number = Field(default=1.0, gt=0, le=100)
    capacity: Count = Field(default=25, ge=1, le=10_000, description="Open leads at most.")
    window: Window | None = None
    calendar: Id | None = Field(default=None, description="A calendar of sla.yaml; the team's if left out.")
    languages: tuple[Name, ...] = ()
    territories: tuple[Name, ...] = ()
    skills: tuple[Name, ...] = ()


class Manager(Part):
    """The rep of last resort: gets what nobody answered, without capacity or hours. May lead several teams."""

    id: Id
    name: Name
    email: Email


class Team(Part):
    id: Id
    name: Name
    manager: Manager
    returning: Literal["catch_up", "level"] = Field(
        default="level", alias="return", description="How a rep who was away comes back."
    )
    calendar: Id
    outside_hours: Literal["wait", "assign"] = Field(
        default="wait",
        description="Whether a lead that comes when a rep's calendar is closed waits, or is assigned all the same.",
    )
    reps: tuple[Rep, ...] = Field(min_length=1)


class Needs(Part):
    """What the rep must have: the language and the territory that a variable of the lead holds (`lead.language`; an
    empty value asks for nothing), and all of these skills."""

    language: str | None = None
    territory: str | None = None
    skills: tuple[Name, ...] = ()


class Rule(Part):
    """Exactly one of `team`, `teams` (in turn) and `rep`. Among waiting leads a higher `priority` goes first."""

    id: Id
    name: Name
    when: MqlCondition
    team: Id | None = None
    teams: tuple[Id, ...] = Field(
        default=(), description="Each gets as many leads as the others, of those it can take."
    )
    rep: Id | None = None
    needs: Needs = Needs()
    priority: Count = Field(default=0, ge=0, le=1000)

    @property
    def team_ids(self) -> tuple[str, ...]:
        """Where it leads; empty for a named rep."""
        return (self.team,) if self.team is not None else self.teams


class Routing(Part):
    relationship: Relationship = Relationship()
    teams: tuple[Team, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = Field(min_length=1)

    def team(self, team_id: str) -> Team | None:
        return next((team for team in self.teams if team.id == team_id), None)

    def team_of(self, rep_id: str) -> Team | None:
        """The team of which this is a rep; for one who only manages, the first team they manage."""
        member = (team for team in self.teams if any(rep.id == rep_id for rep in team.reps))
        managed = (team for team in self.teams if team.manager.id == rep_id)
        return next(member, None) or next(managed, None)

    def in_turn_with(self, team_id: str) -> tuple[Team, ...]:
        """The team and those with which it takes turns: what waits for one of them may go to any."""
        turns = (rule.teams for rule in self.rules if team_id in rule.teams)
        teams = map(self.team, dict.fromkeys((team_id, *chain.from_iterable(turns))))
        return tuple(team for team in teams if team is not None)

    def rep(self, rep_id: str) -> Rep | Manager | None:
        people: Iterator[Rep | Manager] = chain.from_iterable((*team.reps, team.manager) for team in self.teams)
        return next((person for person in people if person.id == rep_id), None)

    def calendar_of(self, team: Team, rep: Rep | Manager) -> str:
        """The id of the calendar that counts this rep's hours in this team."""
        return (rep.calendar if isinstance(rep, Rep) else None) or team.calendar
