"""Engagement: what a lead's touchpoints are worth now, each halved after every half-life. Pure.

Per lead and signal only (value, at) is kept, with `at` the newest occurrence:
value(t) = Σ points · 2^-((t - occurred) / half_life). Exponentials of one half-life sum up to one exponential again, so
neither the order nor the splitting of the touchpoints matters; exponents are never above 0, so nothing overflows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import exp2, log2
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
        return max(-self.cap, min(self.cap, self.value))

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
    read = {}
    for signal in signals:
        if (each := kept.get(signal.id)) is not None:
            faded = exp2(min(0, each.at - as_of) / signal.half_life)
            read[signal.id] = Term(each.value * faded, signal.half_life, signal.cap)
    return read


def total(read: Iterable[Term]) -> float:
    """Rounded to 1e-6, so that the order of summing cannot tip a level."""
    return round(sum([each.now for each in read]), 6)


_SECOND = float(MICROSECONDS)
_SEARCHES = 20_000


def falls_at(read: Iterable[Term], levels: Levels, as_of: datetime) -> datetime | None:
    """When the level falls if nothing happens, to the second (never early); None where it cannot fall.

    Signals with negative points fade too and let the sum rise, so it is no straight way down. The search halves the
    time ahead and passes over an interval only where the sum cannot fall in it: the positive part is least at its end,
    the negative part is largest at its beginning.
    """
    some = tuple(read)
    level = levels.level(total(some))
    if level == 3:
        return None
    least = levels.one if level == 1 else levels.two
    gains = [(each.value, -1 / each.half_life, each.cap) for each in some if each.value > 0]
    losses = [(each.value, -1 / each.half_life, -each.cap) for each in some if each.value < 0]

    def falls(gains_after: float, losses_after: float) -> bool:
        points = sum([min(cap, value * exp2(gains_after * rate)) for value, rate, cap in gains])
        points += sum([max(cap, value * exp2(losses_after * rate)) for value, rate, cap in losses])
        return round(points, 6) < least

    ahead = [(0.0, _horizon(some, least))]
    for _ in range(_SEARCHES):
        if not ahead:
            break
        start, end = ahead.pop()
        if not falls(end, start):
            continue
        if end - start <= _SECOND:
            if falls(end, end):
                return moment(micros(as_of) + int(end) + 1)
            continue
        middle = (start + end) / 2
        ahead += [(middle, end), (start, middle)]
    return None


def _horizon(read: Iterable[Term], least: float) -> float:
    """Microseconds after which nothing can change: everything together, fading as slowly as the slowest, is below
    `least`, or (where that is 0 or less) below what is looked at."""
    together = sum(abs(each.value) for each in read)
    slowest = max(each.half_life for each in read)
    return slowest * (1 + max(0.0, log2(together / max(least, 1e-7))))
