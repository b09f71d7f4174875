"""Any HTML form (`POST /v1/forms/{source}`), or JSON of the same fields. PURE."""

from collections.abc import Sequence
from datetime import datetime

from ingest import keys
from ingest.campaign import of_fields
from ingest.dates import lenient
from ingest.draft import Draft, Outcome, Request
from ingest.registry import Source
from ingest.sources.form_body import fields as read_fields
from relevo.events.touchpoints import Consent
from relevo.meanings import CLICK_IDS, UTM, is_machinery, is_no, meanings, person, plain

verify = keys.verify


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """The form's one touchpoint. Raises Unusable: a person sees it, and can mend it."""
    fields = read_fields(request)
    trapped = [name for name in source.honeypot if fields.pop(name, None)]
    told = meanings(fields, source.fields)

    def of(meaning: str) -> str | None:
        return fields.get(told[meaning]) if meaning in told else None

    first, last, full = person(of("first_name"), of("last_name"), of("name"))
    consumed = {name for meaning, name in told.items() if meaning not in ("consent",)}
    return [
        Draft(
            touch="form_submitted",
            told=request.body,
            event_id=of("event_id"),
            email=of("email"),
            user_id=of("user_id"),
            anonymous_id=of("anonymous_id"),
            phone=of("phone"),
            first=first,
            last=last,
            full=full,
            company=of("company"),
            website=of("website"),
            what={
                name: value
                for name, value in {
                    "form": of("form") or source.name,
                    "url": of("url") or request.header(b"referer"),
                    "title": of("title"),
                    "text": of("message"),
                }.items()
                if value
            },
            fields={
                name: value
                for name, value in fields.items()
                if name not in consumed and not is_machinery(name) and not _campaigns(name)
            },
            campaign=of_fields({plain(name): value for name, value in fields.items()}),
            consent=_consent(of("consent"), now),
            occurred_at=lenient(of("occurred_at")),
            agent=request.header(b"user-agent"),
            machine_because="it filled in a field that people do not see" if trapped else None,
            must_reach=True,
        )
    ]


def _campaigns(name: str) -> bool:
    low = plain(name)
    return low in UTM or low in CLICK_IDS


def _consent(value: str | None, now: datetime) -> Consent | None:
    """A ticked box is consent, given now."""
    if value is None:
        return None
    return Consent(basis="none" if is_no(value) else "consent", at=now)
