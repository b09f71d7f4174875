"""API tokens: one file of hashes, hot-reloaded, scoped; deny by default."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import yaml
from fastapi import Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from relevo.scopes import Role, Scope
from relevo.service.problems import Problem

log = logging.getLogger(__name__)


class Token(BaseModel):
    """One entry of tokens.yaml. The token itself is never written down, only its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope]
    rep: str | None = Field(default=None, description="Bound to one rep: answers for that rep's leads only.")
    role: Role | None = None
    expires: AwareDatetime | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class Actor:
    """Who asks: `by` goes into the events that the request causes."""

    by: str
    token: str
    scopes: frozenset[str]
    rep: str | None = None
    role: str | None = None


class Tokens:
    """The file's tokens by hash; re-read when it changes, the last good version kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._by_hash: dict[str, Token] = {}

    def find(self, token: str) -> Token | None:
        return self.known(sha256(token.encode()).hexdigest())

    def known(self, digest: str) -> Token | None:
        """The token of this SHA-256, while it is in the file and has not expired: what a session is checked by."""
        self._reload()
        found = self._by_hash.get(digest)
        if found is None or (found.expires is not None and found.expires <= datetime.now(UTC)):
            return None
        return found

    def _reload(self) -> None:
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            if (stat.st_mtime_ns, stat.st_size) == self._stamp:
                return
            self._stamp = (stat.st_mtime_ns, stat.st_size)
            file = _File.model_validate(yaml.safe_load(self._path.read_text()))
            self._by_hash = {token.sha256: token for token in file.tokens}
        except (OSError, yaml.YAMLError, ValidationError) as error:
            log.error("tokens.yaml not read, the last good version stays", extra={"because": type(error).__name__})


def authenticate(tokens: Tokens, request: Request) -> Actor:
    """The actor of the request's bearer token. Raises Problem 401, or 403 where it claims an actor it may not."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    token = tokens.find(secret.strip()) if kind.lower() == "bearer" and secret else None
    if token is None:
        raise Problem(
            401,
            "Token missing or unknown",
            detail="Send `Authorization: Bearer TOKEN` with a token of this installation's tokens.yaml.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    acting_for = request.headers.get("relevo-actor")
    if acting_for is None:
        by = f"rep:{token.rep}" if token.rep else f"user:{token.name}"
        return Actor(by, token.name, token.scopes, token.rep, token.role)
    if "act-for" not in token.scopes:
        raise Problem(403, "Relevo-Actor refused", detail="Only a token of scope `act-for` may act for somebody.")
    who, _, role = acting_for.partition(";role=")
    kind, _, name = who.partition(":")
    if kind not in ("rep", "user") or not name or len(acting_for) > 200 or not acting_for.isprintable():
        raise Problem(400, "Relevo-Actor malformed", detail="Send `rep:ID`, or `user:ID;role=manager|marketing|admin`.")
    return Actor(who, token.name, token.scopes, name if kind == "rep" else None, role or None)


def needs(*scopes: Scope) -> Callable[[Request], Awaitable[Actor]]:
    """A FastAPI dependency: the actor, whose token has one of `scopes`. A coroutine, since FastAPI
    runs any other function in a thread, where it could find `Tokens` half read by another."""

    async def dependency(request: Request) -> Actor:
        actor = authenticate(request.app.state.tokens, request)
        if not actor.scopes & set(scopes):
            raise Problem(
                403, "Scope missing", detail=f"This needs a token of scope {' or '.join(f'`{s}`' for s in scopes)}."
            )
        return actor

    dependency.scopes = scopes  # type: ignore[attr-defined]  # for the OpenAPI document
    return dependency
