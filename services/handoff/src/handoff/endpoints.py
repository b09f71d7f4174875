"""SQL on endpoints: added, rotated, enabled, removed, tested; their secrets sealed anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from handoff.deliveries import Kind
from handoff.vault import Vault
from relevo.stream import Transaction

_ADD = text(
    "insert into endpoint (endpoint_id, name, kind, options, target, target_id, url, secrets, types, created_at,"
    " created_by) values (:endpoint_id, :name, :kind, cast(:options as jsonb), :target, :target_id, :url, :secrets,"
    " :types, :at, :by)"
)
_LISTED = text(
    "select endpoint_id, name, kind, options, target, target_id, url, types, created_at, disabled_at,"
    " disabled_because, failures, failing_since, case when overlap_until > :at then overlap_until end as overlap_until,"
    " (select count(*) from delivery d where d.endpoint_id = endpoint.endpoint_id and d.state = 'pending') as pending"
    " from endpoint where removed_at is null and (cast(:cursor as uuid) is null or endpoint_id > :cursor)"
    " order by endpoint_id limit :limit"
)
_ONE = text(
    "select kind, target, target_id, secrets, overlap_until from endpoint"
    " where endpoint_id = :endpoint_id and removed_at is null"
)
_ROTATE = text(
    "update endpoint set secrets = array[cast(:secret as text)] || secrets[1:1], overlap_until = :until"
    " where endpoint_id = :endpoint_id"
)
# What it missed is due at once, and goes one at a time, in order, before what is new.
_ENABLE = text(
    "with held as (update delivery set due_at = :at where endpoint_id = :endpoint_id and state = 'pending'"
    " returning seq) update endpoint set disabled_at = null, disabled_because = null, failures = 0,"
    " failing_since = null, spared_until = null, replay_to = (select max(seq) from held)"
    " where endpoint_id = :endpoint_id and removed_at is null returning endpoint_id"
)
_REMOVE = text(
    "update endpoint set removed_at = :at, secrets = '{}' where endpoint_id = :endpoint_id and removed_at is null"
    " returning endpoint_id"
)
_HELD = text(
    "select distinct lead_id from delivery"
    " where endpoint_id = :endpoint_id and state = 'pending' and lead_id is not null"
)
_DROP_HELD = text(
    "update delivery set state = 'failed', error = :error where endpoint_id = :endpoint_id and state = 'pending'"
    " returning delivery_id, webhook_id, lead_id, cycle, assignment_id, tries, first_try_at, status, trace"
)
_TEST = text(
    "insert into delivery (webhook_id, endpoint_id, type, body, state, due_at, created_at, rep)"
    " select :webhook_id, endpoint_id, 'test', :body, 'pending', :at, :at, case when target = 'rep' then target_id end"
    " from endpoint where endpoint_id = :endpoint_id and removed_at is null returning delivery_id"
)
_SEALED = text("select endpoint_id, secrets from endpoint where secrets <> '{}' order by endpoint_id for update")
_SEAL = text("update endpoint set secrets = :secrets where endpoint_id = :endpoint_id")
_SLACK_USER = text(
    "select distinct target_id from endpoint where kind = 'slack' and target = 'rep' and removed_at is null"
    " and options->>'user' = :user"
)


async def add(tx: Transaction, row: Mapping[str, Any]) -> None:
    await tx.execute(_ADD, {**row, "options": orjson.dumps(row["options"]).decode(), "at": tx.now})


async def listed(tx: Transaction, cursor: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Without their secrets."""
    rows = await tx.execute(_LISTED, {"cursor": cursor, "limit": limit, "at": tx.now})
    return [dict(row) for row in rows.mappings()]


async def one(tx: Transaction, endpoint_id: UUID) -> Any | None:
    """Kind, target and sealed secrets; None where there is none such."""
    return (await tx.execute(_ONE, {"endpoint_id": endpoint_id})).one_or_none()


async def kind_of(tx: Transaction, endpoint_id: UUID) -> Kind | None:
    row = await one(tx, endpoint_id)
    return None if row is None else row.kind


async def rotate(tx: Transaction, endpoint_id: UUID, sealed: str, until: datetime) -> None:
    """The new secret signs first, the one before it too until then."""
    await tx.execute(_ROTATE, {"endpoint_id": endpoint_id, "secret": sealed, "until": until})


async def enable(tx: Transaction, endpoint_id: UUID) -> bool:
    """Whether there is such an endpoint; what it held is due again."""
    return (await tx.execute(_ENABLE, {"endpoint_id": endpoint_id, "at": tx.now})).first() is not None


async def held_leads(tx: Transaction, endpoint_id: UUID) -> list[UUID]:
    return [row.lead_id for row in await tx.execute(_HELD, {"endpoint_id": endpoint_id})]


async def remove(tx: Transaction, endpoint_id: UUID, error: str) -> list[dict[str, Any]] | None:
    """The deliveries that are given up with the endpoint; None where there is none such."""
    if (await tx.execute(_REMOVE, {"endpoint_id": endpoint_id, "at": tx.now})).first() is None:
        return None
    dropped = await tx.execute(_DROP_HELD, {"endpoint_id": endpoint_id, "error": error})
    return [dict(row) for row in dropped.mappings()]


async def add_test(tx: Transaction, endpoint_id: UUID, webhook_id: str, body: str) -> UUID | None:
    values = {"endpoint_id": endpoint_id, "webhook_id": webhook_id, "body": body, "at": tx.now}
    delivery_id: UUID | None = (await tx.execute(_TEST, values)).scalar_one_or_none()
    return delivery_id


async def rep_of_slack(tx: Transaction, user: str) -> str | None:
    """Whose Slack member this is, by the reps' own endpoints; None where nobody's, or two people's."""
    found = [row.target_id for row in await tx.execute(_SLACK_USER, {"user": user})]
    return found[0] if len(found) == 1 else None


async def seal_again(tx: Transaction, vault: Vault) -> int:
    """Every secret under the newest key; returns how many endpoints have one."""
    rows = (await tx.execute(_SEALED)).all()
    for row in rows:
        await tx.execute(
            _SEAL, {"endpoint_id": row.endpoint_id, "secrets": [vault.again(each) for each in row.secrets]}
        )
    return len(rows)
