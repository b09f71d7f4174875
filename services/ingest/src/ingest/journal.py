"""Durable before the 2xx: Kafka with acks=all within 150 ms, else the fsync'ed spool, else NotDurable.

After one miss everything goes straight to the spool, so that an outage costs one slow answer and not each; and while
the spool holds anything, what is new goes behind it. The spool drains in order, under the same ids. When little is left
in it, newcomers are held back for the moment that takes: under load it would never be empty. "No ack in time" means
unknown: the record may arrive twice, with one id, and scoring's inbox drops the second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge

from ingest.records import pack, unpack
from ingest.spool import Broken, Full, Spool
from relevo.stream.kafka import KafkaAway, Outgoing, Producer

log = logging.getLogger(__name__)

KAFKA_SECONDS = 0.150
_DISK_SECONDS = 0.750  # with Kafka's 150 ms, or behind others: under the second after which some senders give up
_LATE_SECONDS = 3.0  # how long an ack nobody waits for any more may still come
_TURNS = 8  # of the event loop, from a socket's bytes to whoever waits for them
_DRAIN_SECONDS = 5.0
_DRAIN_RECORDS = 500
_LITTLE = 512 * 1024  # bytes in the spool; drained in some milliseconds
_MOST_WAITING = 20_000  # records; more is no load but a flood

KEPT = Counter("relevo_ingest_records", "Records made durable, by where", ["where"])
_IN_KAFKA, _ON_DISK = KEPT.labels("kafka"), KEPT.labels("spool")
SPOOL_BYTES = Gauge("relevo_ingest_spool_bytes", "Bytes in the spool that wait for Kafka")
SPOOL_LIMIT = Gauge("relevo_ingest_spool_limit_bytes", "Bytes the spool may have; then 503")
SPOOL_AGE = Gauge("relevo_ingest_spool_age_seconds", "Age of the oldest record in the spool")

Wait = Callable[[asyncio.Event | None, float], Awaitable[None]]


class NotDurable(Exception):
    """Neither Kafka nor the disk took it in time. Nothing is promised; the sender is to come again."""


class Journal:
    """Where accepted touchpoints are kept. All methods are called on one event loop."""

    def __init__(self, producer: Producer, spool: Spool) -> None:
        self._producer, self._spool = producer, spool
        self._away = False
        self._holding = False  # the spool's last records are on their way; newcomers wait for them
        self._waiting: list[tuple[Sequence[Outgoing], asyncio.Future[None]]] = []
        self._waiting_records = 0
        self._waiting_since = 0.0
        self._in_flight: set[asyncio.Task[None]] = set()  # one group; while Kafka or the disk has it the next one fills
        self._late: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._spooled = asyncio.Event()
        self._oldest: datetime | None = None  # of what the spool holds: when it was written
        SPOOL_BYTES.set_function(lambda: spool.size)  # asked for: while Kafka is away, the drain says nothing
        SPOOL_LIMIT.set(spool.limit)
        SPOOL_AGE.set_function(lambda: (datetime.now(UTC) - self._oldest).total_seconds() if self._oldest else 0)

    @property
    def straight_to_kafka(self) -> bool:
        return not self._away and self._spool.empty

    async def accept(self, records: Sequence[Outgoing]) -> None:
        """Returns when all of them are durable. Raises NotDurable."""
        if self._waiting_records > _MOST_WAITING:
            raise NotDurable("too many touchpoints wait already")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            self._waiting_since = loop.time()
        self._waiting.append((records, done))
        self._waiting_records += len(records)
        if not self._holding and not self._scheduled and not self._in_flight:
            self._scheduled = True
            loop.call_soon(self._send)  # after the other requests of this turn of the loop, to share their batch
        await done

    async def drain(self, wait: Wait) -> None:
        """Bring the spool to Kafka, in order, for ever. `wait(wake, seconds)` raises at shutdown."""
        try:
            await self._acknowledged([], wait)  # so that the first touchpoint finds a connection
            while True:
                chunk = None if self._spool.empty else await self._spool.read(_DRAIN_RECORDS)
                if chunk is not None:
                    self._hold(self._spool.size < _LITTLE and not self._away)
                    kept = [unpack(payload) for payload in chunk.payloads]
                    if kept:
                        self._oldest = kept[0][1]
                    await self._acknowledged([record for record, _ in kept], wait)
                    await self._spool.forget(chunk)
                elif not self._spool.empty:
                    await wait(None, 0.005)  # appended, and not on the disk yet
                else:
                    self._oldest = None
                    self._hold(False)
                    self._spooled.clear()
                    if self._away:  # the miss itself found no room in the spool: ask whether Kafka is back
                        await self._acknowledged([], wait)
                    await wait(self._spooled, 5.0)
        finally:
            self._hold(False)

    async def close(self) -> None:
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        for task in self._late:
            task.cancel()

    async def _acknowledged(self, records: Sequence[Outgoing], wait: Wait) -> None:
        """Returns when Kafka has acknowledged `records`, however long that takes."""
        pause = 0.1
        while True:
            try:
                await self._producer.publish(records, KAFKA_SECONDS if self._holding else _DRAIN_SECONDS)
            except KafkaAway:
                self._miss()
                await wait(None, pause)
                pause = min(2.0, pause * 2)
            else:
                if self._away:
                    log.info("Kafka acknowledges again")
                self._away = False
                return

    def _hold(self, holding: bool) -> None:
        """Keep newcomers waiting, or let them go on: to Kafka, or to the spool where it still holds something."""
        self._holding = holding
        if not holding and self._waiting and not self._scheduled:
            self._send()

    def _miss(self) -> None:
        if not self._away:
            log.warning("Kafka did not acknowledge in time; touchpoints go to the spool")
        self._away = True
        self._spooled.set()
        self._hold(False)

    def _send(self) -> None:
        self._scheduled = False
        if not self._waiting or self._holding:
            return
        group, self._waiting, self._waiting_records = self._waiting, [], 0
        task = asyncio.create_task(self._keep(group, self._waiting_since))
        self._in_flight.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if self._waiting and not self._scheduled and not self._holding:
            self._send()

    async def _keep(self, group: Sequence[tuple[Sequence[Outgoing], asyncio.Future[None]]], since: float) -> None:
        records = [record for several, _ in group for record in several]
        failure: Exception | None = None
        try:
            await self._make_durable(records, since)
        except NotDurable as error:
            failure = error
        except Exception as error:
            log.exception("touchpoints were not kept")
            failure = error
        for _, done in group:
            if done.done():  # its request was cancelled
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def _make_durable(self, records: Sequence[Outgoing], since: float) -> None:
        if self.straight_to_kafka:
            waited = asyncio.get_running_loop().time() - since
            if await self._in_time(records, max(KAFKA_SECONDS / 3, KAFKA_SECONDS - waited)):
                _IN_KAFKA.inc(len(records))
                return
            self._miss()
        await self._to_spool(records, since)

    async def _in_time(self, records: Sequence[Outgoing], seconds: float) -> bool:
        """Whether Kafka acknowledged within `seconds`. Late ones are left to arrive: a slow broker is no dead one, and
        giving its connection up would make it slower."""
        publishing = asyncio.create_task(self._producer.publish(records, _LATE_SECONDS))
        await asyncio.wait({publishing}, timeout=seconds)
        for _ in range(_TURNS):
            if publishing.done():
                return publishing.exception() is None
            await asyncio.sleep(0)  # the loop may be late itself: an ack that has arrived is still on its way to us
        self._late.add(publishing)
        publishing.add_done_callback(self._arrived_late)
        return False

    def _arrived_late(self, publishing: asyncio.Task[None]) -> None:
        self._late.discard(publishing)
        if not publishing.cancelled():
            publishing.exception()  # nobody waits for it; what it was about is in the spool

    async def _to_spool(self, records: Sequence[Outgoing], since: float) -> None:
        now = datetime.now(UTC)
        waited = asyncio.get_running_loop().time() - since
        left = max(_DISK_SECONDS / 10, min(_DISK_SECONDS, KAFKA_SECONDS + _DISK_SECONDS - waited))
        try:
            async with asyncio.timeout(left):
                await self._spool.append([pack(record, now) for record in records])
        except (Full, Broken) as error:
            raise NotDurable(str(error)) from error
        except TimeoutError:
            raise NotDurable("the disk is too slow") from None
        _ON_DISK.inc(len(records))
        self._spooled.set()
