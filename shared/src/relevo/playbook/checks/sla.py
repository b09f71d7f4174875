"""sla.yaml: calendars open, ladders climb, each step makes sense for its clock, each side promises what is its own."""

from datetime import timedelta

from relevo.calendar import CalendarError
from relevo.events.vocabulary import ClockKind, StepAct
from relevo.playbook.checks.finding import Findings, Parts
from relevo.playbook.checks.routing import doubt
from relevo.playbook.problems import did_you_mean
from relevo.playbook.sla import WHOSE_HOURS, Commitment, Policy, Sla
from relevo.playbook.text import Path
from relevo.playbook.values import format_duration

# What may happen on a clock's way, and what its ladder must end with.
ACTS: dict[ClockKind, tuple[StepAct, ...]] = {
    "wait": ("warn_manager", "fallback"),
    "answer": ("warn_rep", "warn_manager", "reassign", "accept"),
    "first_contact": ("warn_rep", "warn_manager", "reassign"),
    "outcome": ("warn_rep", "warn_manager"),
}
LAST: dict[ClockKind, tuple[StepAct, ...]] = {"wait": ("fallback",), "answer": ("reassign", "accept")}
ENDING: tuple[StepAct, ...] = ("reassign", "accept", "fallback")

MEASURES = {
    "marketing": ("mqls", "acceptance_rate", "data_completeness"),
    "sales": ("answered_in_time", "contacted_in_time", "closed_in_time"),
}


def check(parts: Parts, findings: Findings) -> None:
    sla = parts.sla
    if sla is None:
        return
    _check_calendars(sla, findings)
    findings.unique(((("policies", n), policy.id) for n, policy in enumerate(sla.policies)), "policy")
    for number, policy in enumerate(sla.policies):
        _check_policy(sla, policy, ("policies", number), findings)
        doubt(parts, policy.when, ("policies", number, "when"), findings)
    findings.unique(((("commitments", n), each.id) for n, each in enumerate(sla.commitments)), "commitment")
    for number, commitment in enumerate(sla.commitments):
        _check_commitment(parts, commitment, ("commitments", number), findings)


def _check_calendars(sla: Sla, findings: Findings) -> None:
    findings.unique(((("calendars", n), each.id) for n, each in enumerate(sla.calendars)), "calendar")
    for number, hours in enumerate(sla.calendars):
        path: Path = ("calendars", number)
        if hours.id in WHOSE_HOURS:
            message = f"{hours.id!r} has a meaning of its own in policies"
            findings.wrong((*path, "id"), message, "choose another id")
        try:
            hours.calendar()
        except CalendarError as error:
            for problem in error.problems:
                message, _, hint = problem.message.partition("; ")
                findings.wrong((*path, *problem.where), message, hint)


def _check_policy(sla: Sla, policy: Policy, path: Path, findings: Findings) -> None:
    known = {hours.id for hours in sla.calendars} | set(WHOSE_HOURS)
    if policy.calendar not in known:
        message = f"there is no calendar {policy.calendar!r}"
        findings.wrong((*path, "calendar"), message, did_you_mean(policy.calendar, known))
    if policy.clock == "wait" and policy.calendar == "rep":
        message = "a lead that waits has no rep yet, so no rep's hours"
        findings.wrong((*path, "calendar"), message, "write team, always, or a calendar's id")
    if policy.calendar != "always" and policy.target >= timedelta(days=1):
        hours = policy.target // timedelta(hours=1)
        message = f"{format_duration(policy.target)} is {hours} opening hours, not calendar days"
        findings.doubtful((*path, "target"), message, "write hours, or calendar: always")
    if policy.clock == "answer" and policy.target_of(2) > policy.target:
        findings.doubtful((*path, "again"), "the second rep gets more time than the first", "such as again: 50%")
    _check_ladder(policy, path, findings)


def _check_ladder(policy: Policy, path: Path, findings: Findings) -> None:
    before = timedelta(0)
    allowed, last = ACTS[policy.clock], len(policy.ladder) - 1
    for number, step in enumerate(policy.ladder):
        at, place = step.at.of(policy.target), (*path, "ladder", number)
        if at <= before and number:
            message = f"the step at {step.at} does not come after the one before it"
            findings.wrong((*place, "at"), message, "put the steps in order; two at one moment are one too many")
        before = max(at, before)
        if step.do not in allowed:
            message = f"{step.do!r} cannot be done on the clock {policy.clock!r}"
            findings.wrong((*place, "do"), message, f"one of: {', '.join(allowed)}")
        elif step.do in ENDING and number < last:
            message, hint = f"nothing comes after {step.do!r}", "make it the last step"
            findings.wrong((*place, "do"), message, hint)
    required = LAST.get(policy.clock, ())
    if required and (not policy.ladder or policy.ladder[-1].do not in required):
        message = f"the ladder of a clock {policy.clock!r} must end with {' or '.join(required)}"
        findings.wrong((*path, "ladder"), message, f"add {{at: 100%, do: {required[0]}}} as its last step")


def _check_commitment(parts: Parts, commitment: Commitment, path: Path, findings: Findings) -> None:
    if commitment.measure not in MEASURES[commitment.side]:
        message = f"{commitment.measure!r} is not {commitment.side}'s to promise"
        hint = f"{commitment.side} promises one of: {', '.join(MEASURES[commitment.side])}"
        findings.wrong((*path, "measure"), message, hint)
    if commitment.measure != "mqls" and commitment.target > 1:
        findings.wrong((*path, "target"), f"{commitment.measure!r} is a rate", "write a share of at most 100%: 80%")
    if parts.routing is not None and commitment.team is not None and parts.routing.team(commitment.team) is None:
        teams = {team.id for team in parts.routing.teams}
        message = f"there is no team {commitment.team!r}"
        findings.wrong((*path, "team"), message, did_you_mean(commitment.team, teams))
