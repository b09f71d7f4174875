"""What the clients saw, and whether the system's end agrees with it (as Jepsen's queue workload asks). PURE."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "fail", "unknown"]


@dataclass
class History:
    """Every client operation by the touchpoint's id, as its client knows it ended: unknown may have happened or not."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def record(self, touchpoint: str, outcome: Outcome) -> None:
        """A retry that succeeds settles an unknown one; nothing unsettles an acknowledged one."""
        if self.outcomes.get(touchpoint) != "ok":
            self.outcomes[touchpoint] = outcome

    def counts(self) -> Counter[Outcome]:
        return Counter(self.outcomes.values())


@dataclass(frozen=True)
class End:
    """The system after the heal, read from its databases, its topics and the receiver.

    `by_key`: topic → key → event ids in the order of the log (first occurrences). `applied`: the same as the console
    applied them. Every list may hold an id twice: then an effect happened twice.
    """

    touchpoints: Sequence[str]
    mqls: Sequence[str]
    assignments: Sequence[str]
    delivered: Sequence[str]
    dead_letters: int
    backlog: int
    by_key: Mapping[str, Mapping[str, Sequence[str]]]
    applied: Mapping[str, Mapping[str, Sequence[str]]]


def check(history: History, end: End) -> list[str]:
    """What is wrong, each in one line; an empty list where every promise was kept."""
    ok = {touchpoint for touchpoint, outcome in history.outcomes.items() if outcome == "ok"}
    failed = {touchpoint for touchpoint, outcome in history.outcomes.items() if outcome == "fail"}
    stored = set(end.touchpoints)
    return [
        *_some("lost after a 2xx", ok - stored),
        *_some("phantom: nobody sent it", stored - set(history.outcomes)),
        *_some("stored though refused", stored & failed),
        *_some("touchpoint stored twice", _twice(end.touchpoints)),
        *_some("lead qualified twice", _twice(end.mqls)),
        *_some("lead assigned twice", _twice(end.assignments)),
        *_some("MQL never assigned", set(end.mqls) - set(end.assignments)),
        *_some("assignment without an MQL", set(end.assignments) - set(end.mqls)),
        *_some("assignment whose webhook never came", set(end.assignments) - set(end.delivered)),
        *_some("webhook of no assignment", set(end.delivered) - set(end.assignments)),
        *([f"{end.dead_letters} dead letters"] if end.dead_letters else []),
        *([f"{end.backlog} rows never left their outbox"] if end.backlog else []),
        *_disorder(end),
    ]


def _disorder(end: End) -> list[str]:
    found = []
    for topic, keys in end.by_key.items():
        for key, ids in keys.items():
            applied = end.applied.get(topic, {}).get(key, [])
            if list(dict.fromkeys(applied)) != list(applied):
                found.append(f"{topic}: an event of {key} was applied twice")
            elif list(applied) != list(ids):
                found.append(f"{topic}: events of {key} were applied in another order than written, or not all")
    return found[:5]


def _twice(ids: Iterable[str]) -> set[str]:
    return {each for each, times in Counter(ids).items() if times > 1}


def _some(what: str, ids: set[str]) -> list[str]:
    return [f"{what}: {len(ids)}, such as {sorted(ids)[:3]}"] if ids else []


def first_occurrences(records: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """(key, event id) in log order → key → ids, each once, where it came first."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for key, event_id in records:
        found[key].setdefault(event_id)
    return {key: list(ids) for key, ids in found.items()}
