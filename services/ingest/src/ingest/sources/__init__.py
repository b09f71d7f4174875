"""The ways touchpoints come in, one module each: `verify(request, source, now)` and `normalise(request, source, now)`.

Both are PURE. `verify` raises Unauthentic; `normalise` returns an outcome for each item, in order: a Draft, or a
Refused that says why. What either needs from elsewhere (a certificate, a lead of which only the id came) it raises as
`Wanted`, and is called again with it. `handshake`, where a tool asks before it sends, answers the asking; a GET or HEAD
that only looks whether we are there is answered for all. A new tool is a new module here and a line in KINDS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.draft import Outcome, Reply, Request
from ingest.registry import Kind, Source
from ingest.sources import (
    amazon_ses,
    api,
    customerio_track,
    form,
    hubspot,
    jitsu,
    mailchimp,
    mailgun,
    mandrill,
    posthog,
    postmark,
    resend,
    rudderstack,
    segment,
    sendgrid,
)


@dataclass(frozen=True)
class Tool:
    verify: Callable[[Request, Source, datetime], None]
    normalise: Callable[[Request, Source, datetime], Sequence[Outcome]]
    handshake: Callable[[Request, Source, datetime], Reply | None] | None = None


KINDS: dict[Kind, Tool] = {
    "api": Tool(api.verify, api.normalise),
    "form": Tool(form.verify, form.normalise),
    "segment": Tool(segment.verify, segment.normalise),
    "rudderstack": Tool(rudderstack.verify, rudderstack.normalise),
    "jitsu": Tool(jitsu.verify, jitsu.normalise),
    "posthog": Tool(posthog.verify, posthog.normalise),
    "customerio_track": Tool(customerio_track.verify, customerio_track.normalise),
    "amazon_ses": Tool(amazon_ses.verify, amazon_ses.normalise),
    "hubspot": Tool(hubspot.verify, hubspot.normalise),
    "mailchimp": Tool(mailchimp.verify, mailchimp.normalise),
    "mailgun": Tool(mailgun.verify, mailgun.normalise),
    "mandrill": Tool(mandrill.verify, mandrill.normalise),
    "postmark": Tool(postmark.verify, postmark.normalise),
    "resend": Tool(resend.verify, resend.normalise),
    "sendgrid": Tool(sendgrid.verify, sendgrid.normalise),
}
