"""`python -m scoring learn`: what sales' answers teach, as a report, a model card, and a chance for each open MQL."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from relevo.service import Service
from relevo.stream import Transaction
from scoring import ties
from scoring.handlers import judge_again
from scoring.kept import Answered, answered

if TYPE_CHECKING:
    from scoring.learning import Learnable, Learnt

_KEEP = (
    "insert into learnt (lead_id, chance, reasons, model, at)"
    " select * from unnest($1::uuid[], $2::float8[], $3::json[], $4::text[], $5::timestamptz[])"
    " on conflict (lead_id) do update"
    " set chance = excluded.chance, reasons = excluded.reasons, model = excluded.model, at = excluded.at"
)
_REASONS = 5


def add_to(app: typer.Typer, service: Service) -> None:
    @app.command()
    def learn(
        card: Annotated[Path | None, typer.Option(help="Also write the model card, as Markdown.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For machines")] = False,
    ) -> None:
        """Learn from what sales accepted and rejected; needs the extra scoring[learn]."""
        try:
            from scoring.learning import Refused  # scikit-learn is large, and nothing but this command needs it
        except ImportError:
            raise SystemExit("learning needs scikit-learn: install relevo-scoring[learn]") from None

        async def work() -> tuple["Learnt", datetime]:
            async with service.opened(), service.transaction() as tx:
                return await learn_from(tx), tx.now

        try:
            learnt, at = asyncio.run(work())
        except Refused as error:
            raise SystemExit(f"nothing learnt: {error}") from None
        text = model_card(learnt, at)
        if card is not None:
            card.write_text(text, encoding="utf-8")
        typer.echo(orjson.dumps([each.__dict__ for each in learnt.judged]).decode() if as_json else text)


async def learn_from(tx: Transaction) -> "Learnt":
    """Learn, and keep what the better model says of every MQL that sales has not answered; those whose level it changes
    are told. Raises Refused."""
    from scoring import learning

    every = await answered(tx)
    taught = [learnable(each) for each in every if each.accepted is not None]
    learnt = learning.learn(taught)
    usual = learning.usual(taught)
    rows = {}
    for each in every:
        if each.accepted is None:
            features = learnable(each).features
            (chance,) = learnt.chance(learnt.judged[0].kind, [features])
            reasons = orjson.dumps(learnt.reasons(features, usual)[:_REASONS]).decode()
            rows[each.lead_id] = (each.lead_id, chance, reasons, learnt.judged[0].kind, tx.now)
    await tx.driver_sql("delete from learnt")
    if rows:
        await tx.driver_sql(_KEEP, *map(list, zip(*rows.values(), strict=True)))
    where, leads = await ties.lock_current(tx, rows.keys())
    guessed = {
        lead.lead_id: replace(lead, chance=rows[told_as][1])
        for told_as, now in where.items()
        if (lead := leads.get(now)) is not None and lead.qualified_at is not None
    }
    tx.emit(*await judge_again(tx, guessed))
    return learnt


def learnable(mql: Answered) -> "Learnable":
    """The lead as it was told to sales: nothing that came later."""
    from scoring.learning import Learnable

    features: dict[str, Any] = {"cell": mql.cell, "persona": mql.persona, "source": mql.source}
    features["trigger"] = mql.trigger["id"]
    for reason in mql.contributions:
        features[f"{reason['kind']} {reason['id']}"] = float(reason["points"])
    for name, value in mql.attributes.items():
        if isinstance(value, bool | int | float | str):
            features[name] = value if isinstance(value, bool | str) else float(value)
    return Learnable(mql.at, features, bool(mql.accepted))


def model_card(learnt: "Learnt", at: datetime) -> str:
    """What it is, what it was taught and judged on, how good it is, what it may not be used for."""
    best = learnt.judged[0]
    lines = [
        f"# The learnt score of {at:%F}", "",
        "It says the chance that sales accepts an MQL, from what was known of the lead at the hand-off. Taught on the"
        f" {learnt.trained_on:,} earlier leads that sales answered, judged on the {learnt.judged_on:,} later ones,"
        f" which it never saw; {learnt.accepted:.0%} of all were accepted. Both are calibrated on earlier leads.", "",
        "| model | AUC | Brier score | base rate's Brier score | lift of the best tenth |", "|---|---|---|---|---|",
        *(f"| {j.kind} | {j.auc:.3f} | {j.brier:.4f} | {j.base_brier:.4f} | {j.lift:.2f} |" for j in learnt.judged), "",
        f"## Reliability of the better one ({best.kind})", "",
        "Of leads it gave about the same chance, so many were accepted:", "",
        "| it said | it came | leads | |", "|---|---|---|---|",
        *(f"| {said:.0%} | {came:.0%} | {n:,} | {'█' * round(came * 30)} |" for said, came, n in best.reliability), "",
        "## What weighs most (logistic model, log-odds)", "", "| feature | weight |", "|---|---|",
        *(f"| {name} | {weight:+.2f} |" for name, weight in learnt.weights[:20]), "",
        "## Limits", "",
        "It repeats what sales did, habits and mistakes with it, and knows nothing of leads that never were MQLs.",
        "It is shown beside a lead with its reasons. By `learnt_weight` of scoring.yaml it moves the level of MQLs that"
        " sales has not answered; it makes nobody an MQL. Learn again each quarter.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
