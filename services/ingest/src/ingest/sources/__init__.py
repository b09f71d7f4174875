"""The ways touchpoints come in, one module each: `verify(request, source, now)` and `normalise(request, source, now)`.

Both are PURE. `verify` raises Unauthentic; `normalise` returns an outcome for each item, in order: a Draft, or a
Refused that says why. What either needs from elsewhere (a certificate, a lead of which only the id came) it raises as
`Wanted`, and is called again with it. `handshake`, where a tool asks before it sends, answers the asking; a GET or HEAD
that only looks whether we are there is answered for all. A new tool is a new module here and a line in KINDS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest import keys
from ingest.draft import Outcome, Reply, Request
from ingest.registry import Source
from ingest.sources import (
    activecampaign,
    amazon_ses,
    api,
    brevo,
    customerio,
    customerio_track,
    form,
    google_forms,
    hubspot,
    hubspot_forms,
    jitsu,
    jotform,
    klaviyo,
    linkedin_lead_gen,
    mailchimp,
    mailersend,
    mailgun,
    mailjet,
    mailtrap,
    mandrill,
    mautic,
    meta_lead_ads,
    postal,
    posthog,
    postmark,
    resend,
    rudderstack,
    segment,
    sendgrid,
    sparkpost,
    tally,
    typeform,
    unbounce,
    unisender_go,
    webflow,
    wordpress,
)
from relevo.kinds import Kind


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
    "activecampaign": Tool(activecampaign.verify, activecampaign.normalise),
    "amazon_ses": Tool(amazon_ses.verify, amazon_ses.normalise),
    "brevo": Tool(brevo.verify, brevo.normalise),
    "contact_form_7": Tool(keys.verify_webhook, wordpress.normalise),
    "customerio": Tool(customerio.verify, customerio.normalise),
    "google_forms": Tool(google_forms.verify, google_forms.normalise),
    "gravity_forms": Tool(keys.verify_webhook, wordpress.normalise_gravity),
    "hubspot": Tool(hubspot.verify, hubspot.normalise),
    "hubspot_forms": Tool(hubspot_forms.verify, hubspot_forms.normalise),
    "jotform": Tool(jotform.verify, jotform.normalise),
    "klaviyo": Tool(klaviyo.verify, klaviyo.normalise),
    "linkedin_lead_gen": Tool(linkedin_lead_gen.verify, linkedin_lead_gen.normalise, linkedin_lead_gen.handshake),
    "mailchimp": Tool(mailchimp.verify, mailchimp.normalise),
    "mailersend": Tool(mailersend.verify, mailersend.normalise),
    "mailgun": Tool(mailgun.verify, mailgun.normalise),
    "mailjet": Tool(mailjet.verify, mailjet.normalise),
    "mailtrap": Tool(mailtrap.verify, mailtrap.normalise),
    "mandrill": Tool(mandrill.verify, mandrill.normalise),
    "mautic": Tool(mautic.verify, mautic.normalise),
    "meta_lead_ads": Tool(meta_lead_ads.verify, meta_lead_ads.normalise, meta_lead_ads.handshake),
    "postal": Tool(postal.verify, postal.normalise),
    "postmark": Tool(postmark.verify, postmark.normalise),
    "resend": Tool(resend.verify, resend.normalise),
    "sendgrid": Tool(sendgrid.verify, sendgrid.normalise),
    "sparkpost": Tool(sparkpost.verify, sparkpost.normalise),
    "tally": Tool(tally.verify, tally.normalise),
    "typeform": Tool(typeform.verify, typeform.normalise),
    "unbounce": Tool(unbounce.verify, unbounce.normalise),
    "unisender_go": Tool(unisender_go.verify, unisender_go.normalise),
    "webflow": Tool(webflow.verify, webflow.normalise),
    "wpforms": Tool(wordpress.verify_wpforms, wordpress.normalise),
}
