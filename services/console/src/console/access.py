"""Who looks: an API token, a browser's session, or, in local mode, whoever sits at this machine."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from fastapi import Request
from sqlalchemy import text

from console.settings import Settings
from relevo.scopes import Scope
from relevo.service import Actor, Problem, needs, of
from relevo.service.tokens import Token, Tokens
from relevo.stream import Transaction

COOKIE: Final = "__Host-relevo"
_LOCAL_CSRF: Final = secrets.token_urlsafe(24)  # of this process: pages opened before a restart ask to be reloaded
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYTHING: Final[frozenset[str]] = frozenset({"read", "answer", "manage", "playbook", "erase", "operate"})

# Sessions live by the real clock, whatever time travel says.
_OPEN = text(
    "insert into session (key, token, csrf, until)"
    " values (:key, :token, :csrf, clock_timestamp() + cast(:for as interval))"
)
_FIND = text("select token, csrf from session where key = :key and until > clock_timestamp()")
_CLOSE = text("delete from session where key = :key or until < clock_timestamp()")


@dataclass(frozen=True)
class Viewer:
    """Who looks at a page. `csrf` must come back with whatever they post."""

    actor: Actor
    csrf: str
    signed_in: bool

    def may(self, scope: Scope) -> bool:
        return scope in self.actor.scopes


def settings_of(request: Request) -> Settings:
    settings = of(request).settings
    assert isinstance(settings, Settings)
    return settings


async def viewer(request: Request) -> Viewer | None:
    """The viewer of a page; None: they must sign in."""
    if settings_of(request).local and _at_this_machine(request):
        return Viewer(Actor("user:local", "local", _EVERYTHING, role="admin"), _LOCAL_CSRF, signed_in=False)
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    async with of(request).transaction() as tx:
        found = (await tx.execute(_FIND, {"key": _digest(cookie)})).first()
    token = _tokens(request).known(found.token) if found else None
    if found is None or token is None or "read" not in token.scopes:
        return None
    return Viewer(actor_of(token), found.csrf, signed_in=True)


def sees(scope: Scope) -> Callable[[Request], Awaitable[Actor]]:
    """A FastAPI dependency: the actor of the bearer token, or of the page that calls, if they have the scope. A page's
    post carries its CSRF token in the header `X-CSRF-Token`."""
    by_token = needs(scope)

    async def dependency(request: Request) -> Actor:
        if "authorization" in request.headers:
            return await by_token(request)
        looking = await viewer(request)
        if looking is None:
            return await by_token(request)  # says what is missing
        if not looking.may(scope):
            raise Problem(403, "Scope missing", detail=f"This needs a token of scope `{scope}`.")
        if request.method != "GET":
            check_csrf(request, looking, request.headers.get("x-csrf-token"))
        return looking.actor

    dependency.scopes = (scope,)  # type: ignore[attr-defined]  # for the OpenAPI document
    return dependency


def check_csrf(request: Request, looking: Viewer, given: str | None) -> None:
    """Raises Problem 403 unless the post comes from a page of ours that this viewer opened."""
    check_same_site(request)
    if not compare_digest(looking.csrf.encode(), (given or "").encode()):
        raise Problem(403, "Page too old", detail="Reload the page and try again.")


def check_same_site(request: Request) -> None:
    """Raises Problem 403 where the browser says that another site sent the request."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "Sent by another site", detail="Open the console itself and try again.")


async def open_session(tx: Transaction, secret: str, hours: float) -> str:
    """A new session of this API token; returns the cookie's value, which is written down nowhere."""
    cookie = secrets.token_urlsafe(32)
    digest = sha256(secret.encode()).hexdigest()
    row = {"key": _digest(cookie), "token": digest, "csrf": secrets.token_urlsafe(24), "for": timedelta(hours=hours)}
    await tx.execute(_OPEN, row)
    return cookie


async def close_session(tx: Transaction, cookie: str) -> None:
    """End this session; those that ran out go with it."""
    await tx.execute(_CLOSE, {"key": _digest(cookie)})


def actor_of(token: Token) -> Actor:
    by = f"rep:{token.rep}" if token.rep else f"user:{token.name}"
    return Actor(by, token.name, token.scopes, token.rep, token.role)


def reader_token(request: Request, secret: str) -> Token | None:
    """The token pasted into the login page, if it may read."""
    token = _tokens(request).find(secret)
    return token if token is not None and "read" in token.scopes else None


def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


def _digest(cookie: str) -> bytes:
    return sha256(cookie.encode()).digest()


def _at_this_machine(request: Request) -> bool:
    """Both ends are loopback, by address and by name: a page elsewhere that resolves its name to us is kept out."""
    if request.client is None or request.url.hostname not in _LOCAL_NAMES:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
