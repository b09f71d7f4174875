"""What the doors do: admit, let the source's module read, normalise, keep, answer. Thin: decisions lie beneath."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ingest import pages
from ingest.admit import by_key, by_name
from ingest.desk import Desk, counted
from ingest.draft import Outcome, Refused, Reply, Request, Unusable, usable
from ingest.json_body import raw
from ingest.normalise import described, failed, refused
from ingest.registry import Source
from ingest.safe import kept, record, touchpoint
from ingest.sdks import sdk_of
from ingest.sources import KINDS, api, form
from ingest.wire import json_reply, problem_reply, too_large, traceparent
from relevo.service import Problem
from relevo.stream.kafka import Outgoing

SINGLE_LIMIT, BATCH_LIMIT = 256 * 1024, 500 * 1024
MOST_ITEMS, MOST_SDK_EVENTS = 1_000, 2_500  # the latter are Segment's own limit
FORMS = "/v1/forms/"


async def touchpoints(desk: Desk, request: Request) -> Reply:
    """`POST /v1/touchpoints`: 202 for one; for an array 207, with an answer for each item."""
    now = desk.now()
    source = by_key(desk.sources.now, request, now)
    array = api.is_array(request.body)
    if not array and len(request.body) > SINGLE_LIMIT:
        raise too_large(SINGLE_LIMIT)
    key = _idempotency_key(request)
    outcomes = _read(api.normalise, desk, request, source, now)
    trace = traceparent(request)
    records: list[Outgoing] = []
    answers: list[dict[str, Any]] = []
    for index, outcome in enumerate(outcomes):
        otherwise = f"{key}:{index}" if key and array else key
        try:
            data = described(usable(outcome), source, desk.secret, now, otherwise)
            records.append(touchpoint(data, trace))
        except Unusable as unusable:
            problem = _refusal(source, unusable)
            if not array:
                raise problem from None
            answers.append({"index": index, **problem.body()})
        else:
            answers.append({"index": index, "status": 202, "touchpoint_id": data["touchpoint_id"]})
    if records:
        await desk.keep(records)
        counted(source.name, "accepted").inc(len(records))
    if array:
        return json_reply({"accepted": len(records), "refused": len(answers) - len(records), "items": answers}, 207)
    return json_reply({"touchpoint_id": answers[0]["touchpoint_id"]}, 202)


async def sdk_calls(desk: Desk, request: Request) -> Reply:
    """SDKs' own APIs: exactly 200 once everything is durable; what is unusable as failed touchpoints."""
    sdk = sdk_of(request.path, request.headers)
    assert sdk is not None
    now = desk.now()
    source = by_key(desk.sources.now, request, now, sdk.write_key)
    await keep_all(desk, _read(sdk.normalise, desk, request, source, now, MOST_SDK_EVENTS), request, source, now)
    return Reply(200, sdk.success)


async def keep_all(desk: Desk, outcomes: Sequence[Outcome], request: Request, source: Source, now: datetime) -> None:
    """Every outcome made durable, what is unusable as a failed touchpoint, for senders that cannot mend it."""
    trace = traceparent(request)
    records: list[Outgoing] = []
    quarantined = 0
    for outcome in outcomes:
        try:
            records.append(touchpoint(described(usable(outcome), source, desk.secret, now), trace))
        except Unusable as unusable:
            item = outcome if isinstance(outcome, Refused) else refused(outcome, unusable)
            records.append(_quarantine(desk, item, request, source, now, trace))
            quarantined += 1
    if records:
        await desk.keep(records)
        counted(source.name, "accepted").inc(len(records) - quarantined)
        counted(source.name, "failed").inc(quarantined)


async def forms(desk: Desk, request: Request) -> Reply:
    """`POST /v1/forms/{source}`: JSON for scripts; for browsers the site's own page, or a short one of ours."""
    accept = request.header(b"accept") or ""
    browsing = "text/html" in accept.lower() and request.header(b"sec-fetch-mode") in (None, "navigate")
    language = pages.language(request.header(b"accept-language"))
    try:
        source, touchpoint_id = await _form(desk, request, request.path.removeprefix(FORMS))
    except Problem as problem:
        if not browsing or problem.status in (401, 403):
            return problem_reply(problem)
        return Reply(problem.status, pages.sorry(language, problem.field), pages.HEADERS)
    if not browsing:
        return json_reply({"touchpoint_id": touchpoint_id}, 202)
    if source.thanks is not None:
        return Reply(303, headers=((b"location", source.thanks.encode()),))
    return Reply(200, pages.thanks(language), pages.HEADERS)


async def _form(desk: Desk, request: Request, name: str) -> tuple[Source, str]:
    now = desk.now()
    source = by_name(desk.sources.now, name, KINDS["form"], request, now)
    key = _idempotency_key(request)
    (outcome,) = _read(form.normalise, desk, request, source, now)
    try:
        data = described(usable(outcome), source, desk.secret, now, key)
        made = touchpoint(data, traceparent(request))
    except Unusable as unusable:
        raise _refusal(source, unusable) from None
    await desk.keep([made])
    counted(source.name, "accepted").inc()
    return source, data["touchpoint_id"]


def _read(
    normalise: Callable[[Request, Source, datetime], Sequence[Outcome]],
    desk: Desk,
    request: Request,
    source: Source,
    now: datetime,
    most: int = MOST_ITEMS,
) -> Sequence[Outcome]:
    """The request's items. Raises Problem: unreadable as a whole, too many, or faster than the source may send."""
    try:
        outcomes = normalise(request, source, now)
    except Unusable as unusable:
        raise _refusal(source, unusable) from None
    if len(outcomes) > most:
        raise Problem(413, "Too many at once", detail=f"Send at most {most} in one request.")
    desk.rated(source, len(outcomes))
    return outcomes


def _quarantine(desk: Desk, item: Refused, request: Request, source: Source, now: datetime, trace: str) -> Outgoing:
    try:
        return record(failed(item, request, kept(raw(item.told)), source, desk.secret, now, trace))
    except Unusable as unusable:
        raise _refusal(source, unusable) from None


def _refusal(source: Source, unusable: Unusable) -> Problem:
    counted(source.name, "refused").inc()
    return Problem(unusable.status, unusable.title, detail=unusable.detail, field=unusable.field)


def _idempotency_key(request: Request) -> str | None:
    """The header, marked as what it is, so that it never equals an id of the sender's own. Raises Problem 400."""
    key = request.header(b"idempotency-key")
    if key is None:
        return None
    if not key or len(key) > 200 or not key.isprintable():
        raise Problem(400, "Idempotency-Key malformed", detail="Send 1 to 200 printable characters.")
    return f"idempotency-key:{key}"
