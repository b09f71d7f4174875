"""What a lead did, touchpoint by touchpoint: what each feeds, what it is worth now, why it does not count. Pure."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from relevo.events import TouchpointRecorded
from relevo.events.leads import TouchSummary
from relevo.playbook import RuleFailed
from scoring import engagement
from scoring.fold import fold
from scoring.lead import Lead
from scoring.merges import Merge
from scoring.moments import micros
from scoring.rules import rules_of
from scoring.tell import Now, summary


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fed(Part):
    """One signal that a touchpoint feeds."""

    id: str
    name: str
    points: float = Field(description="What this one touchpoint is worth now, before the signal's cap.")


class Happened(Part):
    touchpoint: TouchSummary
    received_at: datetime
    because: str | None = Field(description="Why it does not count: a machine did it, or it is of an earlier cycle.")
    signals: tuple[Fed, ...]
    hand_raise: str | None = Field(description="By which rule the person asked for sales.")
    failed: tuple[str, ...] = Field(description="Rules that could not be answered for it: file, line, why.")


class History(Part):
    lead_id: UUID
    items: tuple[Happened, ...] = Field(description="Newest first.")
    merges: tuple[Merge, ...] = Field(description="By hand, oldest first; undone ones too.")
    next: UUID | None = Field(description="Send it as `cursor` for the page before this one.")


def happened(lead: Lead, touchpoints: Iterable[TouchpointRecorded], now: Now) -> tuple[Happened, ...]:
    return tuple(_happened(lead, touch, now) for touch in touchpoints)


def _happened(lead: Lead, touch: TouchpointRecorded, now: Now) -> Happened:
    failed: list[RuleFailed] = []
    alone = Lead(lead.lead_id, lead.known_by, now.playbook.version, cycle_from=lead.cycle_from)
    fold(alone, touch, now.playbook, failed)
    raised = alone.sums.hand_raise
    names = {signal.id: signal.name for signal in now.playbook.scoring.signals}
    worth = engagement.terms(alone.sums.signals, rules_of(now.playbook).signals, micros(now.at))
    return Happened(
        touchpoint=summary(touch),
        received_at=touch.received_at,
        because=_because(lead, touch),
        signals=tuple(Fed(id=id_, name=names[id_], points=round(term.value, 6)) for id_, term in worth.items()),
        hand_raise=raised.rule if raised is not None else None,
        failed=tuple(map(str, failed)),
    )


def _because(lead: Lead, touch: TouchpointRecorded) -> str | None:
    if touch.machine:
        return touch.machine_because or "a machine did it"
    if lead.cycle_from is not None and touch.occurred_at <= lead.cycle_from:
        return "it is from before this cycle"
    return None
