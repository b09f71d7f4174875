"""What a simulation says, and the MQLs it is made of. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from relevo.events.leads import Contribution, Snapshot, Trigger
from relevo.events.vocabulary import Grade, Level
from relevo.playbook import Playbook
from scoring.replay import WouldBe
from scoring.score import contribution
from scoring.tell import snapshot

Verdict = Literal["won", "accepted", "rejected"]
_FINAL: Final[dict[str, Verdict]] = {"won": "won", "lost": "accepted", "accepted": "accepted", "rejected": "rejected"}
_STRENGTH: Final = ("rejected", "accepted", "won")


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Mql(Part):
    """One MQL of a replay, as the simulations of other services take it."""

    lead_id: UUID
    cycle: int
    at: datetime
    cell: str
    grade: Grade
    level: Level
    fit: float
    engagement: float
    persona: str | None
    trigger: Trigger
    reasons: tuple[Contribution, ...]
    snapshot: Snapshot = Field(description="Without touchpoints.")


class Told(Part):
    """One MQL as it was told at the time."""

    lead_id: UUID
    cycle: int
    at: datetime
    cell: str
    trigger: Trigger


class Row(Part):
    name: str
    mqls: int
    won: int
    accepted: int = Field(description="Accepted by sales, won ones among them.")
    rejected: int


class Week(Part):
    monday: datetime
    mqls: int


class Side(Part):
    """What one playbook would have made of it. Shares are None where sales has said nothing to go by."""

    version: str
    mqls: int
    weeks: tuple[Week, ...]
    hand_raises: int
    judged: int = Field(description="MQLs of leads that sales accepted or rejected.")
    precision: float | None = Field(description="Of those, the share that sales accepted.")
    precision_won: float | None = Field(description="Of those, the share that was won.")
    recall: float | None = Field(description="Of all leads that sales accepted, the share that is an MQL here.")
    recall_won: float | None = Field(description="Of all leads that were won, the share that is an MQL here.")
    personas: tuple[Row, ...]
    sources: tuple[Row, ...]
    failed_rules: int
    items: tuple[Mql, ...] = Field(description="Every MQL, oldest first.")


class Example(Part):
    lead_id: UUID
    at: datetime
    cell: str
    persona: str | None
    source: str | None
    trigger: str
    because: tuple[str, ...] = Field(description="The weightiest reasons, with their points.")
    verdict: Verdict | None = Field(description="What sales said of the lead.")


class Difference(Part):
    leads: int
    accepted: int
    rejected: int
    examples: tuple[Example, ...]


class Recorded(Part):
    """The MQLs as they were told, beside those of the active playbook's replay: equal, if it was active all along."""

    mqls: int
    reproduced: int
    missing: tuple[UUID, ...]
    extra: tuple[UUID, ...]


class Simulation(Part):
    since: datetime
    until: datetime
    leads: int
    touchpoints: int
    recorded: Recorded
    current: Side
    candidate: Side
    gained: Difference
    lost: Difference


class Share(Part):
    """What a share of the leads comes to."""

    leads: int
    touchpoints: int
    told: tuple[Told, ...]
    verdicts: dict[UUID, Verdict]
    current: tuple[Mql, ...]
    candidate: tuple[Mql, ...]
    failed: tuple[int, int]


def mqls(
    found: tuple[Sequence[WouldBe], Sequence[WouldBe]], playbooks: tuple[Playbook, Playbook]
) -> tuple[tuple[Mql, ...], tuple[Mql, ...]]:
    """Those of either playbook. What both make alike, as most is, is one object: made once, and sent once."""
    (current, candidate), (active, other) = found, playbooks
    made = tuple(_mql(each, active) for each in current)
    known = {(each.lead_id, each.cycle, each.at): (each, mql) for each, mql in zip(current, made, strict=True)}

    def again(each: WouldBe) -> Mql:
        twin = known.get((each.lead_id, each.cycle, each.at))
        alike = twin is not None and active.company == other.company and _made_of(twin[0]) == _made_of(each)
        return twin[1] if twin is not None and alike else _mql(each, other)

    return made, tuple(map(again, candidate))


def _made_of(found: WouldBe) -> tuple[object, ...]:
    """All that an MQL is made of, but for its lead and moment, and what company.yaml says."""
    judged = found.judgement
    return judged.new, judged.trigger, judged.reasons, judged.facts, judged.lead.known_by


def _mql(found: WouldBe, playbook: Playbook) -> Mql:
    judged = found.judgement
    assert judged.trigger is not None
    new = judged.new
    return Mql(
        lead_id=found.lead_id,
        cycle=found.cycle,
        at=found.at,
        cell=new.cell,
        grade=new.grade,
        level=new.level,
        fit=new.fit,
        engagement=new.engagement,
        persona=new.persona,
        trigger=judged.trigger,
        reasons=tuple(map(contribution, judged.reasons)),
        snapshot=snapshot(judged.lead, judged.facts, (), playbook),
    )


def verdicts(outcomes: Iterable[tuple[UUID, str]]) -> dict[UUID, Verdict]:
    """Of each lead the best that sales ever said of it."""
    found: dict[UUID, Verdict] = {}
    for lead_id, kind in outcomes:
        verdict = _FINAL.get(kind)
        if verdict is not None:
            found[lead_id] = max(verdict, found.get(lead_id, verdict), key=_STRENGTH.index)
    return found
