"""sla.yaml: opening hours, the promises that run on leads, what follows a broken one; both sides' commitments."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from relevo import calendar as business
from relevo.events.vocabulary import ClockKind, StepAct
from relevo.playbook.expressions import MqlCondition
from relevo.playbook.values import Amount, At, Count, Duration, Id, Moment, Name, Part

WHOSE_HOURS = ("team", "rep", "always")  # what a policy may name besides a calendar of ours


def _as_closure(value: Any) -> Any:
    """A single date closes that day."""
    return {"from": value} if isinstance(value, str | date) else value


class Holidays(Part):
    """Public holidays as the library `holidays` knows them: ISO country and, where it matters, its region."""

    country: str
    subdivision: str | None = None


class Closure(Part):
    """Days on which we are closed, both included (without `end` it is one); only during `hours`, if it names some."""

    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")
    hours: tuple[str, ...] = ()


class OpeningHours(Part):
    """One calendar: when we are open. Several intervals a day (`09:00-14:00`); what a day does not list is closed."""

    id: Id
    zone: str = Field(description="IANA time zone, such as Europe/Madrid.")
    hours: Mapping[str, tuple[str, ...]] = Field(description="mon, tue, wed, thu, fri, sat, sun → intervals.")
    holidays: Holidays | None = None
    closures: tuple[Annotated[Closure, BeforeValidator(_as_closure)], ...] = ()

    def calendar(self) -> business.Calendar:
        """Raises relevo.calendar.CalendarError; not for a playbook that was loaded, since that was checked."""
        region = business.Holidays(self.holidays.country, self.holidays.subdivision) if self.holidays else None
        closures = (business.Closure(closed.start, closed.end, closed.hours) for closed in self.closures)
        return business.calendar(self.zone, self.hours, region, closures)


class Step(Part):
    """At this moment of the promise, unless it was kept before, do this."""

    at: Moment
    do: StepAct


class Policy(Part):
    """A promise: for leads where `when` holds, the act that meets `clock` comes within `target`.

    Per clock the first policy that matches counts; where none does, that clock does not run. `calendar` says in whose
    hours time is counted: the team's, the rep's, `always`, or a named one. `ladder` steps come in order; what lies
    at 100 % or later belongs to a breach, which is counted at 100 % whether a step stands there or not.
    """

    id: Id
    clock: ClockKind
    when: MqlCondition
    target: Duration
    calendar: Id = "team"
    ladder: tuple[Step, ...] = ()
    again: Moment = Field(default=At(share=0.5), description="The target after a reassignment (clock `answer`).")

    def target_of(self, version: int) -> timedelta:
        """The target of an assignment's version: the first has all the time, later ones `again`."""
        return self.target if version <= 1 or self.clock != "answer" else self.again.of(self.target)


class CoolDown(Part):
    cool_down: Duration = timedelta(days=90)


class Reasons(Part):
    """What a reason entails: how long a lead rests before it may qualify again."""

    timing: CoolDown = Field(default=CoolDown(), description="Rejected as no_need_now, unresponsive or other.")
    lost: CoolDown = Field(default=CoolDown(), description="The opportunity was lost.")


class Commitment(Part):
    """A measure one side promises to keep over each period; `mqls` is a count, all others are rates (80 % is 0.8).

    Each fact counts in the period in which it was decided: an MQL when it qualified, a review when it was given, a
    promise when it was kept or broken. The pace is that of the opening hours: the team's, or all teams' together.
    """

    id: Id
    name: Name
    side: Literal["marketing", "sales"]
    measure: Literal[
        "mqls", "acceptance_rate", "data_completeness",
        "answered_in_time", "contacted_in_time", "closed_in_time",
    ]  # fmt: skip
    team: Id | None = Field(default=None, description="Only this team's leads; all if left out.")
    period: Literal["week", "month", "quarter"]
    target: Amount


class Sla(Part):
    calendars: tuple[OpeningHours, ...] = Field(min_length=1)
    policies: tuple[Policy, ...] = Field(min_length=1)
    max_reassign: Count = Field(default=2, ge=0, le=20)
    reasons: Reasons = Reasons()
    complete: MqlCondition = Field(
        default="lead.has_phone && lead.job_title != '' && company.name != ''",
        validate_default=True,
        description="When the data of an MQL are complete, as `data_completeness` counts it.",
    )
    commitments: tuple[Commitment, ...] = ()

    def policies_for(self, clock: ClockKind) -> tuple[Policy, ...]:
        """In order; the first whose `when` holds counts."""
        return self._by_clock.get(clock, ())

    @cached_property
    def _by_clock(self) -> dict[ClockKind, tuple[Policy, ...]]:
        clocks = {policy.clock for policy in self.policies}
        return {clock: tuple(policy for policy in self.policies if policy.clock == clock) for clock in clocks}

    def calendar(self, calendar_id: str) -> business.Calendar:
        """A calendar of ours, or `always`. Raises KeyError for any other name (`team` and `rep` are the caller's to
        look up: see `Routing.calendar_of`)."""
        return self._calendars[calendar_id]

    @cached_property
    def _calendars(self) -> dict[str, business.Calendar]:
        return {"always": business.always} | {hours.id: hours.calendar() for hours in self.calendars}
