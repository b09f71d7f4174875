"""The history checker sees each broken promise, and nothing in a history without one."""

from dataclasses import replace
from typing import Any

import pytest
from tests.faults.history import End, History, check, first_occurrences

HISTORY = History({"t1": "ok", "t2": "ok", "t3": "unknown", "t4": "fail"})
GOOD = End(
    touchpoints=["t1", "t2", "t3"], mqls=["a", "b"], assignments=["a", "b"], delivered=["a", "b"], dead_letters=0,
    backlog=0, by_key={"leads": {"a": ["1", "2"]}}, applied={"leads": {"a": ["1", "2"]}},
)  # fmt: skip


def test_a_kept_history_has_no_problems() -> None:
    assert check(HISTORY, GOOD) == []
    assert check(HISTORY, replace(GOOD, touchpoints=["t1", "t2"])) == [], "unknown may not have happened"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"touchpoints": ["t1", "t3"]}, "lost after a 2xx"),
        ({"touchpoints": ["t1", "t2", "t9"]}, "phantom"),
        ({"touchpoints": ["t1", "t2", "t4"]}, "stored though refused"),
        ({"touchpoints": ["t1", "t1", "t2"]}, "touchpoint stored twice"),
        ({"mqls": ["a", "a", "b"]}, "lead qualified twice"),
        ({"assignments": ["a", "b", "b"]}, "lead assigned twice"),
        ({"assignments": ["a"], "delivered": ["a"]}, "MQL never assigned"),
        ({"delivered": ["a"]}, "webhook never came"),
        ({"delivered": ["a", "b", "c"]}, "webhook of no assignment"),
        ({"dead_letters": 1}, "dead letters"),
        ({"backlog": 2}, "never left"),
        ({"applied": {"leads": {"a": ["2", "1"]}}}, "another order"),
        ({"applied": {"leads": {"a": ["1"]}}}, "not all"),
        ({"applied": {"leads": {"a": ["1", "2", "2"]}}}, "applied twice"),
    ],
)
def test_each_broken_promise_is_named(broken: dict[str, Any], named: str) -> None:
    problems = check(HISTORY, replace(GOOD, **broken))
    assert any(named in problem for problem in problems), problems


def test_only_first_occurrences_count() -> None:
    assert first_occurrences([("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")]) == {"a": ["1", "3"], "b": ["2"]}
