"""`/v1/webhooks/{source}`: verified, read by the tool's module, kept; answered with success whatever was in it, because
its sender cannot mend it."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import TypeVar

from ingest.admit import prove
from ingest.desk import Desk, counted
from ingest.draft import Later, Outcome, Refused, Reply, Request, Unauthentic, Unusable, Wanted
from ingest.errands import later
from ingest.json_body import raw
from ingest.registry import Source
from ingest.sources import KINDS
from ingest.take import keep_all
from relevo.service import Problem

WEBHOOKS = "/v1/webhooks/"
LIMIT = 2 * 1024 * 1024  # Mandrill packs up to 1,000 events into a form, SendGrid 768 KiB
_MOST_ITEMS = 10_000
_MOST_ERRANDS = 2  # of one request: a certificate, and what the message itself refers to

T = TypeVar("T")


async def webhook(desk: Desk, request: Request) -> Reply:
    source = desk.sources.now.by_name.get(request.path.removeprefix(WEBHOOKS))
    if source is None or not source.is_webhook:
        raise _unauthentic()
    tool = KINDS[source.kind]
    try:
        asked = tool.handshake(request, source, desk.real_now()) if tool.handshake is not None else None
        if asked is not None or request.method != "POST":
            return asked or Reply(200)
        request, _ = await given(desk, partial(prove, tool), request, source, desk.real_now())
    except Unauthentic:
        counted(source.name, "unauthentic").inc()
        raise _unauthentic() from None
    now = desk.now()
    try:
        request, outcomes = await given(desk, tool.normalise, request, source, now)
    except Unusable as unusable:
        outcomes = [Refused(unusable, request.body)]
    if len(outcomes) > _MOST_ITEMS:
        raise Problem(413, "Too many at once", detail=f"Send at most {_MOST_ITEMS} events in one request.")
    desk.rated(source, len(outcomes))
    await keep_all(desk, [_named(outcome) for outcome in outcomes], request, source, now)
    return Reply(200)


async def given(
    desk: Desk, read: Callable[[Request, Source, datetime], T], request: Request, source: Source, now: datetime
) -> tuple[Request, T]:
    """What `read` makes of the request, given whatever it wants fetched for that. Raises Problem 503 where that is
    not to be had now, and what `read` raises."""
    try:
        for _ in range(1 + _MOST_ERRANDS):
            try:
                return request, read(request, source, now)
            except Wanted as wanted:
                fetched = await desk.errands.run(wanted.gets)
            request = request._replace(fetched={**request.fetched, **fetched})
    except Later as because:
        raise later(str(because)) from None
    raise later("it leads on and on")


def _named(outcome: Outcome) -> Outcome:
    """An event its tool gives no id is known by its content: a webhook's retry is the same bytes, hours later too."""
    if outcome.event_id:
        return outcome
    event_id = f"content:{sha256(raw(outcome.told)).hexdigest()}"
    if isinstance(outcome, Refused):
        return dataclasses.replace(outcome, event_id=event_id)
    return outcome._replace(event_id=event_id)


def _unauthentic() -> Problem:
    return Problem(
        401,
        "Not proven",
        detail="Nothing shows that this comes from the source: check the signing secret, the key and the address in "
        "sources.yaml against those in the tool.",
    )
