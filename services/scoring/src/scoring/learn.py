"""`python -m scoring learn`: what sales' answers teach, as a report, a model card, and a chance for each open MQL."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from relevo.service import Service
from relevo.stream import Transaction
from scoring import ties
from scoring.handlers import judge_again
from scoring.kept import answered
from scoring.learning import Learnt, Refused, learnable, model_card, usual

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
            import sklearn  # noqa: F401
        except ImportError:
            raise SystemExit("learning needs scikit-learn: install relevo-scoring[learn]") from None

        async def work() -> tuple[Learnt, datetime]:
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


async def learn_from(tx: Transaction) -> Learnt:
    """Learn, and keep what the better model says of every MQL that sales has not answered; those whose level it changes
    are told. Raises Refused."""
    from scoring.models import learn  # scikit-learn is large, and nothing but this command needs it

    every = await answered(tx)
    taught = [learnable(each) for each in every if each.accepted is not None]
    learnt = learn(taught)
    as_usual = usual(taught)
    rows = {}
    for each in every:
        if each.accepted is None:
            features = learnable(each).features
            (chance,) = learnt.chances([features])
            reasons = orjson.dumps(learnt.reasons(features, as_usual)[:_REASONS]).decode()
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
