"""ActiveCampaign: webhooks of contacts and campaigns, one event a form. PURE.

https://developers.activecampaign.com/page/webhooks. ActiveCampaign signs nothing: what proves it is a key in the
address. It never tries again.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ingest import keys
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request, Unusable
from ingest.registry import Source
from ingest.sources.events import said
from ingest.sources.form_body import pairs
from relevo.events.vocabulary import TouchpointType

verify = keys.verify_webhook

_TYPES: Final[dict[str, TouchpointType]] = {
    "open": "email_opened",
    "click": "email_clicked",
    "reply": "email_replied",
    "unsubscribe": "email_unsubscribed",
    "subscribe": "identified",
    "update": "identified",
}
_FIELD = re.compile(r"contact\[fields\]\[([^]]+)\]")
_KEPT = {"list": "list", "contact[tags]": "tags", "campaign[name]": "campaign", "initiated_from": "initiated_from",
         "bounce[type]": "bounce", "tag": "tag"}  # fmt: skip


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    told = {name: value for name, value in pairs(request) if value}
    if (kind := told.get("type")) is None:
        raise Unusable("It names no event.", "type")
    hard = kind == "bounce" and told.get("bounce[type]") == "hard"
    own = {match[1]: value for name, value in told.items() if (match := _FIELD.fullmatch(name))}
    return [
        Draft(
            touch="email_bounced" if hard else _TYPES.get(kind, "other"),
            told=request.body,
            original_type=kind,
            email=told.get("contact[email]"),
            phone=told.get("contact[phone]"),
            first=told.get("contact[first_name]"),
            last=told.get("contact[last_name]"),
            company=told.get("contact[orgname]"),
            what=said(
                message_id=told.get("campaign[id]"),
                subject_line=told.get("campaign[subject]"),
                link=told.get("link[url]"),
            ),
            fields=own | {name: told[ours] for ours, name in _KEPT.items() if ours in told},
            occurred_at=lenient(told.get("date_time")),
        )
    ]
