"""What a running ingest says of a source: whether it is in force there, and opens to a key. Nothing is sent to it."""

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from relevo.kinds import WEBHOOKS
from relevo.outbound import NoAnswer, own

_BEGINS = 8  # hex digits of a key's hash, as GET /v1/sources shows them


class Unanswered(Exception):
    """Nothing can be said of the source; the message says what to do."""


class Found(NamedTuple):
    """What stands well, and what does not, for people to read."""

    good: list[str]
    bad: list[str]


def asked(base: str, token: str) -> dict[str, Any]:
    """The sources in force, and what is wrong with a newer file (GET /v1/sources). Raises Unanswered."""

    async def ask() -> tuple[int, bytes]:
        async with aclosing(own(base)) as client:
            answer = await client.send("GET", f"{base}/v1/sources", headers={"authorization": f"Bearer {token}"})
            return answer.status, answer.body

    try:
        status, body = asyncio.run(ask())
        told = json.loads(body)
    except (NoAnswer, ValueError) as why:
        raise Unanswered(f"ingest does not answer at {base} ({why}); say where it is with --url") from None
    if status != 200:
        raise Unanswered(f"ingest answers {status}: {told.get('title')}; it takes a token of scope `read`")
    return dict(told)


def judged(told: dict[str, Any], name: str, key: str | None, written: bool, base: str) -> Found:
    """What ingest's answer says of the source `name`, and of `key`. `written`: it stands in our file."""
    good: list[str] = []
    bad = [f"ingest does not take a newer sources.yaml: {problem}" for problem in told["problems"]]
    items = {item["name"]: item for item in told["items"]}
    source = items.get(name)
    if source is None:
        known = ", ".join(items) or "none"
        why = "it is in the file: ingest reads another one, or has not read it yet" if written else "add it first"
        return Found(good, [*bad, f"{name} is not in force ({why}); in force are {known}"])
    good.append(f"{name} is in force: {source['kind']}, {source['access']}")
    if source["kind"] in WEBHOOKS:
        good.append(f"its tool sends to {source.get('url') or f'{base}/v1/webhooks/{name}'}")
    if source.get("origins"):
        good.append(f"pages of {', '.join(source['origins'])} may send")
    if key is not None:
        (bad if (because := _closed(source, items, key)) else good).append(because or f"the key opens {name}")
    return Found(good, bad)


def _closed(source: dict[str, Any], items: dict[str, dict[str, Any]], key: str) -> str | None:
    """Why `key` does not open `source`; None where it does."""
    begins = sha256(key.encode()).hexdigest()[:_BEGINS]
    now = datetime.now(UTC)
    for known in source["keys"]:
        if known["sha256_begins"] == begins:
            over = known["until"] is not None and datetime.fromisoformat(known["until"]) <= now
            return f"the key was replaced, and worked until {known['until']}" if over else None
    for name, other in items.items():
        if any(known["sha256_begins"] == begins for known in other["keys"]):
            return f"the key is not {source['name']}'s but {name}'s"
    if not source["keys"]:
        return f"{source['name']} has no key: its tool signs what it sends"
    return f"no source has this key; `relevo sources rotate {source['name']}` makes a new one"
