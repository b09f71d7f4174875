"""What a user would write instead of ingest: FastAPI, a pydantic body, `send_and_wait`; it normalises nothing.

`python -m tests.bench.plain_ingest PORT` with RELEVO_KAFKA set: the baseline of `ingest.single` and `ingest.batch`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel


class Touchpoint(BaseModel):
    id: str
    type: str
    occurred_at: datetime
    email: str
    first_name: str
    last_name: str
    company: str
    form: str
    url: str
    title: str
    text: str
    fields: dict[str, str]
    consent: dict[str, str]


producer: AIOKafkaProducer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global producer
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["RELEVO_KAFKA"], acks="all")
    await producer.start()
    yield
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/touchpoints", status_code=202)
async def touchpoints(touchpoint: Touchpoint) -> dict[str, str]:
    await producer.send_and_wait("bench-plain", touchpoint.model_dump_json().encode(), key=touchpoint.email.encode())
    return {"touchpoint_id": touchpoint.id}


@app.post("/v1/batches", status_code=202)
async def batches(touchpoints: list[Touchpoint]) -> dict[str, int]:
    sent = [
        await producer.send("bench-plain", each.model_dump_json().encode(), key=each.email.encode())
        for each in touchpoints
    ]
    await asyncio.gather(*sent)
    return {"accepted": len(touchpoints)}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, http="httptools", loop="uvloop")
