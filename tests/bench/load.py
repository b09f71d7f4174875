"""A load that costs little itself: keep-alive connections that send a POST, wait for its answer, send the next.

`python -m tests.bench.load PORT PATH KEY CONNECTIONS SECONDS` prints one JSON object: answered, refused, p99_ms.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4


class Sender(asyncio.Protocol):
    """One connection; every answer releases the next request, each with an id of its own."""

    def __init__(self, path: str, key: str, until: float, tally: "Tally") -> None:
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()
        self._until, self._tally = until, tally
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._until:
            self._transport.close()
            return
        body = touchpoint()
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
        self._tally.note(head[9:12] == b"202", time.perf_counter() - self._sent_at)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._tally.ended()


class Tally:
    """What came back."""

    def __init__(self, connections: int) -> None:
        self.answered = self.refused = 0
        self.took: list[float] = []
        self._left = connections
        self.over = asyncio.Event()

    def note(self, accepted: bool, seconds: float) -> None:
        self.answered += accepted
        self.refused += not accepted
        self.took.append(seconds)

    def ended(self) -> None:
        self._left -= 1
        if not self._left:
            self.over.set()


def touchpoint() -> bytes:
    """A form as a website's backend sends it: some 500 bytes, another person each time."""
    name = uuid4().hex
    return (
        f'{{"id":"{name}","type":"form_submitted","occurred_at":"2026-03-02T09:30:00Z","email":"{name}@talleres.example",'
        '"first_name":"Olga","last_name":"Ibarra","company":"Talleres Ibarra","form":"catalogo",'
        '"url":"https://forja.example/productos/catalogo?utm_source=google&utm_medium=cpc&utm_campaign=primavera",'
        '"title":"Catálogo de producto","text":"¿Tienen distribuidor en Bilbao?",'
        '"fields":{"puesto":"Directora de operaciones","empleados":"120","pais":"ES"},"consent":{"basis":"consent"}}'
    ).encode()


async def main(port: int, path: str, key: str, connections: int, seconds: float) -> dict[str, float]:
    tally = Tally(connections)
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Sender(path, key, until, tally), "127.0.0.1", port)
    async with asyncio.timeout(seconds + 30):
        await tally.over.wait()
    tally.took.sort()
    p99 = tally.took[int(len(tally.took) * 0.99)] * 1000 if tally.took else 0.0
    return {"answered": tally.answered, "refused": tally.refused, "p99_ms": p99}


if __name__ == "__main__":
    port, path, key, connections, seconds = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(main(int(port), path, key, int(connections), float(seconds)))))
