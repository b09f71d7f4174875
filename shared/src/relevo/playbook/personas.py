"""personas.yaml: the agreed pictures of a good customer, and how well a lead must match them."""

from pydantic import Field

from relevo.events.vocabulary import Grade
from relevo.playbook.expressions import LeadCondition
from relevo.playbook.values import Id, Name, Part, Points


class Thresholds(Part):
    """Fit points from which a lead is an A, a B; below both it is a C."""

    A: Points
    B: Points

    def grade(self, points: float) -> Grade:
        return "A" if points >= self.A else "B" if points >= self.B else "C"


class Criterion(Part):
    """`points` (may be negative) count into the persona's fit where `when` holds for the lead."""

    id: Id
    name: Name
    when: LeadCondition
    points: Points


class Persona(Part):
    id: Id
    name: Name
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    thresholds: Thresholds


class Personas(Part):
    """A lead's fit is its best persona's: highest grade, then most points, then the order of this file."""

    personas: tuple[Persona, ...] = Field(min_length=1)
