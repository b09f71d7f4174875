"""Engagement: what a lead's touchpoints are worth now, each halved after every half-life. Pure.

Per lead and signal only (value, at) is kept, with `at` the newest occurrence:
value(t) = Σ points · 2^-((t - occurred) / half_life). Exponentials of one half-life sum up to one exponential again, so
neither the order nor the splitting of the touchpoints matters; exponents are never above 0, so nothing overflows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import exp2, inf, log2
from typing import NamedTuple

from relevo.playbook import Levels
from scoring.moments import micros, moment
from scoring.rules import SignalRule

MICROSECONDS = 1_000_000


class Decaying(NamedTuple):
    """What one signal is worth at `at` (microseconds), before its cap, and how many touchpoints made it so."""

    value: float
    at: int
    touchpoints: int


class Term(NamedTuple):
    """One signal at the moment of reading: `value` before its cap, which bounds it in either direction."""

    value: float
    half_life: float  # microseconds
    cap: float

    @property
    def now(self) -> float:
        value, _, cap = self
        return value if -cap <= value <= cap else cap if value > 0 else -cap

    def after(self, elapsed: float) -> float:
        return max(-self.cap, min(self.cap, self.value * exp2(-elapsed / self.half_life)))


def add(kept: Decaying | None, points: float, half_life: float, occurred: int) -> Decaying:
    """One more touchpoint, at `occurred`; older or newer than what is kept."""
    if kept is None:
        return Decaying(points, occurred, 1)
    if occurred >= kept.at:
        value = kept.value * exp2((kept.at - occurred) / half_life) + points
        return Decaying(value, occurred, kept.touchpoints + 1)
    value = kept.value + points * exp2((occurred - kept.at) / half_life)
    return Decaying(value, kept.at, kept.touchpoints + 1)


def terms(kept: Mapping[str, Decaying], signals: Iterable[SignalRule], as_of: int) -> dict[str, Term]:
    """What is kept, read at `as_of`, by signal id in the playbook's order; what no signal counts is left out.

    A sender's clock may run ahead of ours: what occurs later than now counts as now.
    """
    return {
        signal.id: Term(each.value * faded(each.at, as_of, signal.half_life), signal.half_life, signal.cap)
        for signal in signals
        if (each := kept.get(signal.id)) is not None
    }


def faded(at: int, as_of: int, half_life: float) -> float:
    """What is left at `as_of` of 1 at `at`."""
    return exp2((at - as_of) / half_life) if at < as_of else 1.0


def total(read: Iterable[Term]) -> float:
    """Rounded to 1e-6, so that the order of summing cannot tip a level."""
    return round(sum([each.now for each in read]), 6)


_SECOND = float(MICROSECONDS)
_HALF_A_DIGIT = 5e-7  # a sum is rounded to 1e-6 before it is compared
_STEPS = 1_000


def falls_at(read: Iterable[Term], levels: Levels, as_of: datetime) -> datetime | None:
    """When the level falls if nothing happens: never early, a second late at most; None where it never does.

    Signals with negative points fade too and let the sum rise, so it is no straight way down. But they never weigh more
    than now: until the gains alone are below the level's points and what is lost now, the level cannot fall.
    """
    some = tuple(read)
    level = levels.level(total(some))
    if level == 3:
        return None
    least = (levels.one if level == 1 else levels.two) - _HALF_A_DIGIT
    gains, losses = [each for each in some if each.value > 0], [each for each in some if each.value < 0]
    elapsed = 0.0
    for _ in range(_STEPS):
        lost = sum([each.after(elapsed) for each in losses])
        below = _below(gains, least - lost, elapsed)
        if below is None:
            return None
        elapsed = below
        if not losses or sum([each.after(elapsed) for each in some]) < least:
            break
    return moment(micros(as_of) + int(elapsed) + 1)


def _below(gains: Iterable[Term], least: float, elapsed: float) -> float | None:
    """The first moment from `elapsed` on (microseconds) at which `gains` are below `least`; None where never.

    Newton's steps on the logarithm, which is convex while no signal leaves its cap: so they never pass the moment, and
    they stop wherever a signal does.
    """
    if least <= 0:
        return None
    while True:
        points = slope = 0.0
        leaves_cap = inf
        for value, half_life, cap in gains:
            now = value * exp2(-elapsed / half_life)
            if now > cap:
                leaves_cap = min(leaves_cap, half_life * log2(value / cap))
                points += cap
            else:
                points += now
                slope += now / half_life
        if points < least:
            return elapsed
        step = log2(points / least) * points / slope if slope else inf
        elapsed = max(elapsed + _SECOND, min(elapsed + step, leaves_cap))
