"""A touchpoint by the names that conditions use. Pure."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from relevo.events import TouchpointRecorded


def _path(touch: TouchpointRecorded) -> str | None:
    url = touch.what.url or touch.what.link
    try:
        return urlsplit(url).path if url else None
    except ValueError:  # an unclosed IPv6 bracket: senders send anything
        return None


VARIABLES: Final[Mapping[str, Callable[[TouchpointRecorded], object]]] = {
    "touch.type": lambda touch: touch.touch,
    "touch.source": lambda touch: touch.source,
    "touch.form": lambda touch: touch.what.form,
    "touch.url": lambda touch: touch.what.url or touch.what.link,
    "touch.path": _path,
    "touch.title": lambda touch: touch.what.title or touch.what.subject_line,
    "touch.asset": lambda touch: touch.what.asset,
    "touch.event": lambda touch: touch.what.event,
    "touch.campaign": lambda touch: touch.campaign.name,
    "touch.medium": lambda touch: touch.campaign.medium,
    "touch.machine": lambda touch: touch.machine,
    "touch.fields": lambda touch: touch.fields,
}
