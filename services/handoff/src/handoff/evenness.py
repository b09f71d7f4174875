"""PURE: how evenly a team's leads are shared out, and what plain round robin would have made of the same leads."""

from collections.abc import Mapping

from msgspec.structs import replace as with_

from handoff.eligible import RepState
from handoff.route import Decision


def deviation(state: Mapping[str, RepState]) -> float:
    """Leads by which the most unlucky (or luckiest) rep is off a fair share."""
    return max((abs(rep.assigned - rep.target) for rep in state.values()), default=0.0)


def jain(state: Mapping[str, RepState]) -> float:
    """Jain's fairness index of what each got for what they should have got: 1 is perfectly fair (Jain, Chiu, Hawe
    1984)."""
    ratios = [rep.assigned / rep.target for rep in state.values() if rep.target]
    squares = sum(ratio * ratio for ratio in ratios)
    return sum(ratios) ** 2 / (len(ratios) * squares) if squares else 1.0


class Turns:
    """A team's leads by plain round robin: the next one in the circle who can take it. Weights are nothing to it."""

    def __init__(self) -> None:
        self._place, self._given = 0, dict[str, int]()

    def take(self, decision: Decision) -> None:
        """Give away the lead that `decision` gave away, among the same reps."""
        circle = decision.considered
        able = {each.rep for each in circle if not each.failed}
        if not able:
            return
        while circle[self._place % len(circle)].rep not in able:
            self._place += 1
        chosen = circle[self._place % len(circle)].rep
        if len(circle) > 1:  # a lead that only one rep was asked for is nobody's turn
            self._place += 1
        self._given[chosen] = self._given.get(chosen, 0) + 1

    def instead(self, state: Mapping[str, RepState]) -> dict[str, RepState]:
        """`state` with what each would have got: what they should have got stays."""
        return {rep: with_(each, assigned=self._given.get(rep, 0)) for rep, each in state.items()}
