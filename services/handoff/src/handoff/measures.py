"""What an SRE watches of handoff: gauges that are read from its tables when Prometheus asks."""

from prometheus_client import Gauge
from sqlalchemy import text

from relevo.stream import Transaction

WAITING = Gauge("relevo_handoff_leads_waiting", "Leads for which no rep was eligible yet")
DISABLED = Gauge("relevo_handoff_endpoints_disabled", "Endpoints that get nothing until somebody enables them again")
PENDING = Gauge("relevo_handoff_deliveries_pending", "Webhooks not delivered and not given up, those held included")
OVERDUE = Gauge("relevo_handoff_delivery_overdue_seconds", "For how long a webhook has been due and not tried")

_TABLES = text("""
select
  (select count(*) from assignment where stage = 'waiting') as waiting,
  (select count(*) from endpoint where disabled_at is not null and removed_at is null) as disabled,
  count(*) as pending,
  coalesce(extract(epoch from relevo_now() - min(due_at) filter (where disabled_at is null
    and (leased_until is null or leased_until < clock_timestamp()))), 0) as overdue
from delivery join endpoint using (endpoint_id)
where state = 'pending' and removed_at is null
""")


async def measure(tx: Transaction) -> None:
    found = (await tx.execute(_TABLES)).one()
    WAITING.set(found.waiting)
    DISABLED.set(found.disabled)
    PENDING.set(found.pending)
    OVERDUE.set(max(0, found.overdue))
