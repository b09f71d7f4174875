"""The consumer: polls, applies each partition's chunk, then commits the offset; waits out trouble."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from relevo.events import Topic
from relevo.events.topics import PLAYBOOKS
from relevo.stream.apply import Applied, apply
from relevo.stream.dead import Limit, TooManyDeadLetters
from relevo.stream.handlers import Handlers
from relevo.stream.kafka import KafkaAway, Partition, Profile, Reader, Record, partition_of
from relevo.stream.transaction import Database, Transaction, is_infrastructure

log = logging.getLogger(__name__)

CHUNK = 500
_AT_ONCE = 4  # partitions applied side by side; more would only wait for the same core
_KEEP_POLLING = 20.0
_RESET = text(
    "insert into position (topic, partition, next_offset) select * from"
    " unnest(cast(:topics as text[]), cast(:partitions as int[]), cast(:offsets as bigint[]))"
    " on conflict (topic, partition) do update set next_offset = excluded.next_offset"
)
_POSITIONS = text("select partition, next_offset from position where topic = :topic")


class Consumer:
    """One member of the service's group. `run` returns after `stop()`, when what it had in hand is done."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        *,
        bootstrap: str,
        group: str,
        profile: Profile,
        beat: Callable[[], None] = lambda: None,
        applied: Callable[[str, Applied, float], None] = lambda topic, applied, seconds: None,
        limit: Limit | None = None,
    ) -> None:
        self._database, self._handlers = database, handlers
        self._bootstrap, self._group, self._profile = bootstrap, group, profile
        self._beat, self._applied = beat, applied
        self._limit = limit or Limit()
        self._reader: Reader | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._stopping = asyncio.Event()
        self._reassigned = False
        self._unread = False  # input is left unread: no playbook yet
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
        topics = [topic.name for topic in self._handlers.topics]
        reader = Reader(
            self._bootstrap, self._group, topics, self._profile, assigned=self._on_assigned, revoked=self._on_revoked
        )
        await reader.start()
        self._reader = reader
        try:
            while not self._stopping.is_set():
                self._beat()
                if self._reassigned:
                    await self._take_positions(reader)
                if self.stopped_by is not None:
                    await self._stand_still(reader)
                else:
                    await self._turn(reader)
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
        """Write where this group reads on, absolutely: a re-created topic starts at 0 again."""
        self._reassigned = False
        offsets = await reader.next_offsets(reader.assignment())
        if offsets:
            keys = list(offsets)
            params = {
                "topics": [topic for topic, _ in keys],
                "partitions": [number for _, number in keys],
                "offsets": [offsets[key] for key in keys],
            }
            await self._insist(lambda tx: tx.execute(_RESET, params), reader)
        self.joined.set()

    async def _turn(self, reader: Reader) -> None:
        self._unread = self._database.uses_playbook and not await self._has_playbook()
        if self._unread:
            reader.pause(p for p in reader.assignment() if p[0] != PLAYBOOKS.name)
        polled = await reader.poll(0.5 if self._unread else 1.0, CHUNK)
        if not polled:
            return
        self._idle.clear()
        try:
            await self._round(reader, polled)
        finally:
            self._idle.set()
        if self._unread and await self._has_playbook():
            reader.resume(reader.assignment())

    async def _round(self, reader: Reader, polled: dict[Partition, list[Record]]) -> None:
        """Apply all chunks side by side. While one waits for PostgreSQL the poll goes on with everything paused:
        a member that does not poll silently leaves the group."""
        work = {asyncio.create_task(self._chunk(reader, p, records)) for p, records in polled.items()}
        paused: set[Partition] = set()
        while work:
            done, work = await asyncio.wait(work, timeout=_KEEP_POLLING)
            self._beat()
            for task in done:
                task.result()
            if work and not done:
                paused = await reader.keep_alive()
        if paused:
            reader.resume(paused)

    async def _chunk(self, reader: Reader, partition: Partition, records: list[Record]) -> None:
        async with self._slots:
            pause = 0.05
            while not self._stopping.is_set():
                began = monotonic()
                try:
                    applied = await apply(self._database, self._handlers, records, self._limit)
                    break
                except TooManyDeadLetters as error:
                    self.stopped_by = error
                    return
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    if not is_infrastructure(error):
                        raise
                    log.warning("partition held", extra={"partition": partition, "because": type(error).__name__})
                    await self._sleep(pause)
                    pause = min(pause * 2, 5.0)
            else:
                return
        self._applied(partition[0], applied, monotonic() - began)
        if not await reader.commit({partition: records[-1].offset + 1}):
            log.info("offset not committed: the group moved on", extra={"partition": partition})

    async def _stand_still(self, reader: Reader) -> None:
        """The limit is reached: keep the membership, read nothing, say so."""
        log.critical("consumer stopped", extra={"because": str(self.stopped_by)})
        await reader.keep_alive()
        await self._sleep(5.0)

    async def _has_playbook(self) -> bool:
        if self._database.knows_playbook:
            return True
        try:
            async with self._database.transaction():
                return self._database.knows_playbook
        except (SQLAlchemyError, OSError, TimeoutError):
            return False

    async def _insist(self, work: Callable[[Transaction], Awaitable[object]], reader: Reader) -> None:
        """Run a small transaction until the database takes it, polling meanwhile."""
        pause = 0.1
        while not self._stopping.is_set():
            try:
                async with self._database.transaction() as tx:
                    await work(tx)
                break
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if not is_infrastructure(error):
                    raise
                await reader.keep_alive()
                await self._sleep(pause)
                pause = min(pause * 2, 5.0)
        reader.resume(reader.assignment())

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def all_applied(self, tx: Transaction, topic: Topic, keys: list[str]) -> list[bool]:
        """For each key: whether this database holds the effects of all its partition held at some moment after `tx`
        began. Asks the broker now, then the positions; raises KafkaAway, so that nobody decides without knowing."""
        reader = self._reader
        count = reader.partitions(topic.name) if reader is not None and self.joined.is_set() else None
        if reader is None or count is None:
            raise KafkaAway("not joined yet")
        wanted = [partition_of(key, count) for key in keys]
        ends = await reader.end_offsets([(topic.name, number) for number in sorted(set(wanted))])
        rows = await tx.execute(_POSITIONS, {"topic": topic.name})
        positions: dict[int, int] = {row.partition: row.next_offset for row in rows}
        return [positions.get(number, 0) >= ends[topic.name, number] for number in wanted]
