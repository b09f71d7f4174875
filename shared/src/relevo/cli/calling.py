"""A call of a service's API from the command line: RELEVO_SERVICE_URL and RELEVO_API_TOKEN say where, and who."""

import asyncio
import json
import os
from contextlib import aclosing
from typing import Annotated, Any

import typer

from relevo.outbound import NoAnswer, own
from relevo.usual import PORTS

AsJson = Annotated[bool, typer.Option("--json", help="The whole answer as JSON on standard output.")]


def address(service: str) -> str:
    """Where the environment says it is; else this machine's usual port."""
    return os.environ.get(f"RELEVO_{service.upper()}_URL", f"http://127.0.0.1:{PORTS[service]}").rstrip("/")


def call(
    service: str, method: str, path: str, content: bytes | dict[str, Any] | None = None, *, scope: str,
    kind: str = "application/json",
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """The status and the answer. Raises SystemExit, which says what to do: no token of `scope`, no answer, refused."""
    base, token = address(service), os.environ.get("RELEVO_API_TOKEN")
    if not token:
        raise SystemExit(f"set RELEVO_API_TOKEN to a token of scope `{scope}` (of `relevo up`: set -a; . .relevo/env)")
    headers = {"authorization": f"Bearer {token}", "content-type": kind}
    raw = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""

    async def ask() -> tuple[int, dict[str, Any]]:
        async with aclosing(own(base)) as client:
            answer = await client.send(method, f"{base}{path}", headers=headers, content=raw)
            return answer.status, json.loads(answer.body)

    try:
        status, said = asyncio.run(ask())
    except (NoAnswer, ValueError) as why:
        raise SystemExit(f"{service} does not answer at {base}: {why}") from None
    if status >= 300:
        raise SystemExit(f"{said.get('title', status)}: {said.get('detail', '')}")
    return status, said
