"""Kafka: what becomes of each lead starts, keeps, pauses or ends the promises made to it. Thin, no decisions."""

import logging
from collections.abc import Iterable, Sequence

from prometheus_client import Counter

from relevo.events import (
    Event,
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadDisqualified,
    LeadErased,
    LeadMerged,
    LeadPaused,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    LeadWaiting,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    SlaCorrected,
)
from relevo.playbook import RuleFailed
from relevo.stream import Transaction, on
from sla_monitor import counting, queries
from sla_monitor.agreement import is_complete
from sla_monitor.merging import begin_sooner, lose
from sla_monitor.queries import Key
from sla_monitor.tell import SlaEvent
from sla_monitor.trip import OfLead, Trip, adopt, hear, is_stale
from sla_monitor.watched import Watched

log = logging.getLogger(__name__)

FAILED_RULES = Counter("relevo_sla_failed_rules", "Conditions that could not be answered", ["file", "line"])
PROBLEMS = Counter("relevo_sla_problems", "What sla-monitor could not do with an event or a clock", ["because"])


@on(
    LeadWaiting, LeadAssigned, LeadAccepted, LeadRejected, LeadContacted, LeadPaused, LeadResumed, LeadRecycled,
    LeadDisqualified, OpportunityOpened, OpportunityWon, OpportunityLost,
)  # fmt: skip
async def keep_clocks(tx: Transaction, events: Sequence[OfLead]) -> Sequence[Event]:
    """Six statements for a batch, however long: locks, tombstones, clocks, standings; standings, clocks (and their
    outbox rows). Two more where some are new and some known, one where clocks run under an earlier playbook, one where
    a breach is taken back."""
    await queries.lock_leads(tx, (event.lead_id for event in events))
    erased = await queries.erased(tx, {event.lead_id for event in events})
    known = await queries.trips(tx, {_key(event) for event in events})
    agreement = await queries.agreement(tx, (watched for trip in known.values() for watched in trip.clocks))
    said: list[SlaEvent] = []
    trips = dict(known)
    for key, trip in known.items():
        if any(is_stale(watched, tx.stamp.version) for watched in trip.clocks):
            trips[key], told = adopt(trip, agreement, tx.now)
            said += told
    for event in events:
        if event.lead_id in erased:
            _report("erased_lead", event)
            continue
        after, told = hear(trips.get(_key(event)), event, agreement, tx.now)
        if after is None:
            _report("unknown_lead", event)
            continue
        trips[_key(event)] = after
        said += told
    await queries.save(tx, known, trips)
    await queries.correct(tx, [event for event in said if isinstance(event, SlaCorrected)])
    count_failures(agreement.failed)
    count_problems(known, trips)
    return said


@on(LeadQualified)
async def note_mqls(tx: Transaction, mqls: Sequence[LeadQualified]) -> None:
    """What marketing delivered, for its commitments. Promises begin with handoff's word."""
    await queries.lock_leads(tx, (mql.lead_id for mql in mqls))
    erased = await queries.erased(tx, {mql.lead_id for mql in mqls})
    judged = [(mql, is_complete(mql, tx.playbook)) for mql in mqls if mql.lead_id not in erased]
    await counting.save_mqls(tx, [(mql, verdict is True) for mql, verdict in judged])
    count_failures(verdict for _, verdict in judged if isinstance(verdict, RuleFailed))


@on(LeadMerged)
async def join_merged(tx: Transaction, merges: Sequence[LeadMerged]) -> Sequence[Event]:
    """The loser's promises end with its half of the merge; the survivor's have run since the earlier start, once both
    halves are there (and with the loser's, what scoring said of it before)."""
    await queries.lock_leads(tx, (lead_id for merge in merges for lead_id in (merge.survivor, merge.loser)))
    erased = await queries.erased(tx, {merge.lead_id for merge in merges})
    merges = [merge for merge in merges if merge.lead_id not in erased]
    sooner = await queries.note_merges(tx, merges)
    lost = {_key(merge): merge for merge in merges if merge.lead_id == merge.loser}
    known = await queries.trips(tx, {*lost, *sooner})
    agreement = await queries.agreement(tx, (watched for trip in known.values() for watched in trip.clocks))
    said: list[SlaEvent] = []
    trips = dict(known)
    for key, merge in lost.items():
        if key in trips:
            trips[key], told = lose(trips[key], merge, agreement, tx.now)
            said += told
    for key, since in sooner.items():
        if key in trips:
            trips[key], told = begin_sooner(trips[key], since, agreement, tx.now)
            said += told
    await queries.save(tx, known, trips)
    return said


@on(LeadErased)
async def erase(tx: Transaction, erasures: Sequence[LeadErased]) -> None:
    """Delete all that is kept of these leads; the tombstone refuses what is heard of them later."""
    await queries.lock_leads(tx, (erasure.lead_id for erasure in erasures))
    await queries.forget(tx, erasures)


def _key(event: OfLead | LeadMerged) -> Key:
    return event.lead_id, event.cycle


def _report(because: str, event: OfLead) -> None:
    PROBLEMS.labels(because).inc()
    log.warning("no promise is timed", extra={"because": because, "lead": str(event.lead_id), "type": event.type})


def count_failures(failed: Iterable[RuleFailed]) -> None:
    """A rule that fails counts as not holding: nothing stops, and its author can see it."""
    lines: dict[tuple[str, int], str] = {}
    for failure in failed:
        FAILED_RULES.labels(failure.file, str(failure.line)).inc()
        lines[failure.file, failure.line] = failure.message
    for (file, line), message in lines.items():
        log.warning("rule failed", extra={"file": file, "line": line, "because": message})


def count_problems(before: dict[Key, Trip], now: dict[Key, Trip]) -> None:
    """Clocks whose times can't be reckoned any more: counted, logged, and shown with the clock."""
    known = {watched.clock.id for trip in before.values() for watched in trip.clocks if watched.problem}
    new = [w for trip in now.values() for w in trip.clocks if w.problem and w.clock.id not in known]
    for watched in new:
        report_problem(watched)


def report_problem(watched: Watched) -> None:
    PROBLEMS.labels("no_deadline").inc()
    log.error("a clock has no deadline", extra={"clock": str(watched.clock.id), "because": watched.problem})
