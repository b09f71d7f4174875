"""The loop that judges leads without a touchpoint: a new playbook, or a cool-down that ends. The stream goes first."""

import logging
from time import monotonic

from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from relevo.service import Service
from relevo.stream import NoPlaybook, Transaction
from relevo.stream.transaction import is_infrastructure
from scoring import around, queries, rescoring
from scoring.handlers import judge_again

STALE = Gauge("relevo_scoring_stale_leads", "Leads still summed under an older playbook")

log = logging.getLogger(__name__)

AT_ONCE = 100  # leads per transaction: a touchpoint of one of them waits no longer than that takes
COMPANIES_AT_ONCE = 20  # of each the people active last, AT_ONCE in all
PAUSE = 0.1  # seconds between two transactions, so that the stream has most of the database
MEASURE = 10.0  # seconds between two counts of what is left
LOOK_AGAIN = 5.0  # seconds until somebody else's new playbook, cool-down or company is noticed


async def judge_overdue(tx: Transaction) -> int:
    """Judge at most AT_ONCE leads that are due or, unless that is paused, summed under another playbook; returns how
    many there were."""
    if await rescoring.is_paused(tx):
        leads = await queries.lock_due(tx, tx.now, AT_ONCE)
    else:
        leads = await queries.lock_overdue(tx, tx.stamp.version, tx.now, AT_ONCE)
    tx.emit(*await judge_again(tx, leads))
    return len(leads)


async def judge_companies(tx: Transaction) -> int:
    """Judge the people of companies whose buying group is newer than it was; returns how many there were."""
    leads = await around.lock_people(tx, COMPANIES_AT_ONCE, AT_ONCE)
    tx.emit(*await judge_again(tx, leads, because="cell"))
    return len(leads)


async def rescore(service: Service) -> None:
    """Runs for ever, on every replica: leads that another one holds are skipped."""
    done, measured = 0, -MEASURE
    while True:
        judged, due, now = 0, None, None
        try:
            async with service.transaction() as tx:
                judged = await judge_overdue(tx)
            async with service.transaction() as tx:
                judged += await judge_companies(tx)
                if monotonic() >= measured + MEASURE:
                    measured = monotonic()
                    STALE.set(await rescoring.left(tx))
                due, now = await queries.next_due(tx), tx.now
        except NoPlaybook:
            pass
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not is_infrastructure(error):
                raise
            log.warning("rescoring waits", extra={"because": type(error).__name__})
        done += judged
        if judged >= AT_ONCE:
            await service.sleep_until(None, at_most=PAUSE)
            continue
        if done:
            log.info("leads judged again", extra={"leads": done})
            done = 0
        await service.sleep_until(due, now, at_most=LOOK_AGAIN)
