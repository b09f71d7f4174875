"""What kinds of sources there are, and how each proves that it is the sender. PURE."""

from typing import Literal, get_args

# Tools that call `/v1/webhooks/{source}`.
Webhook = Literal[
    "activecampaign", "amazon_ses", "brevo", "contact_form_7", "customerio", "google_forms", "gravity_forms", "hubspot",
    "hubspot_forms", "jotform", "klaviyo", "linkedin_lead_gen", "mailchimp", "mailersend", "mailgun", "mailjet",
    "mailtrap", "mandrill", "mautic", "meta_lead_ads", "postal", "postmark", "resend", "sendgrid", "sparkpost", "tally",
    "typeform", "unbounce", "unisender_go", "webflow", "wpforms",
]  # fmt: skip
# SDKs: their key says which source they are.
Sdk = Literal["segment", "rudderstack", "jitsu", "posthog", "customerio_track"]
Kind = Literal["api", "form", Sdk, Webhook]
WEBHOOKS: frozenset[str] = frozenset(get_args(Webhook))
# By their own documentation: which sign every request; which have no signing rule at all; which sign for one of their
# topics, with a public certificate; the others sign if asked to. And which sign the address they call with the body.
ALWAYS_SIGN = frozenset((
    "customerio", "hubspot", "klaviyo", "linkedin_lead_gen", "mailersend", "mailgun", "mailtrap", "mandrill",
    "mautic", "meta_lead_ads", "postal", "unisender_go",
))  # fmt: skip
NEVER_SIGN = frozenset((
    "activecampaign", "brevo", "contact_form_7", "google_forms", "gravity_forms", "jotform", "mailchimp", "mailjet",
    "postmark", "sparkpost", "unbounce",
))  # fmt: skip
SIGN_BY_TOPIC = frozenset({"amazon_ses"})
SIGN_THEIR_ADDRESS = frozenset({"hubspot", "hubspot_forms", "mandrill"})
# Which send ids only, so that the rest is fetched with a token of theirs; and which ask with a key before they send,
# and send without it.
SEND_IDS = frozenset({"linkedin_lead_gen", "meta_lead_ads"})
ASK_WITH_KEY = frozenset({"meta_lead_ads"})
