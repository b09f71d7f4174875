"""A message that a person wrote to us, as a tool received it: an answer to one of ours, or of its own accord. PURE."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ingest.draft import Draft
from ingest.normalise import MOST_TEXT
from ingest.sources.events import mailbox, said
from ingest.sources.flatten import text

# RFC 3834, and what older programs write; of lists and bulk mail no person answers either.
_AUTOMATIC = frozenset({"bulk", "junk", "list", "auto_reply"})


def headers(told: object, name: str, value: str) -> dict[str, str]:
    """A message's headers by their names in lower case, the first of each, as `[{name: …, value: …}]` has them."""
    found: dict[str, str] = {}
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict) and (called := text(each.get(name))) and (says := text(each.get(value))):
            found.setdefault(called.lower(), says)
    return found


def message(
    told: Any,
    of: Mapping[str, str],
    *,
    event_id: str | None,
    kind: str,
    sender: str | None,
    subject: str | None,
    words: Iterable[str | None] = (),
    received_at: datetime | None = None,
    spam: bool = False,
) -> Draft:
    """The draft of a message with the headers `of`. It is an answer where it names the message that it answers, which
    then is `message_id`. `words`: its text, the best of what is there first."""
    answered = of.get("in-reply-to") or of.get("references", "").rpartition(" ")[2]
    automatic = of.get("auto-submitted", "no").lower() != "no" or of.get("precedence", "").lower() in _AUTOMATIC
    because = "it was answered automatically" if automatic else "its tool takes it for spam" if spam else None
    written = next(filter(None, words), None)
    return Draft(
        touch="email_replied" if answered else "other",
        told=told,
        event_id=event_id,
        original_type=kind,
        email=mailbox(sender),
        what=said(
            message_id=answered.strip(" <>"), subject_line=subject, text=written[:MOST_TEXT] if written else None
        ),
        occurred_at=received_at or _date(of.get("date")),
        machine_because=because,
    )


def _date(told: str | None) -> datetime | None:
    """RFC 5322's, in UTC."""
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(told or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
