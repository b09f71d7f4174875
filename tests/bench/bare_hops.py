"""The five hops without the framework, as a careful person would write them by hand: the baseline of `journey.latency`.

POST → topic → transaction → topic → transaction → signed webhook: three processes, each event read, noted, written on.
The same broker, the same PostgreSQL and durability, the same wait of a fetch; no scoring, no routing, no inbox.
`python -m tests.bench.bare_hops first|second|third PORT TARGET`.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI, Request
from standardwebhooks import Webhook

KAFKA, POSTGRES = os.environ.get("RELEVO_KAFKA", ""), os.environ.get("RELEVO_POSTGRES", "")
TOPICS = ("bare-touchpoints", "bare-leads")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def producer() -> AIOKafkaProducer:
    made = AIOKafkaProducer(bootstrap_servers=KAFKA, acks="all")
    await made.start()
    return made


async def consumer(topic: str, group: str) -> AIOKafkaConsumer:
    made = AIOKafkaConsumer(
        topic, bootstrap_servers=KAFKA, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_wait_ms=50, session_timeout_ms=6_000, heartbeat_interval_ms=1_000,
    )  # fmt: skip
    await made.start()
    return made


async def first(port: int) -> None:
    """POST → topic."""
    out, app = await producer(), FastAPI()

    @app.post("/", status_code=202)
    async def take(request: Request) -> dict[str, str]:
        body = await request.body()
        json.loads(body)
        await out.send_and_wait(TOPICS[0], body, key=b"k")
        return {"status": "accepted"}

    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", http="httptools")
    await uvicorn.Server(config).serve()


async def second() -> None:
    """Topic → transaction → topic."""
    pool, out, source = await notes("bare_scoring"), await producer(), await consumer(TOPICS[0], "bare-second")
    async for record in source:
        lead = json.loads(record.value)
        await note(pool, "bare_scoring", lead, record.value)
        await out.send_and_wait(TOPICS[1], record.value, key=record.key)
        await source.commit()


async def third(target: str) -> None:
    """Topic → transaction → signed webhook."""
    pool, source = await notes("bare_handoff"), await consumer(TOPICS[1], "bare-third")
    signer = Webhook(SECRET)
    async with httpx.AsyncClient(trust_env=False) as http:
        async for record in source:
            lead = json.loads(record.value)
            await note(pool, "bare_handoff", lead, record.value)
            now, body = datetime.now(UTC), json.dumps({"type": "lead.assigned", "data": lead})
            headers = {
                "webhook-id": lead["id"],
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signer.sign(lead["id"], now, body),
            }
            await http.post(target, content=body, headers=headers)
            await source.commit()


async def notes(table: str) -> asyncpg.Pool:
    pool = await asyncpg.create_pool(POSTGRES, min_size=1, max_size=2)
    await pool.execute(f"create table if not exists {table} (id text primary key, value bytea)")
    return pool


async def note(pool: asyncpg.Pool, table: str, lead: dict[str, Any], value: bytes) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            f"insert into {table} values ($1, $2) on conflict do nothing",
            lead["id"],
            value,
        )


if __name__ == "__main__":
    role, port, target = sys.argv[1:]
    if role == "first":
        asyncio.run(first(int(port)))
    elif role == "second":
        asyncio.run(second())
    else:
        asyncio.run(third(target))
