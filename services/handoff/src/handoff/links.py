"""One-click answers: a link names one version of one assignment and one act. Kept as hashes; dead once used, with the
version, or after two weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from handoff.counters import columns
from handoff.deliveries import Claimed
from handoff.vault import Vault
from relevo.stream import Transaction

LASTS = timedelta(days=14)
LinkAct = Literal["accept", "reject", "contacted"]
ACTS: Final[tuple[LinkAct, ...]] = ("accept", "reject", "contacted")

_MINT = """
insert into link (token_sha256, lead_id, assignment_id, version, act, language, until_at)
select * from unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::timestamptz[])
on conflict do nothing
"""
_FIND = "select lead_id, assignment_id, version, act, language, until_at, used_at from link where token_sha256 = $1"
_USE = "update link set used_at = $2 where token_sha256 = $1 and used_at is null"


@dataclass(frozen=True, slots=True)
class Link:
    lead_id: UUID
    assignment_id: UUID
    version: int
    act: LinkAct
    language: str
    until_at: datetime
    used_at: datetime | None


async def mint(tx: Transaction, vault: Vault, base: str, claimed: Sequence[Claimed]) -> dict[UUID, dict[str, str]]:
    """Of each delivery that can be answered: act → URL. The same ones at every try."""
    found: dict[UUID, dict[str, str]] = {}
    rows = []
    for each in claimed:
        if not each.version or each.type not in ("lead.assigned", "sla.warned", "sla.breached"):
            continue
        language = each.options.get("language", "en")
        for act in ACTS:
            token = vault.token(each.assignment_id, each.version, act, language)
            found.setdefault(each.delivery_id, {})[act] = f"{base}/a/{token}"
            rows.append((_hash(token), each.lead_id, each.assignment_id, each.version, act, language, tx.now + LASTS))
    if rows:
        await tx.driver_sql(_MINT, *columns(rows, 7))
    return found


async def find(tx: Transaction, token: str) -> Link | None:
    row = (await tx.driver_sql(_FIND, _hash(token))).one_or_none()
    return None if row is None else Link(**row)


async def use(tx: Transaction, token: str) -> None:
    await tx.driver_sql(_USE, _hash(token), tx.now)


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
