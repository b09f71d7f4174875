"""What a lead teaches, how good a model is, and what is to be said of it. Pure; the models are in `models`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from scoring.kept import Answered

Kind = Literal["logistic", "boosting"]
Value = str | float | bool | None
Features = Mapping[str, Value]
LEAST: Final = 40  # of each: fewer teach nothing that would hold
SIGNAL: Final = 0.55  # AUC below which, or a Brier score no better than the base rate's, nothing is offered


class Learnable(NamedTuple):
    """One lead as it was before the hand-off, and whether sales accepted it."""

    at: datetime
    features: Features
    accepted: bool


class Refused(Exception):
    """Nothing is offered; says why, and what to do."""


@dataclass(frozen=True)
class Judged:
    """How one model did on leads it never saw. `base_brier`: of always saying the share of the training leads."""

    kind: Kind
    auc: float
    brier: float
    base_brier: float
    lift: float
    reliability: tuple[tuple[float, float, int], ...]
    """Per bin: what it said on average, what came of it, how many leads."""

    @property
    def has_signal(self) -> bool:
        return self.auc >= SIGNAL and self.brier < self.base_brier


@dataclass(frozen=True)
class Learnt:
    """Both models, the better one first; `names` are the features; `chances` says for each lead what the better one
    says: the chance of acceptance."""

    names: tuple[str, ...]
    judged: tuple[Judged, ...]
    chances: Callable[[Sequence[Features]], list[float]]
    trained_on: int
    judged_on: int
    accepted: float
    weights: tuple[tuple[str, float], ...]
    """The logistic model's, on the log-odds, weightiest first."""

    def reasons(self, lead: Features, usual: Features) -> list[tuple[str, float]]:
        """What the chance owes to each feature in which the lead is not as usual; weightiest first."""
        names = [name for name in self.names if lead.get(name) != usual.get(name)]
        first, *others = self.chances([lead, *({**lead, name: usual.get(name)} for name in names)])
        parts = [(name, first - other) for name, other in zip(names, others, strict=True)]
        return sorted(parts, key=lambda each: -abs(each[1]))


def usual(leads: Sequence[Learnable]) -> dict[str, Value]:
    """Of each feature what most leads have, of numbers the middle."""
    found: dict[str, Value] = {}
    for name in sorted({name for lead in leads for name in lead.features}):
        values = [lead.features.get(name) for lead in leads]
        numbers = sorted(each for each in values if isinstance(each, int | float) and not isinstance(each, bool))
        found[name] = numbers[len(numbers) // 2] if numbers else max(set(values), key=values.count)
    return found


def is_nearly_an_id(values: Sequence[Value]) -> bool:
    """Words that hardly two leads share say of each lead what that one did, and nothing of the next."""
    words = [value for value in values if isinstance(value, str)]
    return len(set(words)) > len(values) / 5


def learnable(mql: Answered) -> Learnable:
    """The lead as it was told to sales: nothing that came later."""
    features: dict[str, Any] = {"cell": mql.cell, "persona": mql.persona, "source": mql.source}
    features["trigger"] = mql.trigger["id"]
    for reason in mql.contributions:
        features[f"{reason['kind']} {reason['id']}"] = float(reason["points"])
    for name, value in mql.attributes.items():
        if isinstance(value, bool | int | float | str):
            features[name] = value if isinstance(value, bool | str) else float(value)
    return Learnable(mql.at, features, bool(mql.accepted))


def model_card(learnt: Learnt, at: datetime) -> str:
    """What it is, what it was taught and judged on, how good it is, what it may not be used for."""
    best = learnt.judged[0]
    lines = [
        f"# The learnt score of {at:%F}", "",
        "It says the chance that sales accepts an MQL, from what was known of the lead at the hand-off. Taught on the"
        f" {learnt.trained_on:,} earlier leads that sales answered, judged on the {learnt.judged_on:,} later ones,"
        f" which it never saw; {learnt.accepted:.0%} of all were accepted. Both are calibrated on earlier leads.", "",
        "| model | AUC | Brier score | base rate's Brier score | lift of the best tenth |", "|---|---|---|---|---|",
        *(f"| {j.kind} | {j.auc:.3f} | {j.brier:.4f} | {j.base_brier:.4f} | {j.lift:.2f} |" for j in learnt.judged), "",
        f"## Reliability of the better one ({best.kind})", "",
        "Of leads it gave about the same chance, so many were accepted:", "",
        "| it said | it came | leads | |", "|---|---|---|---|",
        *(f"| {said:.0%} | {came:.0%} | {n:,} | {'█' * round(came * 30)} |" for said, came, n in best.reliability), "",
        "## What weighs most (logistic model, log-odds)", "", "| feature | weight |", "|---|---|",
        *(f"| {name} | {weight:+.2f} |" for name, weight in learnt.weights[:20]), "",
        "## Limits", "",
        "It repeats what sales did, habits and mistakes with it, and knows nothing of leads that never were MQLs.",
        "It is shown beside a lead with its reasons. By `learnt_weight` of scoring.yaml it moves the level of MQLs that"
        " sales has not answered; it makes nobody an MQL. Learn again each quarter.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
