"""SQL on what really was, for a simulation: assignments, absences."""

from datetime import datetime

from handoff.answer import OPEN
from handoff.days import Absent, Days, Past
from relevo.stream import Transaction

# Whatever is with sales, or was at `since` or later; and whose a won company is.
_ASSIGNMENTS = """
select lead_id, cycle, rep, company_domain, assigned_at, case when stage <> all($2::text[]) then changed_at end,
  stage = 'won'
from assignment where rep is not null and assigned_at is not null and not manager and stage <> 'waiting'
  and (stage = 'won' or stage = any($2::text[]) or changed_at >= $1)
"""
_ABSENCES = "select rep, from_at, until_at from away where until_at is null or until_at > $1"


async def days(tx: Transaction, since: datetime) -> Days:
    rows = await tx.driver_sql(_ASSIGNMENTS, since, list(OPEN))
    away = await tx.driver_sql(_ABSENCES, since)
    return Days(since, tx.now, [Past(*each) for each in map(tuple, rows)], [Absent(*each) for each in map(tuple, away)])
