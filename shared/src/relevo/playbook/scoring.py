"""scoring.yaml: which touchpoints show interest, how much, for how long; when a lead is qualified, and when never."""

from collections import defaultdict
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from pydantic import Field

from relevo.events.vocabulary import Level, TouchpointType
from relevo.playbook.expressions import LeadCondition, TouchCondition
from relevo.playbook.values import Cell, Count, Duration, Id, Name, Number, Part, Points


class Signal(Part):
    """A touchpoint of type `on` for which `when` holds is worth `points`, half of them after each `half_life`.

    `cap` bounds what all touchpoints of this signal are worth together, in either direction: |value| ≤ cap.
    """

    id: Id
    name: Name
    on: TouchpointType
    when: TouchCondition | None = None
    points: Points
    half_life: Duration
    cap: Number = Field(gt=0, le=1_000_000)


class HandRaise(Part):
    """A touchpoint with which a person asks for sales: qualifies whatever the cell."""

    id: Id
    name: Name
    on: TouchpointType
    when: TouchCondition | None = None


class CompanySignal(Part):
    """Once `people` different people of one company have been active, each of them has `points`, half of them gone
    after each `half_life`, counted from when the last but `people - 1` of them was active."""

    id: Id
    name: Name
    people: Count = Field(ge=2, le=20)
    points: Points
    half_life: Duration


class Levels(Part):
    """Engagement points from which a lead is at level 1 (hot) or 2 (warm); below both it is at 3."""

    one: Points = Field(alias="1")
    two: Points = Field(alias="2")

    def level(self, points: float) -> Level:
        """Compared after rounding to 1e-6, so that the order of summing cannot tip it."""
        points = round(points, 6)
        return 1 if points >= self.one else 2 if points >= self.two else 3


class Qualification(Part):
    cells: frozenset[Cell] = frozenset()
    hand_raises: tuple[HandRaise, ...] = ()


class Exclusion(Part):
    """A lead for which `when` holds is never qualified, hand-raise or not."""

    id: Id
    name: Name
    when: LeadCondition


class Scoring(Part):
    signals: tuple[Signal, ...] = Field(min_length=1)
    companies: tuple[CompanySignal, ...] = Field(
        default=(), description="Several people of one company: a buying group."
    )
    levels: Levels
    qualification: Qualification
    exclusions: tuple[Exclusion, ...] = ()
    learnt_weight: Number = Field(
        default=0.0, ge=0, le=1, description="Share of the learnt score in the engagement of MQLs; 0 = unused."
    )

    def signals_for(self, touch: str) -> tuple[Signal, ...]:
        """The signals that a touchpoint of this type can feed: a page view never evaluates e-mail rules."""
        return self._signals_by_type.get(touch, ())

    def hand_raises_for(self, touch: str) -> tuple[HandRaise, ...]:
        return self._hand_raises_by_type.get(touch, ())

    @cached_property
    def _signals_by_type(self) -> MappingProxyType[str, tuple[Signal, ...]]:
        return _by_type(self.signals)

    @cached_property
    def _hand_raises_by_type(self) -> MappingProxyType[str, tuple[HandRaise, ...]]:
        return _by_type(self.qualification.hand_raises)


Rule = TypeVar("Rule", Signal, HandRaise)


def _by_type(rules: tuple[Rule, ...]) -> MappingProxyType[str, tuple[Rule, ...]]:
    index: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        index[rule.on].append(rule)
    return MappingProxyType({touch: tuple(found) for touch, found in index.items()})
