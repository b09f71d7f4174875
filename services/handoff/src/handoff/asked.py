"""What `POST /v1/simulations` takes: MQLs as scoring's simulation gives them, and a candidate playbook."""

from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from handoff.days import Mql
from relevo.events.leads import Score, Snapshot, Trigger
from relevo.events.vocabulary import Grade, Level
from relevo.playbook import mql_values
from relevo.service import Text
from relevo.service.candidates import Since

MOST: Final = 10_000  # MQLs of one side


class Qualified(BaseModel):
    """An MQL of scoring's simulation; of its reasons nothing is asked here."""

    lead_id: UUID
    cycle: int = Field(default=1, ge=1, lt=2**31)
    at: AwareDatetime
    grade: Grade
    level: Level
    fit: float
    engagement: float
    persona: Text | None = None
    trigger: Trigger
    snapshot: Snapshot = Snapshot()

    def mql(self) -> Mql:
        score = Score(
            persona=self.persona, grade=self.grade, level=self.level, fit=self.fit, engagement=self.engagement
        )
        hand_raise = self.trigger.kind == "hand_raise"
        values = mql_values(self.snapshot, score, trigger=self.trigger.id, hand_raise=hand_raise)
        return Mql(self.lead_id, self.cycle, self.at, self.snapshot.company.domain, values)


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: dict[str, Text] = Field(description="The candidate's six files: name → text.")
    since: Since = Field(
        description="What reps had before counts as their load. A moment, or how long ago by this system's clock: 90d."
    )
    mqls: list[Qualified] = Field(max_length=MOST, description="The candidate's, of scoring's simulation.")
    current: list[Qualified] | None = Field(
        default=None, max_length=MOST, description="The active playbook's; left out: the same as the candidate's."
    )
