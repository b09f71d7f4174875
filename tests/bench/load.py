"""A load that costs little itself: keep-alive connections that send a POST, wait for its answer, send the next.

`python -m tests.bench.load PORT PATH KEY [--connections N] [--each N] [--seconds S] [--requests N] [--rate N]` prints
one JSON object: answered (requests), refused, seconds, p99_ms.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from uuid import uuid4


class Plan:
    """When the next request is due, and what came back. With a `rate` (requests a second) requests are due at their
    times whether or not earlier ones are answered, and late from then on: a slow server cannot slow its own clock."""

    def __init__(self, seconds: float, requests: int | None, rate: float | None) -> None:
        self._began = time.perf_counter()
        self._until, self._left, self._rate = self._began + seconds, requests, rate
        self._sent = self.answered = self.refused = 0
        self.took: list[float] = []

    def next(self) -> float | None:
        """The moment it is due, at the earliest now where there is no rate; None when the load is over."""
        due = self._began + self._sent / self._rate if self._rate else time.perf_counter()
        if due >= self._until or (self._left is not None and self._sent >= self._left):
            return None
        self._sent += 1
        return due

    def note(self, accepted: bool, seconds: float) -> None:
        self.answered += accepted
        self.refused += not accepted
        self.took.append(seconds)

    def report(self) -> dict[str, float]:
        self.took.sort()
        p99 = self.took[int(len(self.took) * 0.99)] * 1000 if self.took else 0.0
        seconds = time.perf_counter() - self._began
        return {"answered": self.answered, "refused": self.refused, "seconds": seconds, "p99_ms": p99}


class Sender(asyncio.Protocol):
    """One connection; every answer releases the next request."""

    def __init__(self, head: bytes, body: Callable[[], bytes], plan: Plan) -> None:
        self._head, self._body, self._plan = head, body, plan
        self._buffer = b""
        self._due = 0.0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        due = self._plan.next()
        if due is None:
            self._transport.close()
            return
        self._due = due
        wait = due - time.perf_counter()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        body = self._body()
        self._transport.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        status = head[9:12]
        accepted = status == b"202" or (status == b"207" and b'"refused":0' in rest)
        self._plan.note(accepted, time.perf_counter() - self._due)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(None)


def touchpoint() -> bytes:
    """A form as a website's backend sends it: some 500 bytes, another person each time, of one of 4,096 companies."""
    name = uuid4().hex
    return (
        f'{{"id":"{name}","type":"form_submitted","occurred_at":"2026-03-02T09:30:00Z","email":"{name}@{name[:3]}.example",'
        '"first_name":"Olga","last_name":"Ibarra","company":"Talleres Ibarra","form":"catalogo",'
        '"url":"https://forja.example/productos/catalogo?utm_source=google&utm_medium=cpc&utm_campaign=primavera",'
        '"title":"Catálogo de producto","text":"¿Tienen distribuidor en Bilbao?",'
        '"fields":{"puesto":"Directora de operaciones","empleados":"120","pais":"ES"},"consent":{"basis":"consent"}}'
    ).encode()


def batch(size: int) -> bytes:
    return b"[" + b",".join(touchpoint() for _ in range(size)) + b"]"


async def main(arguments: argparse.Namespace) -> dict[str, float]:
    head = (
        f"POST {arguments.path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {arguments.key}\r\n"
        "content-type: application/json\r\ncontent-length: "
    ).encode()
    body = touchpoint if arguments.each == 1 else lambda: batch(arguments.each)
    plan = Plan(arguments.seconds, arguments.requests, arguments.rate)
    loop = asyncio.get_running_loop()
    senders = [
        (await loop.create_connection(lambda: Sender(head, body, plan), "127.0.0.1", arguments.port))[1]
        for _ in range(arguments.connections)
    ]
    async with asyncio.timeout(arguments.seconds + 30):
        await asyncio.gather(*(sender.over for sender in senders))
    return plan.report()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("key")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--each", type=int, default=1, help="touchpoints a request; more than one: as an array")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--requests", type=int, help="no more than these, however long they take within --seconds")
    parser.add_argument("--rate", type=float, help="requests a second; as many as are answered where not given")
    sys.stdout.write(json.dumps(asyncio.run(main(parser.parse_args()))))
