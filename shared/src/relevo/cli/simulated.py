"""A simulation for people: tables in the terminal. `simulated_page.py` has the same as a page."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from relevo.cli.simulation_parts import Found, by_policy

_BAR: Final = "▁▂▃▄▅▆▇█"
SCORING: Final = (
    ("mqls", "MQLs", False),
    ("hand_raises", "of them by asking for sales", False),
    ("judged", "of leads that sales answered", False),
    ("precision", "of those accepted", True),
    ("precision_won", "of those won", True),
    ("recall", "share of all accepted leads found", True),
    ("recall_won", "share of all won leads found", True),
    ("failed_rules", "rules that failed", False),
)

_SHARED_OUT: Final = (
    ("assigned", "given to a rep"),
    ("waiting", "still waiting at the end"),
    ("no_team", "without a team"),
    ("waited", "had to wait for a rep"),
    ("wait_median_hours", "of those, median hours"),
    ("wait_p90_hours", "nine in ten within hours"),
    ("wait_max_hours", "longest, hours"),
    ("worst_deviation", "leads off a fair share, at most"),
    ("turns_worst_deviation", "the same by plain round robin"),
    ("jain", "Jain's fairness index"),
    ("turns_jain", "the same by plain round robin"),
)


def show(found: Found, console: Console) -> None:
    scoring = found["scoring"]
    told = scoring["recorded"]
    console.print(
        f"{scoring['touchpoints']:,} touchpoints of {scoring['leads']:,} leads,"
        f" MQLs from {scoring['since'][:10]} to {scoring['until'][:10]}"
    )
    console.print(
        f"the active playbook's replay has {told['reproduced']} of the {told['mqls']} MQLs told at the time\n"
    )
    console.print(_table(("", "active", "candidate"), measures(scoring)))
    for side in ("current", "candidate"):
        console.print(f"{'active' if side == 'current' else side:>10}  {sparks(scoring[side]['weeks'])}  MQLs by week")
    for title, key in (("persona", "personas"), ("source", "sources")):
        console.print(_table((title, "active", "candidate", "accepted", "rejected"), rows(scoring, key)))
    for word, part in (("gained", scoring["gained"]), ("lost", scoring["lost"])):
        console.print(f"\n{part['leads']} leads {word}: sales accepted {part['accepted']}, rejected {part['rejected']}")
        if part["examples"]:
            console.print(_table(("lead", "day", "cell", "because", "sales"), map(example, part["examples"])))
    console.print("\nhandoff" + (": not simulated" if found["handoff"] is None else ""))
    if found["handoff"] is not None:
        _show_handoff(found["handoff"], console)
    console.print("\nsla-monitor" + (": not simulated" if found["sla-monitor"] is None else ""))
    if found["sla-monitor"] is not None:
        console.print(_table(PROMISES, promises(found["sla-monitor"])))


def _show_handoff(handoff: Found, console: Console) -> None:
    console.print(_table(("", "active", "candidate"), shared_out(handoff)))
    console.print(_table(REPS, reps(handoff)))
    console.print(f"\n{handoff['moved']['leads']} leads go to another rep")
    if handoff["moved"]["examples"]:
        console.print(_table(CHANGES, map(change, handoff["moved"]["examples"])))


def measures(scoring: Found) -> Iterator[tuple[str, str, str]]:
    for key, name, share in SCORING:
        both = (scoring[side][key] for side in ("current", "candidate"))
        shown = ["–" if each is None else f"{each:.0%}" if share else f"{each:,}" for each in both]
        yield name, shown[0], shown[1]


def rows(scoring: Found, key: str) -> Iterator[tuple[str, ...]]:
    """One per persona or source: MQLs on both sides, and of the candidate's what sales said."""
    sides = [{row["name"]: row for row in scoring[side][key]} for side in ("current", "candidate")]
    for name in sorted({*sides[0], *sides[1]}):
        now, then = (side.get(name, {"mqls": 0, "accepted": 0, "rejected": 0}) for side in sides)
        yield name, str(now["mqls"]), str(then["mqls"]), str(then["accepted"]), str(then["rejected"])


def example(each: Found) -> tuple[str, ...]:
    return each["lead_id"], each["at"][:10], each["cell"], ", ".join(each["because"]), each["verdict"] or "–"


PROMISES: Final = ("promise", "really: kept", "broken", "candidate: kept", "broken", "not known")
REPS: Final = ("team", "rep", "active", "a fair share", "candidate", "a fair share")
CHANGES: Final = ("lead", "day", "active", "candidate", "by rule")


def shared_out(handoff: Found) -> Iterator[tuple[str, ...]]:
    for key, name in _SHARED_OUT:
        now, then = (handoff[side][key] for side in ("current", "candidate"))
        yield name, *("–" if each is None else f"{each:,}" for each in (now, then))


def reps(handoff: Found) -> Iterator[tuple[str, ...]]:
    """One per team and rep of either playbook: what they get on both sides, and what a fair share comes to."""
    sides = [
        {(team["team"], rep["rep"]): rep for team in handoff[side]["teams"] for rep in team["reps"]}
        for side in ("current", "candidate")
    ]
    for team, rep in dict.fromkeys([*sides[0], *sides[1]]):
        shown = [side.get((team, rep)) for side in sides]
        both = (("–", "–") if each is None else (f"{each['assigned']}", f"{each['target']:.1f}") for each in shown)
        yield team, rep, *(figure for pair in both for figure in pair)


def change(each: Found) -> tuple[str, ...]:
    return each["lead_id"], each["mql_at"][:10], each["current"] or "waits", each["candidate"] or "waits", each["rule"]


def promises(timed: Found) -> Iterator[tuple[str, ...]]:
    """One per policy: what really came of it, and what of the candidate's. Not known: somebody else had the lead, or it
    is not due yet."""
    real, then = by_policy(timed["recorded"]), by_policy(timed["candidate"])
    for clock, policy in dict.fromkeys([*real, *then]):
        was, would = (side.get((clock, policy)) for side in (real, then))
        before = ("–", "–") if was is None else (str(was["kept"]), str(was["broken"]))
        after = ("–", "–", "–") if would is None else (
            str(would["kept"]), str(would["broken"]), str(would["promises"] - would["kept"] - would["broken"])
        )  # fmt: skip
        yield f"{policy} ({clock})", *before, *after


def sparks(weeks: Sequence[Found]) -> str:
    most = max((week["mqls"] for week in weeks), default=0)
    return "".join(_BAR[round(week["mqls"] / most * 7)] if most else _BAR[0] for week in weeks)


def _table(columns: Sequence[str], lines: Any) -> Table:
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for line in lines:
        table.add_row(*line)
    return table
