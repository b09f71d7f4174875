"""The consumer: polls, applies each partition's chunk, then commits the offset; waits out trouble."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

from relevo.events import Topic
from relevo.events.topics import PLAYBOOKS
from relevo.stream import positions
from relevo.stream.apply import Applied, apply
from relevo.stream.dead import Limit, TooManyDeadLetters
from relevo.stream.handlers import Handlers
from relevo.stream.kafka import KafkaAway, Partition, Profile, Reader, Record
from relevo.stream.transaction import Database, Transaction, is_infrastructure, kind_of

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 500
_AT_ONCE = 4  # partitions applied side by side; more would only wait for the same core
_KEEP_POLLING = 20.0
_LOOK_ROUND = 10.0  # seconds without a record


class Consumer:
    """One member of the service's group. `run` returns after `stop()`, when what it had in hand is done."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        *,
        kafka: str,
        group: str,
        profile: Profile,
        beat: Callable[[], None] = lambda: None,
        applied: Callable[[str, Applied, float], None] = lambda topic, applied, seconds: None,
        limit: Limit | None = None,
    ) -> None:
        self._database, self._handlers = database, handlers
        self._kafka, self._group, self._profile = kafka, group, profile
        self._beat, self._applied = beat, applied
        self._limit = limit or Limit()
        self._topics = [topic.name for topic in handlers.topics]
        self._reader: Reader | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._stopping = asyncio.Event()
        self._reassigned = False
        self._unread = False  # input is left unread: no playbook yet
        self._next: dict[Partition, int] = {}  # the offset each partition goes on with
        self._looked = 0.0
        self._lagging: dict[Partition, int] = {}
        self.joined = asyncio.Event()
        self.stopped_by: TooManyDeadLetters | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes its input: joined, with a playbook where one is needed, and not stopped by its limit."""
        return self.joined.is_set() and not self._unread and self.stopped_by is None

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._beat()
            try:
                await self._member()
            except KafkaAway as error:
                log.warning("consumer waits for Kafka", extra={"because": str(error)})
                await self._sleep(1.0)

    async def _member(self) -> None:
        """From joining the group to leaving it. Raises KafkaAway."""
        reader = Reader(
            self._kafka,
            self._group,
            self._topics,
            self._profile,
            assigned=self._on_assigned,
            revoked=self._on_revoked,
        )
        try:
            if not await self._unless_stopped(reader.start()):
                return
            self._reader = reader
            while not self._stopping.is_set():
                self._beat()
                if self._reassigned:
                    await self._take_positions(reader)
                if self.stopped_by is None:
                    await self._turn(reader)
                else:  # the limit is reached: keep the membership and read nothing
                    await reader.keep_alive()
                    await self._sleep(5.0)
        finally:
            self._reader = None
            self.joined.clear()
            await reader.stop()

    def _on_assigned(self) -> None:
        self._reassigned = True

    async def _on_revoked(self) -> None:
        """Let the round in hand end and commit, so that the next owner starts behind it; the inbox covers the rest."""
        try:
            async with asyncio.timeout(5):
                await self._idle.wait()
        except TimeoutError:
            log.warning("partitions revoked while a chunk is in hand: the next owner's inbox will skip what it did")

    async def _take_positions(self, reader: Reader) -> None:
        self._reassigned = False
        self._next = await reader.next_offsets()
        await self._while_polling(reader, self._correct(self._next))
        self._looked = monotonic()
        self.joined.set()

    async def _turn(self, reader: Reader) -> None:
        self._unread = self._database.uses_playbook and not await self._has_playbook()
        polled = await reader.poll(0.5 if self._unread else 1.0, CHUNK, [PLAYBOOKS.name] if self._unread else None)
        if polled:
            self._idle.clear()
            try:
                await self._round(reader, polled)
            finally:
                self._idle.set()
            self._looked = monotonic()
        elif monotonic() - self._looked > _LOOK_ROUND:
            await self._look_round(reader)

    async def _round(self, reader: Reader, polled: dict[Partition, list[Record]]) -> None:
        """Apply all chunks side by side."""
        back = {p: records[0].offset for p, records in polled.items() if records[0].offset < self._next.get(p, 0)}
        if back:  # re-created, or cut short by its brokers
            await self._while_polling(reader, self._correct(back))
        await self._while_polling(reader, *(self._chunk(reader, p, records) for p, records in polled.items()))

    async def _chunk(self, reader: Reader, partition: Partition, records: Sequence[Record]) -> None:
        async with self._slots:
            began = monotonic()
            applied = await self._insist(lambda: apply(self._database, self._handlers, records, self._limit), partition)
        if applied is None:
            return
        self._next[partition] = records[-1].offset + 1
        self._applied(partition[0], applied, monotonic() - began)
        if not await reader.commit({partition: self._next[partition]}):
            log.info("offset not committed: the group moved on, or Kafka is away", extra={"partition": partition})

    async def _look_round(self, reader: Reader) -> None:
        """Nothing has come for a while. Set right the positions that moved without a record (aged out, re-created);
        and join anew where the broker holds records that twice running did not come: aiokafka can lose its
        membership, or its fetching, without a word. Raises KafkaAway."""
        self._looked = monotonic()
        try:
            self._next = await reader.next_offsets()
            ends = await reader.end_offsets(self._next)
            if beyond := [p for p, offset in self._next.items() if offset > ends[p]]:
                await reader.rewind(beyond)  # re-created; not every broker says so
                self._next = await reader.next_offsets()
        except KafkaAway:
            return  # that is another trouble, and the client's own: it goes on by itself
        await self._while_polling(reader, self._correct(self._next))
        wanted = {p for p in self._next if not self._unread or p[0] == PLAYBOOKS.name}
        lagging = {p: self._next[p] for p in wanted if self._next[p] < ends[p]}
        if any(self._lagging.get(p) == offset for p, offset in lagging.items()):
            self._lagging = {}
            raise KafkaAway("it holds records that do not come")
        self._lagging = lagging

    async def _correct(self, offsets: Mapping[Partition, int]) -> None:
        async def work() -> None:
            async with self._database.transaction() as tx:
                await positions.correct(tx, offsets)

        if offsets:
            await self._insist(work, "positions")

    async def _has_playbook(self) -> bool:
        if self._database.knows_playbook:
            return True
        try:
            async with asyncio.timeout(10), self._database.transaction():
                return self._database.knows_playbook
        except Exception as error:
            if not is_infrastructure(error):
                raise
            return False

    async def _insist(self, work: Callable[[], Awaitable[T]], what: Partition | str) -> T | None:
        """Do it until the database takes it; None when the consumer stops first."""
        pause = 0.05
        while not self._stopping.is_set():
            try:
                return await work()
            except TooManyDeadLetters as error:
                self.stopped_by = error
                log.critical("consumer stopped", extra={"because": str(error)})
                return None
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("held", extra={"what": what, "because": kind_of(error), "seconds": pause})
            await self._sleep(pause)
            pause = min(pause * 2, 5.0)
        return None

    async def _while_polling(self, reader: Reader, *work: Coroutine[Any, Any, None]) -> None:
        """Do all of `work`, side by side. The poll goes on meanwhile, taking nothing: a member that does not poll
        leaves the group, without a word."""
        tasks = {asyncio.create_task(part) for part in work}
        waiting = tasks
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, timeout=_KEEP_POLLING, return_when=asyncio.FIRST_EXCEPTION)
                self._beat()
                for task in done:
                    task.result()
                if waiting:
                    await reader.keep_alive()
        finally:
            await _cancelled(tasks)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do `work`, but wait for it no longer than until `stop()`; whether it is done."""
        task, stopping = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        try:
            while not (task.done() or stopping.done()):
                await asyncio.wait({task, stopping}, timeout=_KEEP_POLLING, return_when=asyncio.FIRST_COMPLETED)
                self._beat()
            if task.done():
                task.result()
            return task.done()
        finally:
            await _cancelled({task, stopping})

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def all_applied(self, tx: Transaction, topic: Topic, keys: list[str]) -> list[bool]:
        """For each key: whether this database holds the effects of all its partition held at some moment after `tx`
        began. Asks the broker now; raises KafkaAway, so that nobody decides without knowing."""
        if self._reader is None or not self.joined.is_set():
            raise KafkaAway("not joined yet")
        return await positions.all_applied(tx, self._reader, topic, keys)

    async def lag(self) -> dict[str, int]:
        """By topic, how many records of this member's partitions are not applied yet. Asks the broker; raises
        KafkaAway."""
        if self._reader is None or not self.joined.is_set():
            raise KafkaAway("not joined yet")
        at = dict(self._next)
        ends = await self._reader.end_offsets(at, timeout=2)
        lag = dict.fromkeys(self._topics, 0)
        for partition, offset in at.items():
            lag[partition[0]] += max(0, ends[partition] - offset)
        return lag


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """Returns when all of them have ended, cancelled where they had not."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
