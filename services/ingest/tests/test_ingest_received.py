"""Shows messages that people wrote, as three tools received them, read as answers; what nobody wrote as a machine's.

The formats follow the pages that the modules name.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from ingest.draft import Draft
from ingest.normalise import recorded
from ingest.sources import KINDS

from .tools import FORM, JSON, KEYED, NOW, request, source

AT = int(NOW.timestamp())
OF = {
    "mailgun": source("mailgun", "k"),
    "postmark": source("postmark", **KEYED),
    "amazon_ses": source("amazon_ses", **KEYED),
}


def the_draft(kind: str, body: Any, headers: Mapping[str, str] = JSON) -> Draft:
    (found,) = KINDS[OF[kind].kind].normalise(request(body, headers), OF[kind], NOW)
    assert isinstance(found, Draft), found
    return found


def machine(draft: Draft) -> bool:
    return recorded(draft, OF["postmark"], b"s", NOW).machine


def by_mailgun(headers: dict[str, str]) -> Draft:
    told = {"recipient": "ventas@nosotros.example", "sender": "bounces@empresa.es", "from": "Ana <ana@empresa.es>",
            "subject": "Re: Oferta", "body-plain": "Sí.\n> La oferta", "stripped-text": "Sí.", **headers,
            "timestamp": str(AT), "token": "t", "signature": "s"}  # fmt: skip
    return the_draft("mailgun", urlencode(told).encode(), FORM)


def by_postmark(headers: dict[str, str]) -> Draft:
    told = {"From": "ana@empresa.es", "FromFull": {"Email": "ana@empresa.es", "Name": "Ana", "MailboxHash": ""},
            "Subject": "Re: Oferta", "MessageID": "t", "Date": "Mon, 23 Nov 2026 13:00:00 +0100", "TextBody": "Sí.\n>",
            "StrippedTextReply": "Sí.", "Headers": [{"Name": n, "Value": v} for n, v in headers.items()]}  # fmt: skip
    return the_draft("postmark", told)


def by_amazon_ses(headers: dict[str, str]) -> Draft:
    told = {"notificationType": "Received", "receipt": {"spamVerdict": {"status": "PASS"}}, "content": "…",
            "mail": {"timestamp": "2026-11-23T12:00:00.000Z", "source": "bounces@empresa.es", "messageId": "t",
                     "destination": ["ventas@nosotros.example"],
                     "commonHeaders": {"from": ["Ana <ana@empresa.es>"], "subject": "Re: Oferta"},
                     "headers": [{"name": n, "value": v} for n, v in headers.items()]}}  # fmt: skip
    return the_draft("amazon_ses", told)


WROTE = pytest.mark.parametrize("wrote", [by_mailgun, by_postmark, by_amazon_ses])


@WROTE
def test_an_answer_is_one_to_the_message_it_names(wrote: Callable[[dict[str, str]], Draft]) -> None:
    for named in ({"In-Reply-To": "<m-1@nosotros.example>"}, {"References": "<m-0@x.example> <m-1@nosotros.example>"}):
        found = wrote(named)
        assert (found.touch, found.email, found.event_id) == ("email_replied", "ana@empresa.es", "t")
        assert found.occurred_at == NOW
        assert found.what["message_id"] == "m-1@nosotros.example"
        assert found.what["subject_line"] == "Re: Oferta"
        assert found.what.get("text") == (None if wrote is by_amazon_ses else "Sí.")
        assert not machine(found)


@WROTE
def test_a_message_of_one_s_own_accord_is_no_answer(wrote: Callable[[dict[str, str]], Draft]) -> None:
    found = wrote({"Message-Id": "<new@empresa.es>", "event": "clicked"})
    assert (found.touch, found.email, "message_id" in found.what) == ("other", "ana@empresa.es", False)


@WROTE
@pytest.mark.parametrize("automatic", [{"Auto-Submitted": "auto-replied"}, {"Precedence": "bulk"}])
def test_nobody_wrote_what_answers_by_itself(
    wrote: Callable[[dict[str, str]], Draft], automatic: dict[str, str]
) -> None:
    assert machine(wrote({"In-Reply-To": "<m-1@nosotros.example>", **automatic}))
    assert not machine(wrote({"In-Reply-To": "<m-1@nosotros.example>", "Auto-Submitted": "no"}))


@pytest.mark.parametrize(
    ("wrote", "marked"), [(by_mailgun, {"X-Mailgun-Sflag": "Yes"}), (by_postmark, {"X-Spam-Status": "Yes, score=9"})]
)
def test_spam_is_nobody_s_answer(wrote: Callable[[dict[str, str]], Draft], marked: dict[str, str]) -> None:
    assert machine(wrote({"In-Reply-To": "<m-1@nosotros.example>", **marked}))


def test_a_message_s_date_may_be_anything() -> None:
    for told in ("", "x", "Mon, 99 Nov 2026 13:00:00 +0100", "Mon, 23 Nov 2026 13:00:00 +9999"):
        event = {"FromFull": {"Email": "ana@empresa.es"}, "Date": told}
        assert the_draft("postmark", event).email == "ana@empresa.es"
