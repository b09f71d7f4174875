"""`GET /relevo.js`: the tracker of a site's pages, as it lies in this package; browsers keep it for an hour."""

import gzip
from hashlib import sha256
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

SCRIPT = files("ingest").joinpath("static/relevo.js").read_bytes()
_PACKED = gzip.compress(SCRIPT, 9, mtime=0)
_HEADERS = {
    "ETag": f'W/"{sha256(SCRIPT).hexdigest()[:20]}"',
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    "Vary": "Accept-Encoding",
    # Any page may load it; which pages may send is the source's to say.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def router() -> APIRouter:
    api = APIRouter(tags=["ingest"])

    @api.get(
        "/relevo.js",
        summary="The tracker: page views and forms of a site's pages",
        response_class=Response,
        responses={200: {"content": {"text/javascript": {}}}, 304: {"description": "As it was"}},
    )
    async def relevo_js(http: Request) -> Response:
        if _HEADERS["ETag"] in http.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=_HEADERS)
        if "gzip" not in http.headers.get("accept-encoding", ""):
            return Response(SCRIPT, headers=_HEADERS, media_type="text/javascript")
        return Response(_PACKED, headers=_HEADERS | {"Content-Encoding": "gzip"}, media_type="text/javascript")

    return api
