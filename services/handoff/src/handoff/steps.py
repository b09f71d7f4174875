"""PURE: whether a step of an SLA ladder still has something to do when it arrives, and what."""

from handoff.answer import OPEN, Stage
from handoff.assignment import Assignment
from relevo.events.slas import Step
from relevo.events.vocabulary import ClockKind, StepAct

# The stages in which each promise has not been kept yet.
UNKEPT: dict[ClockKind, tuple[Stage, ...]] = {
    "wait": ("waiting",),
    "answer": ("assigned",),
    "first_contact": ("assigned", "accepted"),
    "outcome": OPEN,
}


def still_due(step: Step, of: Assignment | None, max_reassign: int) -> StepAct | None:
    """What to do; None where nothing is: another version owns the lead by now, the answer has arrived, the promise
    stands still, or it is with the manager, from whom no step takes it."""
    if of is None or step.do is None or of.paused or of.stage not in UNKEPT[step.kind]:
        return None
    if step.version is not None and step.version != of.version:
        return None
    match step.do:
        case "reassign" if of.reassigned >= max_reassign:
            return None if of.manager else "fallback"
        case "reassign" | "fallback" if of.manager or of.stage not in ("waiting", "assigned", "accepted"):
            return None
        case "accept" if of.stage != "assigned":
            return None
    return step.do
