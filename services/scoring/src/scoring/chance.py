"""How the learnt score counts: a share of engagement, `learnt_weight` in the playbook. Pure.

engagement = (1 - weight) · points of the signals + weight · chance · points of level 1: a chance of 100 % is as good as
level 1. It counts for MQLs that sales has not answered, since it knows nothing of other leads: it says which of them to
call first, and neither qualifies a lead nor takes that back.
"""

from math import inf
from typing import Final

from relevo.playbook import Levels, Scoring
from scoring.lead import Lead

ID: Final = "learnt-score"


def adds(lead: Lead, scoring: Scoring, points: float) -> float:
    """What it adds to the `points` of the signals, or takes away; 0 where it does not count."""
    if lead.chance is None or lead.qualified_at is None:
        return 0.0
    return scoring.learnt_weight * (lead.chance * scoring.levels.one - points)


def levels(lead: Lead, scoring: Scoring) -> Levels:
    """The levels in points of the signals alone: engagement is at a level if and only if the signals are at these."""
    given, weight = scoring.levels, scoring.learnt_weight
    if lead.chance is None or lead.qualified_at is None or not weight:
        return given
    surely = weight * lead.chance * given.one
    return Levels.model_construct(one=_left(given.one - surely, 1 - weight), two=_left(given.two - surely, 1 - weight))


def _left(points: float, share: float) -> float:
    """Points of signals that come to `points`, of which they have this share; with none, all or nothing."""
    return points / share if share else (-inf if points <= 0 else inf)
