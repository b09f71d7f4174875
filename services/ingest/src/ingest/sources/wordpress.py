"""WordPress: what its form plugins send, values by their fields' names, as a form or JSON. PURE.

- Contact Form 7 by way of "CF7 to Webhook": https://wordpress.org/plugins/cf7-to-zapier/, as its code sends it
  (https://github.com/mariovalney/cf7-to-zapier, CFTZ_Module_Zapier). Unsigned.
- Gravity Forms: https://docs.gravityforms.com/triggering-webhooks-form-submissions/, fields chosen and named there,
  or all of an entry (https://docs.gravityforms.com/entry-object/), whose answers have numbers for names. Unsigned.
- WPForms: https://wpforms.com/docs/how-to-install-and-use-the-webhooks-addon-with-wpforms/, fields chosen and named
  there. Of JSON the add-on signs `timestamp.body` with HMAC-SHA256, as its code says (WPFormsWebhooks\\Process); of
  a form it signs the JSON that it would have been, which does not come with it.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from ingest.dates import lenient
from ingest.draft import Outcome, Request, Unauthentic
from ingest.registry import Source
from ingest.sources.form_body import fields
from ingest.sources.signed import by_hmac
from ingest.sources.standard import in_time
from ingest.sources.submission import Answer, Facts, submitted

_SIGNATURE = re.compile(rb"t=(\d{1,12}),v=([0-9a-f]{64})")
# Of a Gravity Forms entry: what stands elsewhere in the touchpoint, or says nothing of the person.
_OF_ENTRY = frozenset(
    "id form_id post_id date_created date_updated is_starred is_read ip source_url source_id user_agent currency "
    "created_by status is_fulfilled is_approved payment_status payment_date payment_amount payment_method "
    "transaction_id transaction_type".split()
)


def verify_wpforms(request: Request, source: Source, now: datetime) -> None:
    if (told := _SIGNATURE.fullmatch(request.headers.get(b"x-wpforms-webhook-signature", b""))) is None:
        raise Unauthentic
    at, given = told.groups()
    in_time(at, now)
    by_hmac(source, at + b"." + request.body, given)


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    answers = [Answer(name, value) for name, value in fields(request).items()]
    return [submitted(answers, Facts(), request.body, source, now)]


def normalise_gravity(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    told = fields(request)
    if not {"id", "form_id", "date_created"} <= set(told):
        return normalise(request, source, now)
    facts = Facts(
        event_id=told["id"],  # counted over all the forms of a site
        occurred_at=lenient(told["date_created"]),  # UTC
        form=told["form_id"],
        url=told.get("source_url"),
        agent=told.get("user_agent"),
    )
    answers = [Answer(name, value) for name, value in told.items() if name not in _OF_ENTRY]
    return [submitted(answers, facts, request.body, source, now)]
