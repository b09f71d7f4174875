"""A simulation for people: tables in the terminal, and a page with plots that asks nothing of any other address."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from rich.console import Console
from rich.table import Table

Found = dict[str, Any]
_BAR: Final = "▁▂▃▄▅▆▇█"
_MEASURES: Final = (
    ("mqls", "MQLs", False),
    ("hand_raises", "of them by asking for sales", False),
    ("judged", "of leads that sales answered", False),
    ("precision", "of those accepted", True),
    ("precision_won", "of those won", True),
    ("recall", "share of all accepted leads found", True),
    ("recall_won", "share of all won leads found", True),
    ("failed_rules", "rules that failed", False),
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
    for name in ("handoff", "sla-monitor"):
        said = found.get(name)
        console.print(f"\n{name}: " + ("not simulated" if said is None else ""))
        if said is not None:
            console.print(_table(("", "active", "candidate"), others(said)))


def measures(scoring: Found) -> Iterator[tuple[str, str, str]]:
    for key, name, share in _MEASURES:
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


def others(said: Found) -> Iterator[tuple[str, str, str]]:
    """The plain figures of another service's simulation."""
    now, then = said.get("current") or {}, said.get("candidate") or {}
    for key in dict.fromkeys([*now, *then]):
        both = [side.get(key) for side in (now, then)]
        if all(each is None or isinstance(each, int | float | str) for each in both):
            yield key.replace("_", " "), *("–" if each is None else str(each) for each in both)


def sparks(weeks: Sequence[Found]) -> str:
    most = max((week["mqls"] for week in weeks), default=0)
    return "".join(_BAR[round(week["mqls"] / most * 7)] if most else _BAR[0] for week in weeks)


def _table(columns: Sequence[str], lines: Any) -> Table:
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for line in lines:
        table.add_row(*line)
    return table


# The page.

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1d2733}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}"
    "th{border-bottom:1px solid #ccd3da}td+td{font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
    ".now{fill:#8a9bb0}.then{fill:#1f6feb}text{font:11px system-ui,sans-serif;fill:#4a5866}"
)


def page(found: Found) -> str:
    """One HTML page: no script, no font, no picture from anywhere else."""
    scoring = found["scoring"]
    told = scoring["recorded"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Simulation</title>",
        f"<style>{_STYLE}</style><h1>What this playbook would have done</h1>",
        f"<p>{scoring['touchpoints']:,} touchpoints of {scoring['leads']:,} leads, MQLs from {scoring['since'][:10]} to"
        f" {scoring['until'][:10]}. The active playbook's replay has {told['reproduced']} of the {told['mqls']} MQLs"
        " told at the time.</p>",
        _html(("", "active", "candidate"), measures(scoring)),
        "<h2>MQLs by week</h2>",
        bars(scoring),
        "<h2>What sales said</h2>",
        shares(scoring),
    ]
    for title, key in (("persona", "personas"), ("source", "sources")):
        parts += [
            f"<h2>By {title}</h2>",
            _html((title, "active", "candidate", "accepted", "rejected"), rows(scoring, key)),
        ]
    for word in ("gained", "lost"):
        part = scoring[word]
        parts.append(f"<h2>{part['leads']} leads {word}</h2>")
        parts.append(f"<p>Sales accepted {part['accepted']} of them and rejected {part['rejected']}.</p>")
        parts.append(_html(("lead", "day", "cell", "because", "sales"), map(example, part["examples"])))
    for name in ("handoff", "sla-monitor"):
        said = found.get(name)
        parts.append(f"<h2>{name}</h2>")
        parts.append("<p>not simulated</p>" if said is None else _html(("", "active", "candidate"), others(said)))
    return "\n".join(parts)


def bars(scoring: Found) -> str:
    """Two bars a week: active, candidate."""
    sides = [
        {week["monday"][:10]: week["mqls"] for week in scoring[side]["weeks"]} for side in ("current", "candidate")
    ]
    weeks = sorted({*sides[0], *sides[1]})
    most = max([1, *sides[0].values(), *sides[1].values()])
    width, drawn = max(320, 44 * len(weeks)), []
    for number, week in enumerate(weeks):
        for which, (side, name) in enumerate(zip(sides, ("now", "then"), strict=True)):
            mqls = side.get(week, 0)
            high = mqls / most * 140
            x = number * 44 + which * 17
            drawn.append(f'<rect class="{name}" x="{x}" y="{150 - high:.1f}" width="15" height="{high:.1f}"/>')
            drawn.append(f'<text x="{x}" y="{146 - high:.1f}">{mqls}</text>')
        drawn.append(f'<text x="{number * 44}" y="164">{week[5:]}</text>')
    return (
        f'<svg viewBox="0 -12 {width} 180" width="{width}" role="img" aria-label="MQLs by week">{"".join(drawn)}</svg>'
    )


def shares(scoring: Found) -> str:
    """Precision and recall of both sides, as bars from 0 to 100 %."""
    drawn, y = [], 0
    for key, name, share in _MEASURES:
        if not share:
            continue
        drawn.append(f'<text x="0" y="{y + 12}">{escape(name)}</text>')
        for side, style in (("current", "now"), ("candidate", "then")):
            value = scoring[side][key]
            wide = (value or 0) * 300
            drawn.append(f'<rect class="{style}" x="220" y="{y}" width="{wide:.1f}" height="12"/>')
            drawn.append(f'<text x="{226 + wide:.1f}" y="{y + 10}">{"–" if value is None else f"{value:.0%}"}</text>')
            y += 15
        y += 10
    return f'<svg viewBox="0 0 580 {y}" width="580" role="img" aria-label="Precision and recall">{"".join(drawn)}</svg>'


def _html(columns: Sequence[str], lines: Any) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in line) + "</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"
