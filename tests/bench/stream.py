"""The runtime beside the bare libraries: the same rows, bytes, batches and commits."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from tests.bench.figures import Rounds, figure

from relevo.events import Event, LeadErased
from relevo.events.topics import PRIVACY, SLAS
from relevo.stream import Transaction, on
from relevo.stream.apply import apply
from relevo.stream.dead import Limit
from relevo.stream.handlers import index
from relevo.stream.kafka import Producer, Record, create_topics
from relevo.stream.relay import Relay
from relevo.testing.databases import fresh_database
from relevo.testing.ledger import Ledger, commitment, erased, open_ledger, record
from relevo_local import broker, postgres

BATCH, BATCHES = 500, 20

_UPSERT = (
    "insert into note (lead, number) select * from unnest($1::uuid[], $2::int[])"
    " on conflict (lead) do update set number = excluded.number"
)
_INBOX = (
    "insert into inbox (event_id, at) select id, clock_timestamp() from unnest($1::uuid[]) as id on conflict do nothing"
)
_OUTBOX = (
    "insert into outbox (topic, key, event_id, type, time, trace, value) select * from"
    " unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[])"
)


@on(LeadErased)
async def note(tx: Transaction, events: Sequence[LeadErased]) -> list[Event]:
    """One row upserted and one event emitted for each event."""
    await tx.driver_sql(_UPSERT, [e.lead_id for e in events], [int(e.subject_ids[0]) for e in events])
    return [commitment(event) for event in events]


@asynccontextmanager
async def _servers() -> AsyncIterator[tuple[Ledger, str]]:
    with tempfile.TemporaryDirectory(prefix="relevo-bench-") as folder:
        home = Path(folder)
        async with (
            postgres.running(home / "postgres", durable=True) as server,
            broker.running(home / "kafka") as kafka,
            fresh_database(server.dsn) as dsn,
            open_ledger(dsn) as ledger,
        ):
            connection = await asyncpg.connect(dsn)
            await connection.execute("create table note (lead uuid primary key, number int)")
            await connection.close()
            yield ledger, kafka


@figure("stream.consume", unit="events/s", better="higher", goal=0.3)
async def consume() -> AsyncIterator[Rounds]:
    """A chunk of 500 as the consumer applies it, beside the bare asyncpg transaction: mark, upsert, outbox, commit."""
    async with _servers() as (ledger, _):
        handlers = index([note])

        async def ours() -> float:
            chunks = [_chunk(number) for number in range(BATCHES)]
            began = time.perf_counter()
            for chunk in chunks:
                await apply(ledger.database, handlers, chunk, Limit())
            return BATCH * BATCHES / (time.perf_counter() - began)

        connection = await asyncpg.connect(ledger.dsn)

        async def bare() -> float:
            chunks = [_columns(_chunk(number)) for number in range(BATCHES)]
            began = time.perf_counter()
            for ids, leads, numbers, outbox in chunks:
                async with connection.transaction():
                    await connection.execute(_INBOX, ids)
                    await connection.execute(_UPSERT, leads, numbers)
                    await connection.execute(_OUTBOX, *outbox)
            return BATCH * BATCHES / (time.perf_counter() - began)

        yield Rounds(ours, bare)
        await connection.close()


def _chunk(number: int) -> list[Record]:
    return [record(erased(n), number * BATCH + n) for n in range(BATCH)]


def _columns(chunk: list[Record]) -> tuple[list[object], list[object], list[int], list[list[object]]]:
    """The rows of a chunk ready made: the bare transaction decodes and encodes nothing."""
    events = [erased(n) for n in range(len(chunk))]
    caused = [commitment(event) for event in events]
    outbox: list[list[object]] = [
        ["slas"] * BATCH,
        [event.key() for event in caused],
        [event.id for event in caused],
        [event.type for event in caused],
        [event.at.isoformat() for event in caused],
        [None] * BATCH,
        [event.model_dump_json().encode() for event in caused],
    ]
    return [e.id for e in events], [e.lead_id for e in events], list(range(BATCH)), outbox


@figure("stream.relay", unit="events/s", better="higher", goal=0.5)
async def relay() -> AsyncIterator[Rounds]:
    """The outbox carried to Kafka, beside bare aiokafka sending the same bytes, 500 awaited at a time."""
    async with _servers() as (ledger, kafka):
        await create_topics(kafka, [PRIVACY, SLAS], "local")
        producer = Producer(kafka)
        carrier = Relay(ledger.database.engine, producer, "bench")
        bare_producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0)
        await bare_producer.start()
        events = [commitment(erased(n)) for n in range(BATCH * BATCHES)]

        async def ours() -> float:
            async with ledger.database.transaction() as tx:
                tx.emit(*[event.model_copy(update={"id": uuid4()}) for event in events])
            began = time.perf_counter()
            while await carrier.round():
                pass
            return len(events) / (time.perf_counter() - began)

        async def bare() -> float:
            messages = [carrier._record(_row(event)) for event in events]
            began = time.perf_counter()
            for start in range(0, len(messages), BATCH):
                await asyncio.gather(
                    *[
                        await bare_producer.send(m.topic, m.value, key=m.key.encode(), headers=list(m.headers))
                        for m in messages[start : start + BATCH]
                    ]
                )
            return len(events) / (time.perf_counter() - began)

        yield Rounds(ours, bare)
        await bare_producer.stop()
        await producer.close()


def _row(event: Event) -> tuple[object, ...]:
    value = event.model_dump_json(exclude_none=True).encode()
    return 0, event.topic.name, event.key(), event.id, event.type, event.at.isoformat(), event.trace, value
