"""The timer: sleeps to the next deadline, fires what is due and certain, says how late and why.

A step is due when its moment has come by the one clock **and** this service has applied everything that `assignments`
held in that lead's partition then (the end offset is read afterwards). Without Kafka nobody knows, so nothing fires.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from prometheus_client import Gauge

from relevo.events.topics import ASSIGNMENTS
from relevo.service import Service, woken_by_commits
from relevo.stream import NoPlaybook, Transaction
from relevo.stream.kafka import KafkaAway
from relevo.stream.transaction import is_infrastructure
from sla_monitor import queries
from sla_monitor.clock import Fired
from sla_monitor.firing import fire_due
from sla_monitor.queries import Due
from sla_monitor.watched import Watched

log = logging.getLogger(__name__)

BATCH = 500
AT_MOST = 1.0  # seconds: another replica may insert an earlier deadline and die before it fires it
GAP = 0.05  # seconds between two looks for which nothing but commits is the reason
HELD = (0.02, 0.25)  # seconds to wait for what is due and not certain: at first, and at most
LATE = timedelta(seconds=1)  # from here on an event says why
PATIENCE = 10.0  # seconds for which what is late waits for what was due before it and is not certain yet
_NO_KAFKA = "Kafka did not answer"

WAITING = Gauge("relevo_sla_waiting", "1 while steps are due and not certain, so that they wait")


@dataclass(frozen=True)
class Look:
    """What a look at the deadlines came to."""

    now: datetime
    coming: datetime | None  # when the first step is due that is not due yet
    fired: int = 0
    left: bool = False  # something due could not be fired: not applied yet, or somebody else is at it


async def keep_time(service: Service) -> None:
    """Loop of the worker."""
    await Timer(service).run()


class Timer:
    """One per process. Every process may run one: each step fires once all the same."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wake = woken_by_commits(service)  # a commit may have brought an earlier deadline
        self._began: datetime | None = None
        self._last: tuple[datetime, float] | None = None  # the last look: by the one clock, by this process
        self._because: str | None = None  # what has stood in the way since everything due had been fired
        self._pause = HELD[0]
        self._held_since: float | None = None

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                look = await self.look()
            except Exception as error:  # noqa: BLE001  what is no trouble of the database or of Kafka is raised again
                await self._wait_out(error)
            else:
                await self._rest(look)

    async def look(self) -> Look:
        """Fire everything that is due and certain, in due order, some at a time."""
        after: Due | None = None
        fired, left = 0, False
        while True:
            async with self._service.transaction() as tx:
                self._note_the_time(tx.now)
                due, coming = await queries.due(tx, after, BATCH)
                certain = await self._certain(tx, due)
                left = left or len(certain) < len({each.lead_id for each in due})
                held = self._held(due, certain, tx.now)
                if leads := certain if held is None else {each.lead_id for each in due if each.at <= held} & certain:
                    whole = len(due) == BATCH  # more may be due, and must not come before what is left of these
                    fired += await fire_due(tx, leads, held or (due[-1].at if whole else tx.now), self._why)
            if len(due) < BATCH or not leads or held is not None:
                break
            after = due[-1]
            await self._service.until_any(seconds=0)  # alive; Stopping ends it here
        if not left:
            self._held_since = None
        return Look(tx.now, coming, fired, left or bool(due and not fired))

    def _held(self, due: list[Due], certain: set[UUID], now: datetime) -> datetime | None:
        """Up to when to fire for now, if not all: catching up, partitions are read at their own pace, and the steps of
        those that are read shall not come long before earlier ones of the others."""
        first = next((each.at for each in due if each.lead_id not in certain and now - each.at > LATE), None)
        if first is None:
            return None
        self._held_since = self._held_since or monotonic()
        return first if monotonic() - self._held_since < PATIENCE else None

    async def _certain(self, tx: Transaction, due: list[Due]) -> set[UUID]:
        """Of these leads, those of which all is known. Raises KafkaAway."""
        if not due:
            return set()
        consumer = self._service.consumer
        if consumer is None:
            raise KafkaAway("this process reads nothing")
        leads = list({each.lead_id: None for each in due})
        asked = monotonic()
        applied = await consumer.all_applied(tx, ASSIGNMENTS, [str(lead_id) for lead_id in leads])
        if monotonic() - asked > LATE.total_seconds():
            self._because = _NO_KAFKA
        elif not all(applied):
            self._because = "what happened before was still being read"
        return {lead_id for lead_id, known in zip(leads, applied, strict=True) if known}

    async def _rest(self, look: Look) -> None:
        """Sleep to the next deadline, or until something may have changed."""
        WAITING.set(look.left)
        if look.left:
            await self._service.sleep_until(None, at_most=self._pause)
            self._pause = min(self._pause * 2, HELD[1])
            return
        self._pause = HELD[0]
        if look.fired:  # their next steps may be due before `coming`
            return
        self._because = None
        began, travel = monotonic(), self._service.clock.next_travel()
        await self._service.sleep_until(look.coming, look.now, at_most=GAP)
        if not travel.is_set():
            now = look.now + timedelta(seconds=monotonic() - began)
            await self._service.sleep_until(look.coming, now, wake=self._wake, at_most=AT_MOST - GAP)

    async def _wait_out(self, error: Exception) -> None:
        """Nothing fires while the database or the broker is away. Raises what is no such trouble."""
        if isinstance(error, KafkaAway):
            because = _NO_KAFKA
        elif is_infrastructure(error):
            because = "the database did not answer"
        else:
            raise error
        if because != self._because and not isinstance(error, NoPlaybook):
            log.warning("deadlines wait", extra={"because": because, "error": type(error).__name__})
        self._because = because
        WAITING.set(1)
        await self._service.until_any(seconds=AT_MOST)

    def _note_the_time(self, now: datetime) -> None:
        self._began = min(self._began or now, now)  # time travel may go back behind our start
        if self._last is not None:
            before, then = self._last
            if now - before - timedelta(seconds=monotonic() - then) > LATE:
                self._because = "the clock was moved"
        self._last = now, monotonic()

    def _why(self, of: Watched, step: Fired) -> str | None:
        """Why a step comes late; None where it does not."""
        if step.fired_at - step.due_at <= LATE:
            return None
        if self._began is not None and step.due_at < self._began:
            return "sla-monitor was not running"
        if of.changed_at is not None and of.changed_at >= step.due_at:
            return "it was heard of after that"
        return self._because or "many were due at once"
