"""LinkedIn Lead Gen Forms: leads of which only the id comes. PURE.

https://learn.microsoft.com/linkedin/shared/api-guide/webhook-validation: it asks before it sends, and every two hours
again, for a code's HMAC-SHA256 under the client secret; with the same it signs `hmacsha256=` and the body. The lead and
its form are fetched: https://learn.microsoft.com/linkedin/marketing/lead-sync/leadsync.
"""

import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from ingest.dates import lenient
from ingest.draft import Draft, Fetched, Get, Later, Outcome, Reply, Request, Unauthentic, Unusable, Wanted
from ingest.json_body import flaw
from ingest.registry import Source
from ingest.sources import events
from ingest.sources.events import Event, inner, listed, said
from ingest.sources.flatten import text
from ingest.sources.signed import by_hmac
from ingest.sources.submission import Answer, Facts, submitted

LEADS = "https://api.linkedin.com/rest/leadFormResponses"
_FIELDS = (
    "ownerInfo,associatedEntityInfo,leadMetadataInfo,owner,leadType,versionedLeadGenFormUrn,id,submittedAt,testLead,"
    "formResponse,form:(hiddenFields,creationLocale,name,id,content)"
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LEAD = re.compile(r"urn:li:leadGenFormResponse:([\w-]{1,100})", re.ASCII)
_SEASONED = timedelta(days=90)


def handshake(request: Request, source: Source, now: datetime) -> Reply | None:
    code = parse_qs(request.query.decode("latin-1")).get("challengeCode", [""])[0]
    if request.method != "GET" or not code:
        return None
    if not _UUID.fullmatch(code):  # else whoever asks has any text signed, a notification for instance
        raise Unauthentic
    response = hmac.digest(source.secrets[0].value, code.encode(), "sha256").hex()
    return Reply(200, json.dumps({"challengeCode": code, "challengeResponse": response}).encode())


def verify(request: Request, source: Source, now: datetime) -> None:
    by_hmac(source, b"hmacsha256=" + request.body, request.headers.get(b"x-li-signature", b""))


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    return events.of_body(request.body, partial(_draft, fetched=request.fetched, source=source, now=now))


def _draft(event: Event, fetched: Mapping[str, Fetched], source: Source, now: datetime) -> Draft:
    found = _LEAD.fullmatch(text(event.get("leadGenFormResponse")) or "")
    if event.get("type") != "LEAD_ACTION" or found is None:
        raise Unusable("It is about no lead.", "leadGenFormResponse")
    if event.get("leadAction") == "DELETED":
        raise Unusable("The lead was deleted at LinkedIn; what came of it here stays until it is erased.", "leadAction")
    get = _get(found[1], source, now)
    if get.url not in fetched:
        raise Wanted(get)
    lead = _lead(fetched[get.url])
    form, entity = inner(lead, "form"), inner(lead, "associatedEntity")
    campaign = inner(lead, "leadMetadata", "sponsoredLeadMetadata").get("campaign")
    facts = Facts(
        event_id=found[1],
        occurred_at=lenient(lead.get("submittedAt")) or lenient(event.get("occurredAt")),
        form=text(form.get("name")) or text(form.get("id")) or text(event.get("leadGenForm")),
        campaign=said(
            source="linkedin",
            campaign_id=text(campaign),
            ad_id=text(entity.get("associatedCreative")),
            lead_id=found[1],
        ),
    )
    draft = submitted(list(_answers(lead, form)), facts, event, source, now)
    return draft._replace(machine_because="LinkedIn says that it is a test") if lead.get("testLead") is True else draft


def _get(lead_id: str, source: Source, now: datetime) -> Get:
    """LinkedIn names its API's versions by their months and serves each for a year: one that has settled is asked."""
    assert source.token is not None  # the registry sees to it
    return Get(
        f"{LEADS}/{lead_id}?fields={_FIELDS}",
        {
            "Authorization": f"Bearer {source.token.value.decode()}",
            "LinkedIn-Version": f"{now - _SEASONED:%Y%m}",
            "X-Restli-Protocol-Version": "2.0.0",
        },
    )


def _lead(answer: Fetched) -> Event:
    if answer.status == 404:
        raise Unusable("LinkedIn has no such lead, or no longer.", "leadGenFormResponse")
    if answer.status != 200:
        raise Later(f"LinkedIn answered {answer.status}: see that the token is valid and may read leads")
    try:
        lead = json.loads(answer.body)
    except ValueError:
        raise Later("LinkedIn answered with no JSON") from None
    if not isinstance(lead, dict) or flaw(lead) is not None:
        raise Later("LinkedIn answered with no lead")
    return lead


def _answers(lead: Event, form: Event) -> Iterator[Answer]:
    questions = {text(each.get("questionId")): each for each in listed(inner(form, "content"), "questions")}
    for answer in listed(inner(lead, "formResponse"), "answers"):
        number = text(answer.get("questionId")) or ""
        question = questions.get(number, {})
        predefined = (text(question.get("predefinedField")) or "").lower()
        name = predefined or _shown(question.get("question")) or text(question.get("name")) or number
        if value := _value(inner(answer, "answerDetails"), question):
            yield Answer(name, value, [number, *filter(None, [text(question.get("name"))])])
    for hidden in listed(form, "hiddenFields"):
        if (key := text(hidden.get("name"))) and (value := text(hidden.get("value"))):
            yield Answer(key, value)
    consents = {text(each.get("id")): each for each in listed(inner(form, "content", "legalInfo"), "consents")}
    for box in listed(inner(lead, "formResponse"), "consentResponses"):
        number = text(box.get("consentId")) or ""
        asked = _shown(consents.get(number, {}).get("consent")) or f"consent {number}"
        yield Answer(asked[:128], "true" if box.get("accepted") is True else "false", [f"consent:{number}"])


def _value(details: Event, question: Event) -> str | None:
    if (written := text(inner(details, "textQuestionAnswer").get("answer"))) is not None:
        return written
    chosen = inner(details, "multipleChoiceAnswer").get("options")
    options = listed(inner(question, "questionDetails", "multipleChoiceQuestionDetails"), "options")
    shown = {text(each.get("id")): _shown(each.get("text")) for each in options}
    told = [text(each) for each in chosen] if isinstance(chosen, list) else []
    return ", ".join(filter(None, (shown.get(each) or each for each in told))) or None


def _shown(told: Any) -> str | None:
    """A text in the first of its languages: `{"localized": {"es_ES": "Nombre"}}`."""
    languages = inner({"told": told}, "told", "localized")
    return next(filter(None, map(text, languages.values())), None)
