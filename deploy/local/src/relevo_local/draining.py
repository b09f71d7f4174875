"""Knows when all that was accepted has been handled: before a broker stops that keeps nothing, or a clock moves."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from relevo.stream.kafka import Ends, KafkaAway
from relevo_local.together import together

Partition = tuple[str, int]


@dataclass(frozen=True)
class Watch:
    """Asks the broker where its partitions end, and each service's database how far it has come."""

    ends: Ends
    databases: tuple[asyncpg.Connection, ...]

    async def quiet(self, within: float, pause: float = 0.1) -> bool:
        """Every outbox empty, and every position at its partition's end, seen so twice; False if time runs out."""
        deadline = time.monotonic() + within
        before = None
        while time.monotonic() < deadline:
            now = await self._at_the_ends()
            if now is not None and now == before:
                return True
            before = now
            await asyncio.sleep(pause)
        return False

    async def tell(self, statement: str, *arguments: object) -> None:
        """The same to each database."""
        await together(connection.execute(statement, *arguments) for connection in self.databases)

    async def _at_the_ends(self) -> dict[Partition, int] | None:
        """Where all partitions end that somebody reads, if nothing is under way; else None."""
        stages = await together(map(_stage, self.databases))
        ends = await self.ends.of_topics({topic for _, positions in stages for topic, _ in positions})
        for waiting, positions in stages:
            read = {topic for topic, _ in positions}
            if waiting or any(positions.get(place, 0) < end for place, end in ends.items() if place[0] in read):
                return None
        return ends


@asynccontextmanager
async def watching(kafka: str, databases: Mapping[str, str]) -> AsyncIterator[Watch]:
    """Raises KafkaAway, OSError or asyncpg.PostgresError where one of them cannot be reached."""
    async with AsyncExitStack() as stack:
        ends = Ends(kafka)
        stack.push_async_callback(ends.stop)
        await ends.start()
        connections = []
        for dsn in databases.values():
            connections.append(await asyncpg.connect(dsn, timeout=5))
            stack.push_async_callback(connections[-1].close, timeout=2)
        yield Watch(ends, tuple(connections))


async def drained(kafka: str, databases: Mapping[str, str], within: float) -> bool:
    """Whether all is quiet before the time runs out; False also where that cannot be known."""
    try:
        async with watching(kafka, databases) as watch:
            return await watch.quiet(within)
    except (KafkaAway, OSError, asyncpg.PostgresError):
        return False


async def _stage(connection: asyncpg.Connection) -> tuple[int, dict[Partition, int]]:
    """One service's rows waiting to be sent, and how far it has applied each partition it reads; of one moment."""
    rows = await connection.fetch(
        "select (select count(*) from outbox) as waiting, topic, partition, next_offset"
        " from (select 1) as always left join position on true"
    )
    positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows if row["topic"] is not None}
    return rows[0]["waiting"], positions
