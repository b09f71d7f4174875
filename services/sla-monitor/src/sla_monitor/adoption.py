"""A changed agreement: open clocks go on under the new one, with the time that has elapsed."""

import logging
from collections.abc import Collection

from relevo.service import Service
from relevo.stream import NoPlaybook, Transaction
from relevo.stream.transaction import is_infrastructure
from sla_monitor import queries
from sla_monitor.handlers import count_failures, count_problems
from sla_monitor.queries import Key
from sla_monitor.tell import SlaEvent
from sla_monitor.trip import adopt

log = logging.getLogger(__name__)

BATCH = 200
EVERY = 5.0  # seconds between two looks; whoever meets a clock of an earlier agreement takes it along at once


async def keep_agreement(service: Service) -> None:
    """Loop: take every open clock over to the active playbook, some at a time."""
    while True:
        try:
            async with service.transaction() as tx:
                found = await queries.stale(tx, BATCH)
                locked = set(await queries.lock_free(tx, (lead_id for lead_id, _ in found))) if found else set()
                taken = await take_over(tx, [key for key in found if key[0] in locked])
        except Exception as error:
            if not is_infrastructure(error):
                raise
            if not isinstance(error, NoPlaybook):
                log.warning("the agreement waits for the database", extra={"because": type(error).__name__})
            taken = 0
        await service.sleep_until(None, at_most=0 if taken else EVERY)


async def take_over(tx: Transaction, keys: Collection[Key]) -> int:
    """Take over the open clocks of these trips, whose leads are locked; returns how many trips changed."""
    if not keys:
        return 0
    known = await queries.trips(tx, keys)
    agreement = await queries.agreement(tx, (watched for trip in known.values() for watched in trip.clocks))
    said: list[SlaEvent] = []
    trips = dict(known)
    for key, trip in known.items():
        trips[key], told = adopt(trip, agreement, tx.now)
        said += told
    await queries.save(tx, known, trips)
    count_failures(agreement.failed)
    count_problems(known, trips)
    tx.emit(*said)
    return len(trips)
