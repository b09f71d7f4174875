"""Forgets what the runtime no longer needs, in small steps: old inbox marks and idempotency answers."""

from datetime import timedelta

from sqlalchemy import text

from relevo.stream.handlers import Handlers
from relevo.stream.transaction import Database

STEP = 1_000
IDEMPOTENCY_KEPT = timedelta(hours=72)

_INBOX = text(
    "delete from inbox where event_id in (select event_id from inbox"
    " where at < clock_timestamp() - cast(:kept as interval) order by at limit :step)"
)
_IDEMPOTENCY = text(
    "delete from idempotency where key in (select key from idempotency"
    " where at < clock_timestamp() - cast(:kept as interval) order by at limit :step)"
)


def inbox_kept(handlers: Handlers) -> timedelta:
    """One day longer than the longest topic read: a record can come again for as long as its topic holds it.
    (The compacted topic's revisions are told apart by their number.)"""
    kept = [topic.retention for topic in handlers.topics if not topic.compacted]
    return max(kept, default=timedelta(0)) + timedelta(days=1)


async def forget(database: Database, handlers: Handlers) -> int:
    """Delete at most one step of each table; returns how many rows went."""
    gone = 0
    for statement, kept in ((_INBOX, inbox_kept(handlers)), (_IDEMPOTENCY, IDEMPOTENCY_KEPT)):
        async with database.transaction() as tx:
            gone += (await tx.execute(statement, {"kept": kept, "step": STEP})).rowcount
    return gone
