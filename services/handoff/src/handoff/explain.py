"""PURE: a decision for people: each rep, each test, who got it, and what would have to change for another to get it."""

from collections.abc import Mapping
from typing import Any

from handoff.eligible import TESTS


def explained(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table `decision`, unfolded."""
    record = row["record"]
    chosen = next((rep for rep in record["reps"] if rep["rep"] == row["rep"]), None)
    reps = [_rep(rep, chosen, _to_get_it(rep, chosen)) for rep in record["reps"]]
    reps += [_rep(rep, chosen, _in_another_team(rep, row["team"])) for rep in record.get("passed_over", ())]
    told = {name: value for name, value in row.items() if name not in ("record", "revision", "playbook_version")}
    return told | {
        "playbook": {"revision": row["revision"], "version": row["playbook_version"]},
        "failed_rules": record["failed_rules"],
        "turn": [_team(team, row["team"]) for team in record.get("turn", ())],
        "reps": reps,
    }


def _team(team: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """One of the teams that take turns; `able`: whether anybody of it could take the lead."""
    return {
        "team": team["rep"],
        "chosen": team["rep"] == chosen,
        "able": team["share"] > 0,
        "assigned": team["assigned"],
        "target": round(team["target"] + team["share"], 6),
        "shortfall": _shortfall(team),
    }


def _rep(rep: Mapping[str, Any], chosen: Mapping[str, Any] | None, to_get_it: str) -> dict[str, Any]:
    return {
        "rep": rep["rep"],
        "chosen": rep is chosen,
        "eligible": not rep["failed"],
        "tests": [
            {"test": test, "passed": test not in rep["failed"], "because": rep["failed"].get(test)} for test in TESTS
        ],
        "weight": rep["weight"],
        "assigned": rep["assigned"],
        "target": round(rep["target"] + rep["share"], 6),
        "shortfall": _shortfall(rep),
        "to_get_it": None if rep is chosen else to_get_it,
    }


def _shortfall(rep: Mapping[str, Any]) -> float:
    return round(float(rep["target"] + rep["share"] - rep["assigned"]), 6)


def _in_another_team(rep: Mapping[str, Any], chosen: str) -> str:
    turn = f"be of {chosen}: it was its turn"
    return f"{_to_get_it(rep, None)}; and {turn}" if rep["failed"] else turn


def _to_get_it(rep: Mapping[str, Any], chosen: Mapping[str, Any] | None) -> str:
    if rep["failed"]:
        return "pass: " + "; ".join(f"{test} ({because})" for test, because in rep["failed"].items())
    if chosen is None:  # cannot be: one who passes every test gets it
        return "be chosen"
    behind = round(_shortfall(chosen) - _shortfall(rep), 6)
    if behind > 0:
        return f"be {behind:.6g} of a lead further behind one's share: {chosen['rep']} was"
    if chosen["weight"] > rep["weight"]:
        return f"weigh as much as {chosen['rep']}: both were equally far behind their share"
    return f"have waited longer than {chosen['rep']}: both were equally far behind their share, with the same weight"
