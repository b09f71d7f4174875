"""Pages as HTML: templates that escape everything, the headers that keep scripts and requests at home, static files."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from console.access import Viewer
from console.drawing import silhouette
from console.speech import LANGUAGES, NAMES, Speech

_HERE: Final = Path(__file__).parent
_KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

HEADERS: Final = {
    # No inline script or style, nothing from elsewhere, nobody frames us.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src"
    " 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Cookie, Accept-Language",
}

# What the script writes by itself; placeholders are filled there.
_SPOKEN: Final = (
    "ago",
    "ahead",
    "just_now",
    "clock.left",
    "clock.over",
    "live.on",
    "live.off",
    "live.changed",
)


@dataclass(frozen=True)
class Static:
    body: bytes
    kind: str
    version: str


def _read(path: Path) -> Static:
    body = path.read_bytes()
    return Static(body, _KINDS[path.suffix], sha256(body).hexdigest()[:12])


STATIC: Final = {path.name: _read(path) for path in sorted((_HERE / "static").iterdir()) if path.suffix in _KINDS}


def _link(name: str) -> str:
    """A static file's address; it changes with the content, so browsers may keep it for ever."""
    return f"/static/{name}?v={STATIC[name].version}"


def _spoken(say: Speech) -> str:
    """The script's words, as JSON for an attribute; `{span}` and the like stay."""
    return orjson.dumps({key: say.raw(key) for key in _SPOKEN}).decode()


_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(
    static=_link, silhouette=silhouette, spoken=_spoken, languages=LANGUAGES, language_names=NAMES
)


def page(
    request: Request,
    template: str,
    say: Speech,
    looking: Viewer | None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **given: Any,
) -> Response:
    """`template` in the reader's language, with headers that keep the page to itself."""
    text = _templates.get_template(template).render(
        t=say,
        viewer=looking,
        path=request.url.path,
        query=dict(request.query_params),
        request_is_get=request.method == "GET",
        **given,
    )
    return Response(text, status, headers=HEADERS | (headers or {}), media_type="text/html; charset=utf-8")
