"""HTTP for people: the live page, one lead, the agreement, search, signing in and out."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import parse_qs, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from console import access, agreement, board, erasing, publication, publications, queries
from console.access import COOKIE, Viewer, check_csrf, check_same_site, settings_of
from console.agreement import Agreement
from console.api import erase_lead, find_lead, next_cursor, read_cursor
from console.decisions import handoff
from console.html import STATIC, page
from console.playbooks import approve_draft, role_of
from console.speech import LANGUAGES, Speech, choose
from console.telling import names_in, tell, who
from console.trips import FUNNEL, standing
from relevo.playbook import format_duration
from relevo.service import Problem, of, write

router = APIRouter(include_in_schema=False)

PERIODS = (7, 30, 90, 0)
_LANGUAGE_COOKIE = "relevo_language"


@router.get("/")
async def now(request: Request, days: Annotated[int, Query(ge=0, le=3660)] = 30) -> Response:
    looking = await access.viewer(request)
    if looking is None or _switches(request):
        return _elsewhere(request, looking)
    rep = looking.actor.rep
    async with of(request).transaction() as tx:
        seen = await queries.newest_change(tx)  # before the rest: what comes in between is told to the page again
        current = await agreement.in_force(tx)
        say = _speech(request, tx.now, current)
        return page(
            request,
            "now.html",
            say,
            looking,
            seen=seen,
            agreement=current,
            days=days,
            periods=PERIODS,
            funnel=await board.funnel(tx, tx.now - timedelta(days=days) if days else None),
            figures=await board.figures(tx),
            names=current.names if current else {},
            clocks=await board.running_clocks(tx, 12, rep),
            breaches=await board.latest_breaches(tx, 5, rep),
            leads=await board.newest_leads(tx, 8, rep),
            mqls=await board.latest_mqls(tx, 8, rep),
            assignments=await board.latest_assignments(tx, 7, rep),
        )


@router.get("/leads/{lead_id}")
async def lead(request: Request, lead_id: UUID, before: Annotated[str | None, Query(max_length=80)] = None) -> Response:
    looking = await access.viewer(request)
    if looking is None or _switches(request):
        return _elsewhere(request, looking)
    async with of(request).transaction() as tx:
        current = await agreement.in_force(tx)
        say = _speech(request, tx.now, current)
        gone = await queries.erased(tx, lead_id)
        if gone is not None:
            text = say("lead.erased", at=say.when(gone[0]), by=who(gone[1], say, {}))
            return page(request, "message.html", say, looking, agreement=current, title=say("event.erased"), text=text)
        try:
            known, trips = await find_lead(tx, lead_id, looking.actor)
        except Problem as problem:
            title, text = problem.title, problem.detail or ""
            if problem.status == 404:
                title, text = say("lead.unknown"), say("lead.unknown_hint")
            status = problem.status
            return page(request, "message.html", say, looking, status=status, agreement=current, title=title, text=text)
        seen = await queries.newest_change(tx)
        entries = await queries.timeline(tx, lead_id, read_cursor(before), 100)
        names = (current.names if current else {}) | names_in(entry.event for entry in entries)
        return page(
            request,
            "lead.html",
            say,
            looking,
            seen=seen,
            agreement=current,
            lead=known,
            trip=standing(trips),
            stages=FUNNEL,
            clocks=await board.clocks_of(tx, await erasing.family(tx, lead_id)),
            names=names,
            entries=[(entry, tell(entry.event, say, names)) for entry in entries],
            before=before,
            next=next_cursor(entries, 100),
        )


@router.post("/leads/{lead_id}/erase")
async def erase(request: Request, lead_id: UUID) -> Response:
    looking, _ = await _posting(request)
    if not looking.may("erase"):
        raise Problem(403, "Scope missing", detail="This needs a token of scope `erase`.")
    answer = await write(request, lambda tx: erase_lead(tx, lead_id, looking.actor))
    if answer.status_code >= 400:
        return answer
    async with of(request).transaction() as tx:
        current = await agreement.in_force(tx)
        say = _speech(request, tx.now, current)
    title, text = say("event.erased"), say("erase.asked")
    return page(request, "message.html", say, looking, agreement=current, title=title, text=text)


@router.post("/search")
async def search(request: Request) -> Response:
    looking, form = await _posting(request)
    words = form.get("query", "")[:200]
    async with of(request).transaction() as tx:
        current = await agreement.in_force(tx)
        found = await board.search(tx, words, 50, looking.actor.rep)
        say = _speech(request, tx.now, current)
    return page(request, "search.html", say, looking, agreement=current, words=words, found=found)


@router.get("/decisions/{decision_id}")
async def decision(request: Request, decision_id: UUID) -> Response:
    looking = await access.viewer(request)
    if looking is None or _switches(request):
        return _elsewhere(request, looking)
    settings = settings_of(request)
    found = await handoff.decision(settings, decision_id, looking.actor, role_of(settings, looking.actor))
    async with of(request).transaction() as tx:
        current = await agreement.in_force(tx)
        say = _speech(request, tx.now, current)
    if isinstance(found, int):
        title = say("decision.title")
        text = say("decision.away") if found >= 500 else say("decision.unknown")
        status = 503 if found >= 500 else 404
        return page(request, "message.html", say, looking, status=status, agreement=current, title=title, text=text)
    names = current.names if current else {}
    return page(request, "decision.html", say, looking, agreement=current, decision=found, names=names)


@router.get("/playbook")
async def playbook(request: Request) -> Response:
    looking = await access.viewer(request)
    if looking is None or _switches(request):
        return _elsewhere(request, looking)
    async with of(request).transaction() as tx:
        current = await agreement.in_force(tx)
        say = _speech(request, tx.now, current)
        active = await publications.active(tx)
        return page(
            request,
            "playbook.html",
            say,
            looking,
            agreement=current,
            active=active,
            playbook=current.playbook if current else None,
            revisions=await publications.revisions(tx, None, 20),
            drafts=await publications.drafts(tx),
            missing=publication.missing,
            signs=publication.signs_for(role_of(settings_of(request), looking.actor)),
            format_duration=format_duration,
        )


@router.post("/playbook/{version}/approve")
async def approve(request: Request, version: str) -> Response:
    looking, form = await _posting(request)
    sides = publication.signs_for(role_of(settings_of(request), looking.actor))
    side = next((side for side in sides if side == form.get("side")), None)
    if side is None or not looking.may("playbook"):
        raise Problem(403, "May not approve", detail="This takes the scope `playbook` and a role of that team.")
    answer = await write(request, lambda tx: approve_draft(tx, version, frozenset({side}), looking.actor.by))
    return answer if answer.status_code >= 400 else RedirectResponse("/playbook", 303)


@router.get("/login")
async def login(request: Request) -> Response:
    say = _speech(request, datetime.now(UTC), None)
    if _switches(request):
        return _elsewhere(request, None)
    return page(request, "login.html", say, None, agreement=None, refused=False)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    check_same_site(request)
    secret = (await _form(request)).get("token", "").strip()
    token = access.reader_token(request, secret)
    if token is None:
        say = _speech(request, datetime.now(UTC), None)
        return page(request, "login.html", say, None, status=403, agreement=None, refused=True)
    hours = settings_of(request).session_hours
    async with of(request).transaction() as tx:
        cookie = await access.open_session(tx, secret, hours)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, cookie, max_age=int(hours * 3600), secure=True, httponly=True, samesite="lax")
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    await _posting(request)
    async with of(request).transaction() as tx:
        await access.close_session(tx, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/static/{name}")
async def static(name: str) -> Response:
    file = STATIC.get(name)
    if file is None:
        raise Problem(404, "No such file")
    return Response(file.body, headers={"Cache-Control": "public, max-age=31536000, immutable"}, media_type=file.kind)


def _speech(request: Request, now: datetime, current: Agreement | None) -> Speech:
    language = choose(request.cookies.get(_LANGUAGE_COOKIE), request.headers.get("accept-language"))
    return Speech(language, current.zone if current else ZoneInfo("UTC"), now)


def _switches(request: Request) -> bool:
    return request.query_params.get("language") in LANGUAGES


def _elsewhere(request: Request, looking: Viewer | None) -> Response:
    """The language switch: remembered, and the same page again. Who is not signed in goes to the login."""
    if not _switches(request):
        return RedirectResponse("/login", 303)
    rest = urlencode([(key, value) for key, value in request.query_params.items() if key != "language"])
    answer = RedirectResponse(request.url.path + (f"?{rest}" if rest else ""), 303)
    year = 365 * 24 * 3600
    chosen = request.query_params["language"]
    answer.set_cookie(_LANGUAGE_COOKIE, chosen, max_age=year, samesite="lax", httponly=True)
    return answer


async def _posting(request: Request) -> tuple[Viewer, dict[str, str]]:
    """Who posts a form of ours, and its fields. Raises Problem 401, 403."""
    looking = await access.viewer(request)
    if looking is None:
        raise Problem(401, "Not signed in", detail="Open /login first.")
    form = await _form(request)
    check_csrf(request, looking, form.get("csrf"))
    return looking, form


async def _form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form. Raises Problem 400."""
    try:
        read = parse_qs((await request.body()).decode(), max_num_fields=50, errors="strict")
    except ValueError:
        raise Problem(400, "Not a form", detail="The body is not an urlencoded form in UTF-8.") from None
    return {name: values[0] for name, values in read.items() if "\0" not in values[0]}
