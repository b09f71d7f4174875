"""The learnt score: signal is found and calibrated, none is claimed where there is none, a leak is refused."""

import csv
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from relevo.events import LeadAccepted, LeadErased, LeadQualified, TouchpointRecorded
from relevo.stream import Transaction
from scoring import learning
from scoring.handlers import erase, learn_outcomes, score_touchpoints
from scoring.learn import learn_from

models = pytest.importorskip("scoring.models", reason="needs the extra scoring[learn]")

BESIDE = Path(__file__).parents[4] / "shared" / "material"
BANK = Path(os.environ.get("RELEVO_MATERIAL", BESIDE)) / "datasets" / "bank-full.csv"
with_material = pytest.mark.skipif(not BANK.is_file(), reason="RELEVO_MATERIAL is not there")
NUMBERS = {"campaign", "pdays", "previous", "age", "balance", "day"}
HOUR = timedelta(hours=1)
T0 = datetime(2026, 1, 5, tzinfo=UTC)
Touch = Callable[..., TouchpointRecorded]


@pytest.fixture(scope="module")
def bank() -> list[Any]:
    """The bank's calls, without how long each lasted; in a mixed order, since the rows carry no year."""
    with BANK.open() as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    return [
        learning.Learnable(
            T0 + timedelta(minutes=number),
            {
                name: float(value) if name in NUMBERS else value
                for name, value in row.items()
                if name not in ("duration", "y")
            },
            row["y"] == "yes",
        )
        for number, row in enumerate(rows)
    ]


@with_material
@pytest.mark.timeout(600)  # 45,000 calls, twice over: a minute on two quiet cores
def test_what_a_banks_calls_teach_holds_for_calls_it_never_saw(bank: list[Any]) -> None:
    learnt = models.learn(bank)
    judged = {each.kind: each for each in learnt.judged}
    assert judged["logistic"].auc >= 0.76
    assert judged["boosting"].auc >= 0.79
    assert all(each.brier < each.base_brier for each in learnt.judged)
    assert judged["boosting"].lift > 2
    assert learnt.judged_on == len(bank) - int(len(bank) * 0.75)
    for said, came, leads in judged["boosting"].reliability:
        assert leads > 1_000
        assert abs(said - came) < 0.05  # it means what it says
    card = learning.model_card(learnt, T0)
    assert "Reliability" in card
    assert "poutcome = success" in card
    usual = learning.usual(bank)
    ((name, chance),) = learnt.reasons({**usual, "poutcome": "success"}, usual)
    assert name == "poutcome"
    assert chance > 0


@with_material
def test_shuffled_answers_teach_nothing_and_it_says_so(bank: list[Any]) -> None:
    answers = [lead.accepted for lead in bank[:8_000]]
    random.Random(1).shuffle(answers)
    shuffled = [lead._replace(accepted=answer) for lead, answer in zip(bank, answers, strict=False)]
    with pytest.raises(learning.Refused, match="no signal"):
        models.learn(shuffled)


@pytest.mark.parametrize("leak", ["word", "number"])
def test_a_feature_that_tells_the_answer_is_refused_by_its_name(leak: str) -> None:
    dice = random.Random(2)
    leads = []
    for number in range(400):
        accepted = dice.random() < 0.4
        told = accepted if dice.random() < 0.99 else not accepted
        planted = ("closed" if told else "open") if leak == "word" else (dice.random() + told)
        features = {"country": dice.choice(["ES", "PT"]), "employees": dice.random(), "deal_stage": planted}
        leads.append(learning.Learnable(T0 + timedelta(minutes=number), features, accepted))
    with pytest.raises(learning.Refused, match=r"^deal_stage: "):
        models.learn(leads)


def test_too_few_teach_nothing() -> None:
    leads = [learning.Learnable(T0 + timedelta(n), {"country": "ES"}, n < 39) for n in range(400)]
    with pytest.raises(learning.Refused, match="39 accepted"):
        models.learn(leads)


