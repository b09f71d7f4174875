"""Set-based SQL of what is kept to compare and to learn from: MQLs as they were told, and what sales said of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

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
from scoring.explain import LearntShown
from scoring.lead import OutcomeKind

Outcome = LeadAccepted | LeadRejected | OpportunityWon | OpportunityLost | LeadRecycled | LeadDisqualified

KINDS: Final[dict[type[Outcome], OutcomeKind]] = {
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


_LEARNT = "select chance, reasons, model, at from learnt where lead_id = $1"
_ANSWERED = (
    "select m.lead_id, m.cycle, m.at, m.cell, m.persona, m.source, m.trigger, m.contributions, m.attributes,"
    " array_agg(o.kind) filter (where o.kind is not null) as kinds,"
    " max(o.reason) filter (where o.kind = 'rejected') as reason"
    " from mql m left join outcome o using (lead_id, cycle) group by m.event_id order by m.at"
)


class Answered(NamedTuple):
    """An MQL as it was told, and what sales said of it: accepted, rejected with its reason, or nothing yet (None)."""

    lead_id: UUID
    cycle: int
    at: datetime
    cell: str
    persona: str | None
    source: str | None
    trigger: dict[str, Any]
    contributions: list[dict[str, Any]]
    attributes: dict[str, Any]
    accepted: bool | None
    reason: str | None


async def answered(tx: Transaction) -> list[Answered]:
    """All of them, oldest first."""
    found = []
    for row in (await tx.driver_sql(_ANSWERED)).all():
        said = set(row.kinds or ())
        accepted = True if said & {"accepted", "won", "lost"} else False if "rejected" in said else None
        told = row._asdict() | {name: _read(getattr(row, name)) for name in ("trigger", "contributions", "attributes")}
        told.pop("kinds")
        found.append(Answered(**told, accepted=accepted))
    return found


async def learnt(tx: Transaction, lead_id: UUID) -> LearntShown | None:
    row = (await tx.driver_sql(_LEARNT, lead_id)).first()
    if row is None:
        return None
    return LearntShown(chance=row.chance, reasons=_read(row.reasons), model=row.model, at=row.at)


def _read(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


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
