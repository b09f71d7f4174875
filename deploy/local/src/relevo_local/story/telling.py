"""Tells what happened, in words that marketing and sales understand, with the pages worth opening."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from relevo_local.story.cast import Cast
from relevo_local.story.plan import Plan
from relevo_local.story.tally import ACCEPTED, Tally

Item = dict[str, Any]


def summary(tally: Tally, plan: Plan, who: Cast, company: str, console: str) -> str:
    """All of it, with rich's markup."""
    told = [f"[bold]A quarter at {company}[/]", *_intake(tally), *_sales(tally, who), *_promises(tally, plan, who)]
    shown = [f"  {where}\n      {what}" for what, where in pages(tally, who, console)]
    return "\n\n".join(["", *told, "Worth opening:\n" + "\n".join(shown)])


def _intake(tally: Tally) -> Iterator[str]:
    figures = tally.figures()
    known, took = sum(lead["known_by"] != "anonymous" for lead in tally.leads), figures["post_to_webhook_ms"]
    yield (
        f"{known} people said who they are, {len(tally.leads) - known} only looked. They left "
        f"{figures['touchpoints']:,} touchpoints through {len(tally.touchpoints)} sources."
    )
    yield (
        f"{figures['mqls']} met the agreed criteria. Each MQL got a rep at once, told by signed webhook: "
        f"{took['p50']:.0f} ms after a form was sent, as a rule; 99 of 100 within {took['p99']:.0f} ms."
    )


def _sales(tally: Tally, who: Cast) -> Iterator[str]:
    won, lost = tally.of_stage("won"), tally.of_stage("lost")
    worth = sum(float(each["amount"] or 0) for each in won)
    yield (
        f"Sales accepted {len(tally.of_stage(*ACCEPTED))}, won {len(won)} worth {worth:,.0f} EUR and lost {len(lost)}. "
        f"{who.names[who.critic]} rejected {len(tally.of_stage('rejected'))} ({_reasons(tally)}); marketing heard why."
    )


def _promises(tally: Tally, plan: Plan, who: Cast) -> Iterator[str]:
    silent = [each for each in tally.breaches if each["kind"] == "answer" and each["rep"] == who.silent]
    yield (
        f"{who.names[who.silent]} fell silent on {plan.silent_from:%-d %B}, was warned each time, and {len(silent)} "
        f"leads went on to colleagues. Promises broken in all: {len(tally.breaches)} ({_kinds(tally)})."
    )


def pages(tally: Tally, who: Cast, console: str) -> Iterator[tuple[str, str]]:
    """What there is to see, and where."""
    won = max(tally.of_stage("won"), key=lambda each: float(each["amount"] or 0), default=None)
    if won is not None:
        yield f"won: {_who(won)}", f"{console}/leads/{won['lead_id']}"
    silent = {each["lead_id"] for each in tally.breaches if each["kind"] == "answer" and each["rep"] == who.silent}
    moved = next((each for each in tally.assignments if each["lead_id"] in silent and each["stage"] in ACCEPTED), None)
    if moved is not None:
        yield f"breached, then rescued by {moved['rep']['name']}: {_who(moved)}", f"{console}/leads/{moved['lead_id']}"
    for rejected in tally.of_stage("rejected")[:1]:
        yield f"rejected as {rejected['reason']}: {_who(rejected)}", f"{console}/leads/{rejected['lead_id']}"
    for waiting in tally.of_stage("assigned")[:1]:
        yield f"not answered yet, its clock runs: {_who(waiting)}", f"{console}/leads/{waiting['lead_id']}"


def _who(assignment: Item) -> str:
    contact, company = assignment["contact"], assignment["company"]
    return f"{contact.get('first_name', '')} {contact.get('last_name', '')}, {company.get('name', '')}".strip(" ,")


def _reasons(tally: Tally) -> str:
    return ", ".join(
        f"{n} {why}" for why, n in Counter(each["reason"] for each in tally.of_stage("rejected")).most_common()
    )


def _kinds(tally: Tally) -> str:
    words = {"answer": "answered too late", "first_contact": "contacted too late", "outcome": "left without an outcome"}
    kinds = Counter(words.get(each["kind"], each["kind"]) for each in tally.breaches)
    return ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
