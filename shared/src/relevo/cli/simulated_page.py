"""A simulation for people, as one page with plots that asks nothing of any other address."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from relevo.cli.simulated import (
    CHANGES,
    PROMISES,
    REPS,
    SCORING,
    change,
    example,
    measures,
    promises,
    reps,
    rows,
    shared_out,
)
from relevo.cli.simulation_parts import Found

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
    parts += ["<h2>Who gets what</h2>", *_handoff(found["handoff"])]
    parts += ["<h2>Promises</h2>", *_promises(found["sla-monitor"])]
    return "\n".join(parts)


def _handoff(handoff: Found | None) -> list[str]:
    if handoff is None:
        return ["<p>handoff: not simulated</p>"]
    moved = handoff["moved"]
    return [
        _html(("", "active", "candidate"), shared_out(handoff)),
        "<h3>By rep; the mark is a fair share</h3>",
        given(handoff),
        _html(REPS, reps(handoff)),
        f"<h3>{moved['leads']} leads go to another rep</h3>",
        _html(CHANGES, map(change, moved["examples"])),
    ]


def _promises(timed: Found | None) -> list[str]:
    return ["<p>sla-monitor: not simulated</p>"] if timed is None else [_html(PROMISES, promises(timed))]


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
    for key, name, share in SCORING:
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


def given(handoff: Found) -> str:
    """Two bars a rep, what they get under the active playbook and under the candidate, each with its fair share."""
    sides = [
        {(team["team"], rep["rep"]): rep for team in handoff[side]["teams"] for rep in team["reps"]}
        for side in ("current", "candidate")
    ]
    most = max([1.0, *(max(rep["assigned"], rep["target"]) for side in sides for rep in side.values())])
    drawn, y = [], 0
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        drawn.append(f'<text x="0" y="{y + 12}">{escape(" · ".join(key))}</text>')
        for side, style in zip(sides, ("now", "then"), strict=True):
            if rep := side.get(key):
                wide, fair = (rep[name] / most * 300 for name in ("assigned", "target"))
                drawn.append(f'<rect class="{style}" x="220" y="{y}" width="{wide:.1f}" height="12"/>')
                drawn.append(f'<rect x="{219 + fair:.1f}" y="{y - 1}" width="2" height="14"/>')
                drawn.append(f'<text x="{228 + max(wide, fair):.1f}" y="{y + 10}">{rep["assigned"]}</text>')
            y += 15
        y += 8
    return f'<svg viewBox="0 -2 600 {y}" width="600" role="img" aria-label="Leads by rep">{"".join(drawn)}</svg>'


def _html(columns: Sequence[str], lines: Any) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in line) + "</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"
