"""goals.yaml: what both teams want to reach together."""

from typing import Literal

from pydantic import Field

from relevo.playbook.values import Amount, Id, Name, Part


class Goal(Part):
    id: Id
    name: Name
    measure: Literal["mqls", "accepted", "won", "revenue"]
    period: Literal["month", "quarter"]
    target: Amount = Field(description="A count; for revenue an amount in the company's currency.")


class Goals(Part):
    goals: tuple[Goal, ...] = ()
