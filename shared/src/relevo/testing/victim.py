"""A process that consumes and relays on a stage, and kills itself (`kill -9`) at a named point: what no cleaning-up
code can soften. `python -m relevo.testing.victim KAFKA DSN STAGE POINT [TIMES]`"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from relevo.stream import kafka, transaction
from relevo.stream.kafka import Producer
from relevo.stream.relay import Relay
from relevo.testing.stage import open_stage

POINTS = (
    "effects made, not committed",
    "effects committed, offset not",
    "offset committed",
    "about to send",
    "sent, not deleted",
    "deleted",
)


def _die_at(point: str, times: int) -> None:
    """Arrange that the process dies when it comes by the point for the `times`th time with something in hand."""
    passed = 0

    def passing() -> None:
        nonlocal passed
        passed += 1
        if passed == times:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(owner: Any, name: str, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
        original = getattr(owner, name)

        async def wrapped(*args: Any, **more: Any) -> Any:
            if before is not None:
                before()
            result = await original(*args, **more)
            if after is not None and result != 0:  # an empty round of the relay is nothing
                after()
            return result

        setattr(owner, name, wrapped)

    match point:
        case "effects made, not committed":
            wrap(transaction, "_write_outbox", None, passing)
        case "effects committed, offset not":
            wrap(kafka.Reader, "commit", passing, None)
        case "offset committed":
            wrap(kafka.Reader, "commit", None, passing)
        case "about to send":
            wrap(Producer, "publish", passing, None)
        case "sent, not deleted":
            wrap(Producer, "publish", None, passing)
        case "deleted":
            wrap(Relay, "round", None, passing)
        case "never":
            pass
        case _:
            raise SystemExit(f"no such point: {point}; there are {POINTS}")


@asynccontextmanager
async def _relaying(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        relay.stop()
        await task


async def _main(kafka_address: str, dsn: str, name: str) -> None:
    async with open_stage(kafka_address, dsn, again=name) as stage:
        producer = Producer(kafka_address)
        relay = stage.relay(producer)
        stage.database.on_commit.append(relay.wake)
        async with _relaying(relay):
            await stage.consumer().run()


if __name__ == "__main__":
    _die_at(sys.argv[4], int(sys.argv[5]) if len(sys.argv) > 5 else 1)
    asyncio.run(_main(*sys.argv[1:4]))
