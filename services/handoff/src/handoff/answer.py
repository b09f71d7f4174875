"""PURE: the answer table. What a rep (or a step) says of an assignment, what it comes to, and what is contradicted."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from relevo.events.vocabulary import Consequence, RejectReason

Act = Literal["accept", "reject", "contacted", "opportunity", "won", "lost", "pause", "resume", "recycle"]
Stage = Literal[
    "waiting", "assigned", "accepted", "contacted", "opportunity", "won", "lost", "rejected", "recycled", "disqualified"
]
Said = Literal[
    "accepted", "rejected", "contacted", "opportunity", "won", "lost", "paused", "resumed", "recycled", "disqualified"
]

WAY: Final[tuple[Stage, ...]] = ("assigned", "accepted", "contacted", "opportunity", "won")
STEPS: Final[tuple[Said, ...]] = ("accepted", "contacted", "opportunity", "won")  # what leads from each to the next
REACHES: Final[dict[Act, Stage]] = {
    "accept": "accepted", "contacted": "contacted", "opportunity": "opportunity", "won": "won",
}  # fmt: skip
OPEN: Final[tuple[Stage, ...]] = ("assigned", "accepted", "contacted", "opportunity")
STAGE_WORD: Final[dict[Stage, str]] = {  # as marketing and sales say it together
    "waiting": "mql", "assigned": "sql_candidate", "accepted": "sql", "contacted": "sql",
    "opportunity": "opportunity", "won": "customer", "lost": "opportunity", "rejected": "sql_candidate",
    "recycled": "recycled", "disqualified": "disqualified",
}  # fmt: skip

CONSEQUENCE: Final[dict[RejectReason, Consequence]] = {
    "no_need_now": "recycle", "unresponsive": "recycle", "other": "recycle",
    "wrong_size": "exclude", "wrong_role": "exclude", "competitor": "exclude", "existing_customer": "exclude",
    "wrong_geography": "next_team",
    "no_contact_data": "complete_data",
    "duplicate": "propose_merge",
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """Where an assignment stands. `recycled`: its cycle is over and the next one open, whatever the stage says."""

    stage: Stage
    reason: str | None = None
    paused: bool = False
    recycled: bool = False


@dataclass(frozen=True)
class Taken:
    """The answer counts: `said` is what is new, in order; nothing where it repeats what is known."""

    after: Standing
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The answer contradicts what is already so; `because` tells the person."""

    because: str


def answer(before: Standing, act: Act, reason: str | None = None) -> Taken | Refused:
    """What `act` makes of `before`. A later stage implies the earlier ones; a repeated answer says nothing new.

    `reason` is a RejectReason for `reject`, else free. Rejected for the wrong geography goes on to the next team:
    that, and whose lead it is, is the caller's business.
    """
    if before.stage == "waiting" and act != "recycle":
        return Refused("the lead waits for a rep: nobody owns it now")
    match act:
        case "accept" | "contacted" | "opportunity" | "won":
            return _forward(before, act)
        case "lost":
            return _lost(before, reason)
        case "reject":
            return _reject(before, reason)
        case "pause" | "resume":
            return _stand_still(before, act == "pause")
        case "recycle":
            return _recycle(before, reason)


def _forward(before: Standing, act: Act) -> Taken | Refused:
    goal = WAY.index(REACHES[act])
    if before.stage == "lost" and act != "won":
        return Taken(before)  # a lost opportunity was accepted, contacted and opened
    if before.stage not in WAY:
        return Refused(f"the lead is {before.stage} already")
    here = WAY.index(before.stage)
    if here >= goal:
        return Taken(before)
    return Taken(_ended(before, "won") if act == "won" else replace(before, stage=WAY[goal]), STEPS[here:goal])


def _lost(before: Standing, reason: str | None) -> Taken | Refused:
    if before.stage == "lost":
        return Taken(before)
    if before.stage not in OPEN:
        return Refused(f"the lead is {before.stage} already")
    implied = STEPS[WAY.index(before.stage) : WAY.index("opportunity")]
    return Taken(replace(_ended(before, "lost", reason), recycled=True), (*implied, "lost", "recycled"))


def _reject(before: Standing, reason: str | None) -> Taken | Refused:
    """Accept and reject answer one question, so neither follows the other: what fails later is lost."""
    if before.stage == "rejected" and before.reason == reason:
        return Taken(before)
    if before.stage in ("accepted", "contacted", "opportunity"):
        return Refused(f"the lead is {before.stage} already: answer lost, or have a manager recycle it")
    if before.stage != "assigned":
        return Refused(f"the lead is {before.stage} already")
    after = _ended(before, "rejected", reason)
    match CONSEQUENCE.get(reason):  # type: ignore[call-overload]
        case "recycle":
            return Taken(replace(after, recycled=True), ("rejected", "recycled"))
        case "exclude":
            return Taken(after, ("rejected", "disqualified"))
        case _:
            return Taken(after, ("rejected",))


def _stand_still(before: Standing, paused: bool) -> Taken | Refused:
    if before.stage not in OPEN:
        return Refused(f"the lead is {before.stage}: no promise runs")
    if before.paused == paused:
        return Taken(before)
    return Taken(replace(before, paused=paused), ("paused" if paused else "resumed",))


def _recycle(before: Standing, reason: str | None) -> Taken | Refused:
    if before.recycled:
        return Taken(before)
    if before.stage == "won":
        return Refused("the lead is won already")
    return Taken(replace(_ended(before, "recycled", reason), recycled=True), ("recycled",))


def _ended(before: Standing, stage: Stage, reason: str | None = None) -> Standing:
    return replace(before, stage=stage, reason=reason, paused=False)
