"""Why sales rejects, by signal and criterion; a change that the worst line calls for, and what it would have done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from relevo.events import LeadAccepted, LeadQualified, LeadRejected, PlaybookStamp, TouchpointRecorded
from relevo.playbook import load
from scoring import feedback
from scoring import kept as told
from scoring.handlers import learn_outcomes, score_touchpoints
from scoring.simulate import Job, simulate
from scoring.simulation import Simulation

Touch = Callable[..., TouchpointRecorded]
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
STAMP = PlaybookStamp(revision=1, version="0" * 16)


async def answer(kept: Any, *touches: TouchpointRecorded, rejected: bool) -> None:
    """These touchpoints make one MQL, which sales accepts, or rejects as too small."""
    (mql,) = [e for e in await kept.handle(score_touchpoints, *touches) if isinstance(e, LeadQualified)]
    of: dict[str, Any] = {
        "at": mql.at, "by": "rep:ana", "lead_id": mql.lead_id, "cycle": 1, "playbook": STAMP, "assignment_id": uuid4(),
        "version": 1, "rep": "ana", "channel": "api",
    }  # fmt: skip
    said: Any = LeadAccepted(**of)
    if rejected:
        said = LeadRejected(**of, reason="wrong_size", consequence="exclude")
    await kept.handle(learn_outcomes, said)


async def answered(kept: Any, make: Touch, *, page_rejected: int) -> None:
    """40 MQLs by a form, 40 by the prices; of the latter so many are rejected, of the former one in ten."""
    now = await kept.stop_the_clock()
    for number in range(80):
        who, by_pages = f"p{number}@acme.example", number % 2 == 0
        known = make("imported", who=who, at=now, fields=GOOD)
        if by_pages:
            did = make("page_viewed", who=who, at=now, path="/prices")
        else:
            did = make("form_submitted", who=who, at=now)
        await answer(kept, known, did, rejected=number // 2 < (page_rejected if by_pages else 4))


async def test_the_worst_signal_is_named_and_its_half_is_proposed_with_the_effect(kept: Any, make: Touch) -> None:
    await answered(kept, make, page_rejected=30)
    answers = await kept.run(told.answered)
    assert sum(not each.accepted for each in answers) == 34
    found = feedback.lines(answers)
    assert {line.id for line in found[:2]} == {"page", "prices"}
    prices = next(line for line in found if line.id == "prices")
    assert prices.said == "Prices with fit A: 75% of 40 rejected, 75% as wrong size"
    assert prices.reasons == {"wrong_size": 30}
    form = next(line for line in found if line.id == "form")
    assert (form.answered, form.rejected) == (40, 4)
    proposal = feedback.propose(found, answers, load(kept.documents), kept.documents)
    assert proposal is not None
    assert proposal.change == f"signal {found[0].id}: half of its points"
    halved = {signal.id: signal.points for signal in load(proposal.documents).scoring.signals}
    now = {signal.id: signal.points for signal in load(kept.documents).scoring.signals}
    assert {name for name in now if halved[name] != now[name]} == {found[0].id}
    assert halved[found[0].id] == now[found[0].id] / 2
    until = (await kept.sql("select relevo_now()"))[0][0]
    job = Job(kept.dsn, kept.documents, proposal.documents, until - timedelta(days=1), until + timedelta(seconds=1))
    (effect,) = [step async for step in simulate(job, 1) if isinstance(step, Simulation)]
    assert effect.current.mqls == 80
    assert effect.candidate.mqls <= 80
    assert effect.current.precision == round(46 / 80, 6)


async def test_where_nothing_is_surely_worse_nothing_is_proposed(kept: Any, make: Touch) -> None:
    await answered(kept, make, page_rejected=5)
    answers = await kept.run(told.answered)
    assert feedback.propose(feedback.lines(answers), answers, load(kept.documents), kept.documents) is None


def test_a_cell_is_taken_out_where_it_is_written_and_nothing_else_changes() -> None:
    text = "# ours\nqualification:\n  cells: [A1, A2, B1]  # agreed\n"
    assert feedback._without(text, "A2") == "# ours\nqualification:\n  cells: [A1, B1]  # agreed\n"
    assert feedback._without(text, "A1") == "# ours\nqualification:\n  cells: [A2, B1]  # agreed\n"
    assert feedback._without(text, "B1") == "# ours\nqualification:\n  cells: [A1, A2]  # agreed\n"
    assert feedback._without(text, "C1") is None


async def test_over_http_the_proposal_comes_with_what_it_would_have_done(kept: Any, make: Touch, client: Any) -> None:
    """MQLs by the prices (4 + 10 points) are rejected, those by other pages (4 · 3) are not: half of the points of the
    prices leaves the former at 9, below level 2."""
    await answered(kept, make, page_rejected=30)
    now = (await kept.sql("select relevo_now()"))[0][0]
    for number in range(20):
        who = f"reader{number}@acme.example"
        read = [make("page_viewed", who=who, at=now, path=path) for path in ("/", "/blog", "/about")]
        await answer(kept, make("imported", who=who, at=now, fields=GOOD), *read, rejected=False)
    async with client("reader") as http:
        response = await http.get("/v1/feedback", timeout=60)
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["answered"], found["rejected"]) == (100, 34)
    worst = found["lines"][0]
    assert (worst["kind"], worst["id"], worst["grade"]) == ("signal", "prices", "A")
    assert worst["said"] == "Prices with fit A: 75% of 40 rejected, 75% as wrong size"
    proposal = found["proposal"]
    assert proposal["change"] == "signal prices: half of its points"
    assert proposal["because"] == f"{worst['said']}; of all answered leads 34% are rejected"
    changed = {name for name, text in proposal["documents"].items() if text != kept.documents[name]}
    assert changed == {"scoring.yaml"}
    assert {s.id: s.points for s in load(proposal["documents"]).scoring.signals}["prices"] == 5
    assert found["effect"] == {
        "mqls": [100, 60],
        "precision": [0.66, round(56 / 60, 6)],
        "recall": [1.0, round(56 / 66, 6)],
        "gained": 0,
        "lost": 40,
    }


async def test_feedback_is_not_for_a_rep_nor_for_who_may_only_send(kept: Any, client: Any) -> None:
    for name in ("writer", "ana"):
        async with client(name) as http:
            refused = await http.get("/v1/feedback")
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
