"""The leads of golden.md come out as they are reckoned there, and its sums are right."""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook, load
from scoring.lead import Lead
from scoring.score import judge, score

Touch = Callable[..., TouchpointRecorded]
TEXT = Path(__file__).with_name("golden.md").read_text(encoding="utf-8")
AGREEMENT = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LEADS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)
]

DID: dict[str, dict[str, Any]] = {
    "form": {"what": "form_submitted"},
    "demo": {"what": "form_submitted", "form": "demo"},
    "page": {"what": "page_viewed", "path": "/"},
    "prices": {"what": "page_viewed", "path": "/prices"},
    "click": {"what": "email_clicked"},
    "machine click": {"what": "email_clicked", "machine": True},
    "webinar": {"what": "event_attended"},
    "unsubscribed": {"what": "email_unsubscribed"},
    "bounced": {"what": "email_bounced"},
}
IS: dict[str, dict[str, Any]] = {
    "free mail": {"marks": ["free_mail"]},
    "phone": {"phone": "+34910000000"},
    "no legal basis": {"consent": {"basis": "none"}},
    "customer": {"fields": {"cliente": "yes"}},
}


@pytest.fixture(scope="module")
def agreed(documents: dict[str, str]) -> Playbook:
    personas, scoring = AGREEMENT
    return load(documents | {"personas.yaml": personas, "scoring.yaml": scoring})


def test_there_are_thirty() -> None:
    assert [lead[0] for lead in LEADS] == [str(number) for number in range(1, 31)]


@pytest.mark.parametrize("line", LEADS, ids=lambda line: f"lead-{line[0]}")
def test_a_lead_comes_out_as_reckoned(line: list[str], agreed: Playbook, make: Touch) -> None:
    _, who, did, fit, engagement, cell, mql = line
    now = make().occurred_at
    touchpoints = _touchpoints(who, did, now, make)
    lead, said, failed = score(Lead(uuid4(), touchpoints[0].subjects[0].kind, agreed.version), touchpoints, agreed, now)
    _, standing = judge(replace(lead, said=None), agreed, now, [])
    assert standing is not None
    assert not failed
    assert standing.new.fit == _reckoned(fit)
    assert standing.new.engagement == pytest.approx(_reckoned(engagement), abs=1e-6)
    assert standing.new.cell == cell
    triggers = [each.trigger for each in said if each.trigger is not None]
    how = [f"asks for {each.id}" if each.kind == "hand_raise" else f"{each.kind} {each.id}" for each in triggers]
    assert lead.sums.fit is not None
    blocked = f"no: {lead.sums.fit.excluded[0]}" if lead.sums.fit.excluded else "no"
    assert (how or [blocked]) == [mql]


def _touchpoints(who: str, did: str, now: datetime, make: Touch) -> list[TouchpointRecorded]:
    told: dict[str, Any] = {"who": "a:visitor", "fields": {}}
    for word in who.split(", "):
        if "@" in word:
            told["who"] = word
        elif size := re.fullmatch(r"(\d+) people", word):
            told["fields"] |= {"empleados": size[1]}
        elif word in IS:
            more = dict(IS[word])
            told["fields"] |= more.pop("fields", {})
            told |= more
        elif word != "visitor":
            told["fields"] |= {"cargo": word}
    found = []
    for step in did.split(", "):
        match = re.fullmatch(r"(?:(\d+) × )?(.+) (\d+)", step)
        assert match is not None, step
        times, what, days = int(match[1] or 1), match[2], int(match[3])
        found += [make(at=now - timedelta(days=days), **told, **DID[what]) for _ in range(times)]
    return found


def _reckoned(text: str) -> float:
    """The right side of `LEFT = RIGHT`, which the left side must come to."""
    left, right = text.split(" = ")
    number = float(right)
    tree = ast.parse(left.replace("×", "*").replace("^", "**").replace("√2", "2**0.5"), mode="eval")
    assert _value(tree.body) == pytest.approx(number, abs=1e-6), text
    return number


_SUMS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg,
}  # fmt: skip


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.BinOp():
            return _SUMS[type(node.op)](_value(node.left), _value(node.right))
        case ast.UnaryOp():
            return _SUMS[type(node.op)](_value(node.operand))
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            return (min if name == "min" else max)(map(_value, node.args))
    raise AssertionError(f"no arithmetic: {ast.dump(node)}")
