"""JSON from strangers, so that NaN, half characters and depth never get in, and cost no other item of a batch. PURE."""

import json
import math
import re
from typing import Any

import orjson

from ingest.draft import Unusable

MOST_DEPTH = 32
_HALF = re.compile("[\ud800-\udfff]")


def parse(body: bytes) -> tuple[Any, bool]:
    """The value, and whether it may hold what `flaw` finds. Raises Unusable where it is no JSON at all.

    orjson refuses NaN, infinities, lone surrogates, byte order marks, bad UTF-8 and a depth over 1,024. In a batch
    that would cost all items for one item's flaw, so what it refuses is read leniently and judged item by item.
    """
    try:
        return orjson.loads(body), body.count(b"[") + body.count(b"{") > MOST_DEPTH
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode()), True
    except RecursionError:
        raise Unusable(f"Nest at most {MOST_DEPTH} levels.", status=400, title="JSON too deep") from None
    except ValueError:
        raise Unusable("The body is not valid JSON in UTF-8.", status=400, title="Not JSON") from None


def flaw(value: Any, levels: int = MOST_DEPTH) -> Unusable | None:
    """What makes a parsed value unfit to keep: too deep, no number, half a character."""
    if isinstance(value, str):
        return Unusable("Holds half a character (a lone surrogate).") if _HALF.search(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else Unusable("Holds NaN or a number without bounds.")
    if not isinstance(value, dict | list):
        return None
    if levels == 0:
        return Unusable(f"Nest at most {MOST_DEPTH} levels.", status=400, title="JSON too deep")
    if isinstance(value, dict):
        for name in value:
            if _HALF.search(name):
                return Unusable("Holds half a character (a lone surrogate).")
    for inner in value.values() if isinstance(value, dict) else value:
        if (found := flaw(inner, levels - 1)) is not None:
            return found
    return None


def raw(told: Any) -> bytes:
    """What was told as bytes: as it came, or as JSON again."""
    return told if isinstance(told, bytes) else orjson.dumps(told)


def verbatim(value: Any) -> bytes:
    """A value that holds what `flaw` finds as JSON again, NaN and half characters included, to be kept and mended."""
    return json.dumps(value).encode()
