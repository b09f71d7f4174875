"""One batch of due steps: lock, look again, fire, say so; claim, state and events in one transaction."""

from collections import Counter as Counted
from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace
from prometheus_client import Counter, Histogram

from relevo.calendar import NeverOpens
from relevo.events import SlaBreached
from relevo.stream import Transaction
from sla_monitor import queries, tell
from sla_monitor.adoption import take_over
from sla_monitor.agreement import Agreement
from sla_monitor.clock import Fired, fire, steps
from sla_monitor.handlers import report_problem
from sla_monitor.tell import Now
from sla_monitor.trip import is_stale
from sla_monitor.watched import Watched, timed

STEPS = Counter("relevo_sla_steps", "Steps fired", ["kind", "do"])
LATENESS = Histogram(
    "relevo_sla_lateness_seconds", "From due to fired",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600),
)  # fmt: skip

Why = Callable[[Watched, Fired], str | None]  # why a step comes late


async def fire_due(tx: Transaction, leads: Collection[UUID], until: datetime, why: Why) -> int:
    """Fire what is due by `until` of these leads' clocks, each step once, in due order; returns how many steps fired.

    The caller knows that everything `assignments` held for these leads is applied. A lead that somebody else is working
    at is left to them. Four statements, and the outbox; more only where a clock runs under an earlier agreement.
    """
    locked = await queries.lock_free(tx, leads)
    if not locked:
        return 0
    due = await queries.due_of(tx, locked, until)
    stale = {(watched.lead_id, watched.cycle) for watched in due if is_stale(watched, tx.stamp.version)}
    if stale:
        await take_over(tx, stale)
        due = await queries.due_of(tx, locked, until)
    agreement = await queries.agreement(tx, due)
    fired = [_fired(watched, agreement, tx.now, until) for watched in due]
    steps = sorted(((step, watched) for watched, steps in fired for step in steps), key=lambda each: each[0].due_at)
    now = Now(tx.now, tx.stamp)
    events = [(tell.fired(watched, step, now, why(watched, step)), step) for step, watched in steps]
    await queries.save_fired(tx, [watched for watched, _ in fired])
    await queries.save_breaches(tx, [(e, step.key == "target") for e, step in events if isinstance(e, SlaBreached)])
    tx.emit(*(event for event, _ in events))
    for (kind, do), many in Counted((event.kind, event.do or "count") for event, _ in events).items():
        STEPS.labels(kind, do).inc(many)
    for event, _ in events:
        LATENESS.observe(event.lateness_seconds)
    return len(events)


def _fired(before: Watched, agreement: Agreement, now: datetime, until: datetime) -> tuple[Watched, tuple[Fired, ...]]:
    cal = agreement.calendar(before.playbook, before.calendar)
    clock, fired, known = before.clock, tuple[Fired, ...](), None
    if cal is not None:
        try:
            known = steps(clock, cal)
            clock, fired = fire(clock, cal, now, until, known)
        except NeverOpens:  # `timed` says so
            known = None
    after = timed(replace(before, clock=clock), cal, known=known)
    if after.problem is not None:
        report_problem(after)
    return after, fired
