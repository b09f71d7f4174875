"""Where a visit came from: UTM parameters and advertisers' click ids, out of addresses and fields; clean URLs. PURE."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from relevo.meanings import CLICK_IDS, UTM

NAMED = tuple(UTM.values())
_TELLING = {**UTM, **{name: name for name in CLICK_IDS}}  # what the event calls each
_TOLD = re.compile(rf"[?&#]({'|'.join(map(re.escape, _TELLING))})=([^&#]+)", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[^\s<>\"]+")
MOST_URL = 2048
_MOST = 300


def web_address(url: str) -> str | None:
    """`url` where it is an absolute http(s) address of a bearable length, without user and password; else None."""
    url = url.strip()
    if len(url) > MOST_URL or _URL.fullmatch(url) is None:
        return None
    if "@" in url and "@" in (authority := url.split("/", 3)[2]):
        url = url.replace(authority, authority.rpartition("@")[2], 1)
    return url


def of_url(url: str) -> dict[str, str]:
    """Campaign and click ids in an address's query, and in its fragment's, as pages of scripts have one; empty where
    there are none."""
    found: dict[str, str] = {}
    for name, value in _TOLD.findall(url) if "=" in url else ():
        known = _TELLING[name.lower()]
        found[known] = (unquote_plus(value) if "%" in value or "+" in value else value)[:_MOST]
    return found


def of_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Campaign and click ids among form fields or parameters, under the event's names."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        known = _TELLING.get(name.lower())
        if known is not None and value:
            found[known] = value[:_MOST]
    return found
