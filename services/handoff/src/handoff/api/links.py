"""HTTP: one-click answers. GET shows what would happen, so that a mail scanner that follows links answers nothing; only
POST acts."""

import re
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import Response

from handoff import links, merging, queries
from handoff.api.answering import settled
from handoff.assignment import Assignment
from handoff.links import Link
from handoff.settle import OWNER, Answering
from handoff.tell import who
from handoff.words import REASONS, Language, language_of, say
from relevo.events.vocabulary import REJECT_REASONS, RejectReason
from relevo.service import Answer, Problem, of, write
from relevo.stream import Transaction

router = APIRouter(prefix="/a", include_in_schema=False)

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
STYLE = (
    "body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em}"
    "button,select{font:inherit;padding:.5em 1em;margin:.5em 0}"
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@router.get("/{token}", summary="What a one-click answer would do; nothing happens")
async def show_link(request: Request, token: str) -> Response:
    async with of(request).transaction() as tx:
        try:
            link, found = await _alive(tx, token)
        except Problem as dead:
            return _page(dead.status, _asked_language(request), say(_asked_language(request), "page.dead"),
                         [say(_asked_language(request), "page.dead.why")])  # fmt: skip
    language = language_of(link.language)
    about = found.about.snapshot
    name = who(about.contact.model_dump(), about.company.model_dump(), language)
    return _page(200, language, say(language, f"page.{link.act}"), [say(language, "page.sure", who=name)], _form(link))


@router.post("/{token}", summary="Answer")
async def use_link(request: Request, token: str) -> Response:
    raw = (await request.body()).decode(errors="replace")
    given = parse_qs(raw, max_num_fields=5) if len(raw) < 2000 else {}
    reason = next(iter(given.get("reason", ())), None)

    async def work(tx: Transaction) -> Answer:
        link, _ = await _alive(tx, token)
        reject: RejectReason | None = None
        if link.act == "reject":
            if reason not in REJECT_REASONS:
                raise Problem(422, "Not valid", detail=f"one of {', '.join(REJECT_REASONS)}", field="reason")
            reject = reason  # type: ignore[assignment]
        said = Answering(link.act, OWNER, "link", reject=reject)
        outcome = await settled(tx, link.assignment_id, link.version, said, None)
        await links.use(tx, token)
        return Answer({"language": link.language}, events=outcome.events)

    try:
        await write(request, work)
    except Problem as no:
        language = _asked_language(request)
        if no.status == 404:
            return _page(404, language, say(language, "page.dead"), [say(language, "page.dead.why")])
        return _page(no.status, language, say(language, "page.no"), [no.detail or no.title])
    return _page(200, _asked_language(request), say(_asked_language(request), "page.done"), [])


async def _alive(tx: Transaction, token: str) -> tuple[Link, Assignment]:
    """The link and its assignment, while it can still be used. Raises Problem 404, which says no more than that."""
    link = await links.find(tx, token) if TOKEN.fullmatch(token) else None
    found = None if link is None else await queries.assignment_of(tx, link.assignment_id)
    if (
        link is None
        or found is None
        or link.used_at is not None
        or link.until_at <= tx.now
        or link.version != found.version
        or await merging.heir(tx, found) is not None
    ):
        raise Problem(404, "This link does nothing any more")
    return link, found


def _form(link: Link) -> str:
    language = language_of(link.language)
    reasons = ""
    if link.act == "reject":
        options = (f'<option value="{name}">{escape(text)}</option>' for name, text in REASONS[language].items())
        reasons = f'<p><label>{say(language, "page.why")} <select name="reason">{"".join(options)}</select></label></p>'
    return f'<form method="post">{reasons}<button>{escape(say(language, f"page.{link.act}"))}</button></form>'


def _asked_language(request: Request) -> Language:
    """Of the browser: a dead link has none of its own."""
    return "es" if request.headers.get("accept-language", "").lower().startswith("es") else "en"


def _page(status: int, language: Language, title: str, lines: list[str], form: str = "") -> Response:
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{text}{form}</body></html>"
    )
    return Response(page, status, headers=HEADERS, media_type="text/html; charset=utf-8")
