"""A tool's source, a request as the tool sends it, and what ingest makes of the two, for the tests of all tools."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import yaml

from ingest.admit import prove
from ingest.draft import Fetched, Request, Unauthentic
from ingest.registry import Source, load
from ingest.sources import KINDS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
KEYED: dict[str, Any] = {"keys": [{"sha256": sha256(b"key").hexdigest()}]}


def source(kind: str, *secrets: str, **more: Any) -> Source:
    """As sources.yaml has it; what a secret's variable holds is its name."""
    entry = {"name": kind, "kind": kind, "secrets": [{"env": secret} for secret in secrets], **more}
    (made,) = load(yaml.safe_dump({"sources": [entry]}), lambda secret: str(secret.env))
    return made


def request(body: Any, headers: Mapping[str, str] = JSON, query: str = "", **fetched: Fetched) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {name.lower().encode(): value.encode() for name, value in headers.items()}
    return Request("POST", "/v1/webhooks/it", raw, query.encode(), told, fetched)


def takes(of: Source, sent: Request, now: datetime = NOW) -> bool:
    try:
        prove(KINDS[of.kind], sent, of, now)
    except Unauthentic:
        return False
    return True
