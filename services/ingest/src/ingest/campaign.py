"""Where a visit came from: UTM parameters and advertisers' click ids, out of addresses and fields; clean URLs. PURE."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from relevo.meanings import CLICK_IDS, UTM

NAMED = tuple(UTM.values())
_TELLING = re.compile(rf"[?&](utm_[a-z]+|{'|'.join(CLICK_IDS)})=([^&#]*)", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
MOST_URL = 2048
_MOST = 300


def web_address(url: str) -> str | None:
    """`url` where it is an absolute http(s) address of a bearable length, without user and password; else None."""
    url = url.strip()
    if len(url) > MOST_URL or _URL.fullmatch(url) is None:
        return None
    if "@" in (authority := url.split("/", 3)[2]):
        url = url.replace(authority, authority.rpartition("@")[2], 1)
    return url


def of_url(url: str) -> dict[str, str]:
    """Campaign and click ids in an address's query; empty where there are none."""
    found = _TELLING.findall(url) if "=" in url else ()
    return of_fields({name: _unquoted(value) for name, value in found}) if found else {}


def _unquoted(value: str) -> str:
    return unquote_plus(value) if "%" in value or "+" in value else value


def of_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Campaign and click ids among form fields or parameters, under the event's names."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        low = name.lower()
        known = UTM.get(low) or (low if low in CLICK_IDS else None)
        if known is not None and value:
            found[known] = value[:_MOST]
    return found
