"""What a figure is: a set-up that yields two rounds, ours and its baseline of the same shape, run in turn."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Literal

Better = Literal["higher", "lower"]
Round = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Rounds:
    """`ours` and `baseline` each measure once and return the value; a figure with an absolute limit has no baseline."""

    ours: Round
    baseline: Round | None = None


@dataclass(frozen=True)
class Figure:
    """`goal` is the ratio to reach, or, where there is no baseline, the value. `once`: one round without a warm-up, for
    what a process does in its life."""

    name: str
    unit: str
    better: Better
    goal: float
    set_up: Callable[[], AbstractAsyncContextManager[Rounds]]
    once: bool = False


@dataclass(frozen=True)
class Measured:
    value: float
    unit: str
    better: Better
    baseline: float | None
    ratio: float | None

    def reaches(self, goal: float) -> bool:
        reached = self.value if self.ratio is None else self.ratio
        return reached >= goal if self.better == "higher" else reached <= goal


FIGURES: dict[str, Figure] = {}


def figure(
    name: str, *, unit: str, better: Better, goal: float, once: bool = False
) -> Callable[[Callable[[], AsyncIterator[Rounds]]], Callable[[], AbstractAsyncContextManager[Rounds]]]:
    """Register the async generator below, which sets up, yields Rounds once and cleans up."""

    def register(function: Callable[[], AsyncIterator[Rounds]]) -> Callable[[], AbstractAsyncContextManager[Rounds]]:
        set_up = asynccontextmanager(function)
        FIGURES[name] = Figure(name, unit, better, goal, set_up, once)
        return set_up

    return register


async def measure(wanted: Figure, rounds: int, say: Callable[[str], None]) -> Measured:
    """The medians of `rounds` alternating rounds, after one of each that does not count."""
    warm_ups, rounds = (0, 1) if wanted.once else (1, rounds)
    ours: list[float] = []
    theirs: list[float] = []
    async with wanted.set_up() as run:
        for number in range(1 - warm_ups, rounds + 1):
            value = await run.ours()
            against = await run.baseline() if run.baseline is not None else None
            if number == 0:
                continue  # warm-up
            ours.append(value)
            if against is not None:
                theirs.append(against)
            say(
                f"{wanted.name} {number}/{rounds}: {value:,.4g} {wanted.unit}"
                + (f", baseline {against:,.4g}" if against else "")
            )
    value, baseline = median(ours), median(theirs) if theirs else None
    return Measured(value, wanted.unit, wanted.better, baseline, value / baseline if baseline else None)
