"""Mailchimp: an audience's webhooks, one event a form. PURE.

https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/. Mailchimp signs nothing: what proves it
is a key in the address. It looks with a GET whether the address is there.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources.events import said
from ingest.sources.form_body import pairs
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_TYPES: Final[dict[str, TouchpointType]] = {
    "subscribe": "identified",  # by a form, an import, an API: it does not say
    "profile": "identified",
    "upemail": "identified",
    "unsubscribe": "email_unsubscribed",
}
_CLEANED: Final[dict[str, TouchpointType]] = {"hard": "email_bounced", "abuse": "email_complained"}
_INNER = re.compile(r"data(?:\[merges\])?\[(\w+)\]")
_OWN = frozenset("id email new_id new_email EMAIL FNAME LNAME PHONE COMPANY subject campaign_id".split())


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    told = dict(pairs(request))
    data = {match[1]: value for name, value in told.items() if (match := _INNER.fullmatch(name)) and value}
    kind = told.get("type")
    touch = _TYPES.get(kind or "", "other")
    if kind == "cleaned":
        touch = _CLEANED.get(data.get("reason", ""), "other")
    return [
        Draft(
            touch=touch,
            told=request.body,
            original_type=kind,
            email=data.get("new_email") or data.get("email"),
            phone=data.get("PHONE"),
            first=data.get("FNAME"),
            last=data.get("LNAME"),
            company=data.get("COMPANY"),
            what=said(message_id=data.get("campaign_id"), subject_line=data.get("subject")),
            fields={name: value for name, value in data.items() if name not in _OWN},
            occurred_at=lenient(told.get("fired_at")),
        )
    ]