async def test_from_recorded_answers_to_a_chance_with_reasons(kept: Any, make: Touch) -> None:
    """Sales likes big companies; the model finds out, and says so of those it has not answered. Where the playbook
    gives it weight, those it has little hope for fall a level, with the reason; answered, they stand as before."""
    scoring = kept.documents["scoring.yaml"].replace("levels: {1: 40, 2: 10}", "levels: {1: 40, 2: 15}")
    await kept.publish(scoring=scoring + "learnt_weight: 0.9\n")
    now = await kept.stop_the_clock()
    dice = random.Random(3)
    told = []
    for number in range(240):
        size = dice.choice(["51", "900"])
        fields = {"cargo": "Head of operations", "empleados": size}
        demo = make(
            "form_submitted", who=f"p{number}@c{number}.example", at=now + number * HOUR, form="demo", fields=fields
        )
        (mql,) = [e for e in await kept.handle(score_touchpoints, demo) if isinstance(e, LeadQualified)]
        told.append((mql, size))
        await kept.travel(HOUR)
    for mql, size in told[:220]:
        kind = "accepted" if dice.random() < (0.8 if size == "900" else 0.2) else "rejected"
        await kept.sql(
            "insert into outcome (event_id, lead_id, cycle, kind, at) values ($1, $2, 1, $3, now())",
            uuid4(), mql.lead_id, kind,
        )  # fmt: skip
    before = await scored(kept)
    learnt, _ = await learn_from(kept.database.transaction)
    assert learnt.judged[0].auc > 0.7
    rows = {row["lead_id"]: row for row in await kept.sql("select * from learnt")}
    assert rows.keys() == {mql.lead_id for mql, _ in told[220:]}
    for mql, size in told[220:]:
        assert (rows[mql.lead_id]["chance"] > 0.5) == (size == "900")
    unusual = [row for row in rows.values() if orjson.loads(row["reasons"])]
    assert unusual
    assert {orjson.loads(row["reasons"])[0][0] for row in unusual} == {"company.employees"}

    fell = (await scored(kept))[len(before) :]
    small = {str(mql.lead_id): mql for mql, size in told[220:] if size != "900"}
    assert {each["lead_id"] for each in fell} == small.keys()
    for each in fell:
        assert (each["old"]["level"], each["new"]["level"]) == (2, 3)
        (why,) = [reason for reason in each["reasons"] if reason["id"] == "learnt-score"]
        chance = rows[UUID(each["lead_id"])]["chance"]
        assert why["name"] == f"Learnt score: a chance of {chance:.0%}"
        (form,) = [reason["points"] for reason in each["reasons"] if reason["id"] == "form"]
        assert each["new"]["engagement"] == pytest.approx(0.1 * form + 0.9 * chance * 40)
        assert form + why["points"] == pytest.approx(each["new"]["engagement"])

    one = next(iter(small.values()))
    accepted = LeadAccepted(
        at=now, by="rep:ana", lead_id=one.lead_id, cycle=1, playbook=one.playbook, assignment_id=uuid4(), version=1,
        rep="ana", channel="api",
    )  # fmt: skip
    (again,) = await kept.handle(learn_outcomes, accepted)
    assert (again.old.level, again.new.level) == (3, 2)
    assert "learnt-score" not in {reason.id for reason in again.reasons}

    # One is erased, and one answered, between what it reads and what it keeps.
    erased, told_now, *_ = (mql for mql, _ in told[220:] if mql.lead_id != one.lead_id)
    (subject,) = [
        row[0] for row in await kept.sql("select subject_id from identity where lead_id = $1", erased.lead_id)
    ]
    between = [
        lambda: kept.handle(learn_outcomes, accepted.model_copy(update={"id": uuid4(), "lead_id": told_now.lead_id})),
        lambda: kept.handle(
            erase,
            LeadErased(at=now, by="user:dpo", lead_id=erased.lead_id, subject_ids=(subject,), received_before=now),
        ),
    ]

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Transaction]:
        async with kept.database.transaction() as tx:
            yield tx
        while between:
            await between.pop()()

    await learn_from(transaction)
    rest = {mql.lead_id for mql, _ in told[220:]} - {one.lead_id, erased.lead_id, told_now.lead_id}
    assert {row[0] for row in await kept.sql("select lead_id from learnt")} == rest


async def scored(kept: Any) -> list[dict[str, Any]]:
    """What `lead.scored` has told."""
    told = await kept.sql("select value from outbox where type = 'lead.scored.v1' order by id")
    return [orjson.loads(row[0]) for row in told]
