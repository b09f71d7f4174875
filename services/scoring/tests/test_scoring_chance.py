"""The learnt score in the score: a share of engagement, with its reason, for MQLs only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook
from scoring import chance
from scoring.lead import Lead
from scoring.score import Judgement, judge, score

Touch = Callable[..., TouchpointRecorded]
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
SECOND = timedelta(seconds=1)


def weighing(playbook: Playbook, weight: float) -> Playbook:
    return replace(playbook, scoring=playbook.scoring.model_copy(update={"learnt_weight": weight}))


def an_mql(playbook: Playbook, make: Touch) -> Lead:
    """An A with 20 points of one form, of a half-life of 10 days: warm, from 10 to below 40."""
    form = make("form_submitted", who="ana@acme.example", at=NOW, fields=GOOD)
    lead, said, _ = score(Lead(UUID(int=1), "email", playbook.version), [form], playbook, NOW)
    assert said[-1].trigger is not None
    return lead


def standing(lead: Lead, playbook: Playbook, as_of: datetime) -> Judgement:
    _, said = judge(replace(lead, said=None), playbook, as_of, [])
    assert said is not None
    return said


@pytest.mark.parametrize(
    ("weight", "said", "cell", "engagement", "adds"),
    [
        (0.0, 0.9, "A2", 20.0, None),  # no weight: as if it were not there
        (0.5, 0.9, "A2", 28.0, 8.0),  # half of 20, and half of 90 % of the 40 points of level 1
        (0.5, 0.5, "A2", 20.0, None),  # 50 % of 40 is what it has: nothing to add
        (0.5, 0.0, "A2", 10.0, -10.0),
        (0.8, 0.05, "A3", 5.6, -14.4),  # 0.2 · 20 + 0.8 · 0.05 · 40
        (1.0, 1.0, "A1", 40.0, 20.0),
    ],
)
def test_by_hand(
    playbook: Playbook, make: Touch, weight: float, said: float, cell: str, engagement: float, adds: float | None
) -> None:
    lead = replace(an_mql(playbook, make), chance=said)
    found = standing(lead, weighing(playbook, weight), NOW)
    assert (found.new.cell, found.new.engagement) == (cell, engagement)
    assert found.trigger is None
    learnt = [(reason.name, reason.points) for reason in found.reasons if reason.id == "learnt-score"]
    assert learnt == ([] if adds is None else [(f"Learnt score: a chance of {said:.0%}", pytest.approx(adds))])
    assert sum(reason.points for reason in found.reasons if reason.kind == "signal") == pytest.approx(engagement)


@pytest.mark.parametrize("qualified", [True, False])
def test_it_makes_nobody_an_mql(playbook: Playbook, make: Touch, qualified: bool) -> None:
    """A visitor without points whom the model is sure of: no MQL, and no better for it, unless it is one already."""
    seen = make("imported", who="ana@acme.example", at=NOW, fields=GOOD)
    lead, _, _ = score(Lead(UUID(int=1), "email", playbook.version), [seen], playbook, NOW)
    lead = replace(lead, chance=1.0, qualified_at=NOW if qualified else None)
    found = standing(lead, weighing(playbook, 1.0), NOW)
    assert (found.new.cell, found.trigger) == ("A1" if qualified else "A3", None)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("said", [0.2, 0.3, 0.9])
def test_when_the_level_falls_is_said_with_what_was_learnt(
    playbook: Playbook, make: Touch, weight: float, said: float
) -> None:
    lead, weighed = replace(an_mql(playbook, make), chance=said), weighing(playbook, weight)
    now = standing(lead, weighed, NOW)
    if now.level_until is None:
        later = standing(lead, weighed, NOW + timedelta(days=3_650))
        assert later.new.level == now.new.level
        return
    assert standing(lead, weighed, now.level_until - 2 * SECOND).new.level == now.new.level
    assert standing(lead, weighed, now.level_until).new.level == now.new.level + 1


@given(weight=st.floats(0, 1), said=st.floats(0, 1), points=st.floats(-100, 200))
def test_levels_of_the_signals_are_those_of_engagement(weight: float, said: float, points: float) -> None:
    scoring: Any = _playbook().scoring.model_copy(update={"learnt_weight": weight})
    lead = Lead(UUID(int=1), "email", "v", qualified_at=NOW, chance=said)
    engagement = points + chance.adds(lead, scoring, points)
    assume(all(abs(engagement - edge) > 1e-5 for edge in (scoring.levels.one, scoring.levels.two)))
    shifted = chance.levels(lead, scoring)
    assume(all(abs(points - edge) > 1e-5 for edge in (shifted.one, shifted.two)))
    assert shifted.level(points) == scoring.levels.level(engagement)


def _playbook() -> Playbook:
    return KNOWN[0]


KNOWN: list[Playbook] = []


@pytest.fixture(scope="module", autouse=True)
def known(playbook: Playbook) -> None:
    KNOWN.append(playbook)
