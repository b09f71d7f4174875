"""Carries out an answer: what it implies, what it entails for lead, rep and marketing, in the caller's transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from handoff import counters, deliveries, message, queries
from handoff.answer import CONSEQUENCE, STAGE_WORD, Act, Refused, Said, Taken, answer
from handoff.assignment import Assignment
from handoff.place import Placing, place
from relevo.events import (
    LeadAccepted,
    LeadContacted,
    LeadDisqualified,
    LeadPaused,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
)
from relevo.events.assignments import Channel
from relevo.events.base import Decided
from relevo.events.vocabulary import RejectReason
from relevo.stream import Transaction

OWNER: Final = ""  # in place of who says it


@dataclass(frozen=True)
class Answering:
    """What somebody says of an assignment, and who and how. `by` OWNER: whoever owns it. `until`: of a manager's
    recycling."""

    act: Act
    by: str
    channel: Channel
    reason: str | None = None
    reject: RejectReason | None = None
    note: str | None = None
    until: datetime | None = None
    opportunity_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    trace: str | None = None

    def of(self, owner: str | None, trace: str | None) -> "Answering":
        """Said by the owner, where nobody else is named; in this trace, where it has none."""
        return replace(
            self, by=f"rep:{owner}" if self.by == OWNER and owner else self.by or "system", trace=self.trace or trace
        )


@dataclass(frozen=True)
class Settled:
    """How the assignment stands now, and the events; none where the answer only repeats."""

    after: Assignment
    events: Sequence[Decided] = ()


async def settle(tx: Transaction, of: Assignment, said: Answering) -> Settled | Refused:
    """Whoever asks holds the lead's lock, and has checked whose lead it is and at which version."""
    taken = answer(of.standing, said.act, said.reject or said.reason)
    if isinstance(taken, Refused):
        return taken
    if not taken.said:
        return Settled(of)
    after = _row(tx, of, taken, said)
    events = [_event(tx, of, after, step, said, last=step == taken.said[-1]) for step in taken.said]
    if said.reject == "wrong_geography":
        elsewhere = replace(of, not_teams=(*of.not_teams, of.team))
        [(after, moved)] = await place(tx, [Placing(elsewhere, "rejected", by=said.by, trace=said.trace)])
        await deliveries.write(tx, list(_notices(tx, of, events)))
        return Settled(after, (*events, moved))
    await queries.save_assignments(tx, [after])
    if of.is_open and not after.is_open and of.rep is not None:
        await counters.add_open(tx, {of.rep: -1})
    await deliveries.write(tx, list(_notices(tx, of, events)))
    return Settled(after, events)


def _row(tx: Transaction, of: Assignment, taken: Taken, said: Answering) -> Assignment:
    standing = taken.after
    opened = "opportunity" in taken.said
    return replace(
        of,
        stage=standing.stage,
        paused=standing.paused,
        recycled=standing.recycled,
        reason=standing.reason,
        note=said.note or of.note,
        until=_until(tx, taken.said, said),
        opportunity_id=said.opportunity_id or of.opportunity_id or (str(of.assignment_id) if opened else None),
        amount=said.amount if said.amount is not None else of.amount,
        currency=said.currency or of.currency or (tx.playbook.company.currency if said.amount is not None else None),
        changed_at=tx.now,
    )


def _until(tx: Transaction, steps: Sequence[Said], said: Answering) -> datetime | None:
    """How long the lead rests before it may qualify again."""
    if "recycled" not in steps:
        return None
    match said.act:
        case "reject":
            return tx.now + tx.playbook.sla.reasons.timing.cool_down
        case "lost":
            return tx.now + tx.playbook.sla.reasons.lost.cool_down
        case _:
            return said.until


def _event(tx: Transaction, of: Assignment, after: Assignment, step: Said, said: Answering, *, last: bool) -> Decided:
    common: dict[str, Any] = {
        "trace": said.trace, "at": tx.now, "by": said.by, "lead_id": of.lead_id, "cycle": of.cycle,
        "playbook": tx.stamp, "assignment_id": of.assignment_id,
    }  # fmt: skip
    owned = {**common, "version": of.version, "rep": of.rep}
    # What a later stage implies was not said itself.
    channel: Channel = said.channel if last or step == "rejected" else "implied"
    deal = {**owned, "opportunity_id": after.opportunity_id, "amount": after.amount, "currency": after.currency}
    left = {**common, "from_stage": STAGE_WORD[of.stage], "until": after.until}
    match step:
        case "accepted":
            return LeadAccepted(**owned, channel=channel)
        case "contacted":
            return LeadContacted(**owned, channel=channel)
        case "opportunity":
            return OpportunityOpened(**deal)
        case "won":
            return OpportunityWon(**deal)
        case "lost":
            return OpportunityLost(**deal, reason=said.reason)
        case "paused":
            return LeadPaused(**owned, reason=said.reason or "paused")
        case "resumed":
            return LeadResumed(**owned, reason=said.reason or "resumed")
        case "rejected":
            assert said.reject is not None
            consequence = CONSEQUENCE[said.reject]
            return LeadRejected(
                **owned, channel=channel, reason=said.reject, note=said.note, consequence=consequence, until=after.until
            )
        case "recycled":
            return LeadRecycled(**left, reason=said.reject or said.reason or said.act)
        case "disqualified":
            return LeadDisqualified(**left, reason=said.reject or said.reason or said.act)


def _notices(tx: Transaction, of: Assignment, events: Sequence[Decided]) -> Iterator[message.Notice]:
    """Marketing is told what came back, why, and what it is to do: rest it, complete it, merge it, leave it."""
    for event in events:
        if isinstance(event, LeadRejected):
            why: dict[str, Any] = {"reason": event.reason, "consequence": event.consequence, "until": event.until}
        elif isinstance(event, LeadRecycled | LeadDisqualified):
            why = {"reason": event.reason, "from_stage": event.from_stage, "until": event.until}
        else:
            continue
        yield message.notice(event, of, message.ended(of, tx.playbook, **why))
