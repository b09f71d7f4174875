"""`python -m scoring learn`: what sales' answers teach, as a report, a model card, and a chance for each open MQL."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

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
            async with service.opened():
                return await learn_from(service.transaction)

        try:
            learnt, at = asyncio.run(work())
        except Refused as error:
            raise SystemExit(f"nothing learnt: {error}") from None
        text = model_card(learnt, at)
        if card is not None:
            card.write_text(text, encoding="utf-8")
        typer.echo(orjson.dumps([each.__dict__ for each in learnt.judged]).decode() if as_json else text)


async def learn_from(transaction: Callable[[], AbstractAsyncContextManager[Transaction]]) -> tuple[Learnt, datetime]:
    """Learn, as of when, and keep what the better model says of every MQL that sales has not answered; those whose
    level it changes are told. No transaction is open while it learns, which may take minutes. Raises Refused."""
    from scoring.models import learn  # scikit-learn is large, and nothing but this command needs it

    async with transaction() as tx:
        every, as_of = await answered(tx), tx.now
    taught = [learnable(each) for each in every if each.accepted is not None]
    learnt = learn(taught)
    as_usual = usual(taught)
    rows = {}
    for each in every:
        if each.accepted is None:
            features = learnable(each).features
            (chance,) = learnt.chances([features])
            reasons = orjson.dumps(learnt.reasons(features, as_usual)[:_REASONS]).decode()
            rows[each.lead_id] = (each.lead_id, chance, reasons, learnt.judged[0].kind, as_of)
    async with transaction() as tx:
        await _keep(tx, rows)
    return learnt, as_of


async def _keep(tx: Transaction, rows: Mapping[UUID, tuple[Any, ...]]) -> None:
    """The rows of leads that sales has not answered, and nobody erased, while it was learning."""
    where, leads = await ties.lock_current(tx, rows.keys())
    since = {each.lead_id for each in await answered(tx) if each.accepted is not None}
    rows = {told_as: row for told_as, row in rows.items() if where[told_as] in leads and told_as not in since}
    await tx.driver_sql("delete from learnt")
    if rows:
        await tx.driver_sql(_KEEP, *map(list, zip(*rows.values(), strict=True)))
    found = ((leads[where[told_as]], chance) for told_as, (_, chance, *_) in rows.items())
    guessed = {lead.lead_id: replace(lead, chance=chance) for lead, chance in found if lead.qualified_at is not None}
    tx.emit(*await judge_again(tx, guessed))
