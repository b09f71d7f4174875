"""Learns from what sales accepted and rejected: two calibrated models, judged on later leads than they saw.

The only file that knows numpy and scikit-learn (the extra `scoring[learn]`); the service never imports it. It reads and
writes nothing, and the same leads teach it the same. Trained on the earlier three quarters, judged on the
later one, which no model, calibration or choice has seen. Without signal there it says so and offers nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from scoring.learning import LEAST, Features, Judged, Kind, Learnable, Learnt, Refused, Value, is_nearly_an_id

LATER: Final = 0.25  # the share of leads, the newest, that only judge
LEAKS: Final = 0.95  # AUC of one feature alone: no honest one knows the answer so well
BINS: Final = 10
_RARE: Final = 20  # levels of a feature with fewer leads are one


def learn(leads: Sequence[Learnable], *, seed: int = 0) -> Learnt:
    """Raises Refused: too few, a feature that leaks the answer (by its name), or no signal on later leads."""
    ordered = sorted(leads, key=lambda lead: lead.at)
    accepted = sum(lead.accepted for lead in ordered)
    if min(accepted, len(ordered) - accepted) < LEAST:
        raise Refused(f"{accepted} accepted and {len(ordered) - accepted} rejected leads: it takes {LEAST} of each")
    every = sorted({name for lead in ordered for name in lead.features})
    names = tuple(name for name in every if not is_nearly_an_id([lead.features.get(name) for lead in ordered]))
    answer = np.array([lead.accepted for lead in ordered])
    table = _columns([lead.features for lead in ordered], names)
    if leaking := _leaking(table, answer, names):
        raise Refused(
            f"{', '.join(leaking)}: known only after sales had answered, it seems, since alone it tells the answer;"
            " leave it out"
        )
    cut = int(len(ordered) * (1 - LATER))
    if len(set(answer[:cut])) < 2 or len(set(answer[cut:])) < 2:
        raise Refused("the earlier or the later leads were all accepted, or all rejected: there is nothing to compare")
    models: dict[Kind, Any] = {}
    judged = []
    for kind in ("logistic", "boosting"):
        model = CalibratedClassifierCV(_model(kind, table, seed), method="isotonic" if cut > 2_000 else "sigmoid", cv=3)
        model.fit(table[:cut], answer[:cut])
        models[kind] = model
        judged.append(_judge(kind, model.predict_proba(table[cut:])[:, 1], answer[cut:], answer[:cut].mean()))
    judged.sort(key=lambda each: each.brier)
    if not judged[0].has_signal:
        raise Refused(
            f"no signal: on later leads the better model has an AUC of {judged[0].auc:.2f} (0.5 is a coin) and a Brier"
            f" score of {judged[0].brier:.4f} (the base rate's is {judged[0].base_brier:.4f}); nothing is offered"
        )
    plain = _model("logistic", table, seed).fit(table[:cut], answer[:cut])

    def chances(some: Sequence[Features]) -> list[float]:
        said = models[judged[0].kind].predict_proba(_columns(some, names))
        return [float(each) for each in said[:, 1]]

    return Learnt(names, tuple(judged), chances, cut, len(ordered) - cut, float(answer.mean()), _weights(plain, names))


def _columns(leads: Sequence[Features], names: Sequence[str]) -> Any:
    return np.array([[_cell(lead.get(name)) for name in names] for lead in leads], dtype=object)


def _cell(value: Value) -> float | str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, bool | str) else float(value)


def _split(table: Any) -> tuple[list[int], list[int]]:
    """Columns of words, columns of numbers (unknown is 0 there, as in the playbook)."""
    words = [n for n in range(table.shape[1]) if any(isinstance(each, str) and each != "–" for each in table[:, n])]
    return words, [n for n in range(table.shape[1]) if n not in words]


class _Numbers(StandardScaler):  # type: ignore[misc]
    """Numbers spread evenly: a budget of a million must not drown all others."""

    def fit(self, table: Any, y: Any = None, sample_weight: Any = None) -> Any:
        return super().fit(_signed_log(table), y, sample_weight)

    def transform(self, table: Any, copy: Any = None) -> Any:
        return super().transform(_signed_log(table), copy)


def _signed_log(table: Any) -> Any:
    numbers = np.where(table == "–", 0.0, table).astype(float)
    return np.sign(numbers) * np.log1p(np.abs(numbers))


def _model(kind: Kind, table: Any, seed: int) -> Pipeline:
    words, numbers = _split(table)
    if kind == "logistic":
        each = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_RARE)
        return make_pipeline(
            ColumnTransformer([("word", each, words), ("number", _Numbers(), numbers)]),
            LogisticRegression(max_iter=1_000, C=1.0),
        )
    coded = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=_RARE, max_categories=200
    )
    boosting = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=_RARE, random_state=seed
    )
    return make_pipeline(ColumnTransformer([("word", coded, words), ("number", _Numbers(), numbers)]), boosting)


def _leaking(table: Any, answer: Any, names: Sequence[str]) -> list[str]:
    """Features that alone tell the answer: of words by their share of acceptance, of numbers by their size."""
    words, _ = _split(table)
    found = []
    for number, name in enumerate(names):
        column = table[:, number]
        if number in words:
            _, which, size = np.unique(column.astype(str), return_inverse=True, return_counts=True)
            said = (np.bincount(which, answer) / size)[which]
        else:
            said = np.where(column == "–", 0.0, column).astype(float)
        auc = roc_auc_score(answer, said)
        if max(auc, 1 - auc) >= LEAKS:
            found.append(name)
    return found


def _judge(kind: Kind, said: Any, came: Any, base: float) -> Judged:
    order = np.argsort(-said, kind="stable")
    tenth = order[: max(1, len(order) // 10)]
    bins = [each for each in np.array_split(np.argsort(said, kind="stable"), BINS) if len(each)]
    return Judged(
        kind=kind,
        auc=float(roc_auc_score(came, said)),
        brier=float(brier_score_loss(came, said)),
        base_brier=float(np.mean((came - base) ** 2)),
        lift=float(came[tenth].mean() / came.mean()),
        reliability=tuple((float(said[each].mean()), float(came[each].mean()), len(each)) for each in bins),
    )


def _weights(model: Pipeline, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    features, logistic = model[0].get_feature_names_out(), model[-1]
    pairs = []
    for feature, weight in zip(features, logistic.coef_[0], strict=True):
        column, _, level = feature.partition("__x")[2].partition("_")
        pairs.append((names[int(column)] + (f" = {level}" if level else ""), float(weight)))
    return tuple(sorted(pairs, key=lambda each: -abs(each[1])))
