"""Set-based SQL of what is kept to compare and to learn from: MQLs as they were told, and what sales said of them."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import orjson

from relevo.events import (
    Event,
    LeadAccepted,
    LeadDisqualified,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    OpportunityLost,
    OpportunityWon,
)
from relevo.stream import Transaction

Kind = Literal["accepted", "rejected", "won", "lost", "recycled", "disqualified"]
Outcome = LeadAccepted | LeadRejected | OpportunityWon | OpportunityLost | LeadRecycled | LeadDisqualified

KINDS: Final[dict[type[Outcome], Kind]] = {
    LeadAccepted: "accepted",
    LeadRejected: "rejected",
    OpportunityWon: "won",
    OpportunityLost: "lost",
    LeadRecycled: "recycled",
    LeadDisqualified: "disqualified",
}

_KEEP_MQLS = (
    "insert into mql (event_id, lead_id, cycle, at, cell, persona, source, trigger, contributions, attributes)"
    " select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],"
    " $8::json[], $9::json[], $10::json[])"
)


async def keep_mqls(tx: Transaction, events: Iterable[Event]) -> None:
    """The MQLs among these events."""
    rows = [
        (
            mql.id, mql.lead_id, mql.cycle, mql.at, mql.score.cell, mql.score.persona, mql.snapshot.first_source,
            mql.trigger.model_dump_json(),
            orjson.dumps([each.model_dump(mode="json", exclude_defaults=True) for each in mql.contributions]).decode(),
            orjson.dumps(mql.snapshot.attributes).decode(),
        )
        for mql in events
        if isinstance(mql, LeadQualified)
    ]  # fmt: skip
    if rows:
        await tx.driver_sql(_KEEP_MQLS, *map(list, zip(*rows, strict=True)))


_KEEP_OUTCOMES = (
    "with now as materialized (select relevo_now() as now) insert into outcome"
    " (event_id, lead_id, cycle, kind, reason, at, until, handled_at) select o.*, now from now, unnest($1::uuid[],"
    " $2::uuid[], $3::int[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[]) as o on conflict do nothing"
)


async def keep_outcomes(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    if outcomes:
        rows = [
            (
                each.id, each.lead_id, each.cycle, KINDS[type(each)], getattr(each, "reason", None), each.at,
                getattr(each, "until", None),
            )
            for each in outcomes
        ]  # fmt: skip
        await tx.driver_sql(_KEEP_OUTCOMES, *map(list, zip(*rows, strict=True)))
