"""PURE: what one service's simulation hands on to the next one's."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from relevo.events.leads import Score, Snapshot
from relevo.playbook import mql_values

Found = dict[str, Any]
AT_ONCE: Final = 2_500  # assignments in one call to sla-monitor
OUTCOMES: Final = ("kept", "broken", "open", "unknown", "never_due", "warnings", "promises")
_BRIEF: Final = ("lead_id", "cycle", "at", "grade", "level", "fit", "engagement", "persona", "trigger", "snapshot")
_OWED: Final = ("lead_id", "cycle", "at", "mql_at", "team", "rep")


def brief(mql: Found) -> Found:
    """An MQL of scoring's simulation without its reasons, as handoff's takes it."""
    return {name: mql[name] for name in _BRIEF}


def owed(mqls: Sequence[Found], placed: Sequence[Found]) -> list[Found]:
    """Whom handoff's simulation gives them to, as sla-monitor's takes it: with what conditions may ask of each."""
    by_key = {(each["lead_id"], each["cycle"]): each for each in mqls}
    return [
        {name: each[name] for name in _OWED}
        | {"mql": _values(by_key[each["lead_id"], each["cycle"]], each["priority"])}
        for each in placed
    ]


def _values(mql: Found, priority: int) -> dict[str, object]:
    score = Score.model_validate({name: mql[name] for name in Score.model_fields})
    trigger = mql["trigger"]
    hand_raise = trigger["kind"] == "hand_raise"
    snapshot = Snapshot.model_validate(mql["snapshot"])
    return mql_values(snapshot, score, trigger=trigger["id"], hand_raise=hand_raise, priority=priority)


def batches(assignments: Sequence[Found]) -> Iterator[Sequence[Found]]:
    """At least one, so that an empty history is asked about too."""
    for start in range(0, max(1, len(assignments)), AT_ONCE):
        yield assignments[start : start + AT_ONCE]


def together(parts: Sequence[Found]) -> Found:
    """The answers of sla-monitor to all batches as one."""
    return parts[0] | {
        "candidate": _summed([row for part in parts for row in part["candidate"]], "clock", "policy", "team", "rep"),
        "recorded": _summed([row for part in parts for row in part["recorded"]], "clock", "policy", "team", "rep"),
        "failed_rules": sorted({failed for part in parts for failed in part["failed_rules"]}),
    }


def by_policy(rows: Sequence[Found]) -> dict[tuple[str, str], Found]:
    """Tallies of all teams and reps together, by clock and policy."""
    return {(row["clock"], row["policy"]): row for row in _summed(rows, "clock", "policy")}


def _summed(rows: Sequence[Found], *names: str) -> list[Found]:
    sums: dict[tuple[Any, ...], Found] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        into = sums.setdefault(key, dict(zip(names, key, strict=True)) | dict.fromkeys(OUTCOMES, 0))
        for name in OUTCOMES:
            into[name] += row[name]
    return list(sums.values())
