"""PURE: two leads turn out to be one person: the loser's promises end, the survivor's have run since the earlier start.

An undone merge leaves assignments and clocks with the survivor: history is not rewritten.
"""

from datetime import datetime

from msgspec.structs import replace

from relevo.calendar import NeverOpens, always
from relevo.events import LeadMerged
from sla_monitor.agreement import Agreement
from sla_monitor.clock import earlier
from sla_monitor.ruling import Fact
from sla_monitor.tell import Now, SlaEvent
from sla_monitor.trip import Trip, ruled, settled
from sla_monitor.watched import Watched


def lose(trip: Trip, merge: LeadMerged, agreement: Agreement, now: datetime) -> tuple[Trip, list[SlaEvent]]:
    """The loser's trip after the merge."""
    said: list[SlaEvent] = []
    moment, fact = Now(now, agreement.stamp, merge.trace), Fact("merged", merge.at)
    ended = [ruled(each, fact, agreement, moment, said) for each in trip.clocks]
    clocks = (settled(*both, agreement, moment, said) for both in zip(trip.clocks, ended, strict=True))
    return replace(trip, clocks=tuple(clocks)), said


def begin_sooner(trip: Trip, since: datetime, agreement: Agreement, now: datetime) -> tuple[Trip, list[SlaEvent]]:
    """The survivor's trip, of which the loser's began at `since`: the promises of a whole cycle count from the earlier
    of both; those of one assignment are about that one alone."""
    if since >= trip.mql_at:
        return trip, []
    said: list[SlaEvent] = []
    clocks = [
        settled(each, _sooner(each, since, agreement), agreement, Now(now, agreement.stamp), said)
        for each in trip.clocks
    ]
    return replace(trip, mql_at=since, clocks=tuple(clocks)), said


def _sooner(watched: Watched, since: datetime, agreement: Agreement) -> Watched:
    if watched.clock.kind not in ("first_contact", "outcome"):
        return watched
    cal = agreement.calendar(watched.playbook, watched.calendar)
    try:
        clock = earlier(watched.clock, cal or always, since)
    except NeverOpens:  # shown with the clock, which has no deadline either
        return watched
    return watched if clock is watched.clock else replace(watched, clock=clock)
