"""E-mail: text and HTML with one-click links, over the SMTP server of the settings."""

import asyncio
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from html import escape
from urllib.parse import unquote, urlsplit

import aiosmtplib

from handoff.channels.common import Parcel, Sending, Tools
from handoff.deliveries import Tried
from handoff.settings import Settings
from handoff.tell import Told
from handoff.words import Language, say


async def send(parcel: Parcel, tools: Tools) -> Tried:
    this, settings = Sending(parcel), tools.settings
    if settings.smtp is None or settings.mail_from is None:
        return this.over("again", None, "set RELEVO_SMTP and RELEVO_MAIL_FROM")
    if parcel.email is None:
        return this.over("refused", None, "nobody to write to: the rep is in the playbook no more")
    message = message_of(parcel, parcel.told(), settings.mail_from)
    try:
        async with asyncio.timeout(settings.webhook_total_seconds):
            await _hand_over(message, settings)
    except aiosmtplib.SMTPRecipientsRefused as error:
        code = max(each.code for each in error.recipients)
        return this.over("refused" if code >= 500 else "again", code, f"the mail server refused the recipient: {code}")
    except aiosmtplib.SMTPResponseException as error:
        # 5xx of a login or of the sender is ours to mend: what waits is not lost meanwhile.
        refused = isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500
        return this.over("refused" if refused else "again", error.code, f"the mail server answered {error.code}")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return this.over("again", None, f"no answer from the mail server ({type(error).__name__})")
    return this.over("made", 250, None)


async def _hand_over(message: EmailMessage, settings: Settings) -> None:
    assert settings.smtp is not None
    server = urlsplit(settings.smtp.get_secret_value())
    tls = server.scheme == "smtps"
    await aiosmtplib.send(
        message,
        hostname=server.hostname,
        port=server.port or (465 if tls else 587),
        username=unquote(server.username) if server.username else None,
        password=unquote(server.password) if server.password else None,
        use_tls=tls,
        start_tls=not (tls or settings.local),
        timeout=settings.webhook_total_seconds,
    )


def message_of(parcel: Parcel, told: Told, sender: str) -> EmailMessage:
    """The message-id is made from the webhook-id, so that a mail that comes twice can be told to be one."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = parcel.email
    message["Subject"] = " ".join(told.title.split())  # no line breaks in a header
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{parcel.claimed.webhook_id}@{make_msgid().rpartition('@')[2]}"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_text(told, parcel)))
    message.add_alternative("".join(_html(told, parcel)), subtype="html")
    return message


def _text(told: Told, parcel: Parcel) -> Iterator[str]:
    yield from (told.title, "", *told.lead, "")
    yield from (f"{label}: {value}" for label, value in told.facts)
    for heading, lines in told.chapters:
        yield from ("", f"{heading}:", *(f"- {line}" for line in lines))
    if told.opening:
        yield from ("", f"{say(parcel.language, 'say')}:", told.opening)
    for act, url in parcel.links.items():
        yield from ("", f"{say(parcel.language, act)}: {url}")


def _html(told: Told, parcel: Parcel) -> Iterator[str]:
    language: Language = parcel.language
    yield f'<!doctype html><html lang="{language}"><body style="font: 16px/1.5 sans-serif; max-width: 40em">'
    yield f"<h1 style='font-size: 1.25em'>{escape(told.title)}</h1>"
    yield from (f"<p>{escape(line)}</p>" for line in told.lead)
    if told.facts:
        rows = (
            f"<tr><th align='left'>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in told.facts
        )
        yield f"<table cellpadding='4'>{''.join(rows)}</table>"
    for heading, lines in told.chapters:
        yield f"<h2 style='font-size: 1em'>{escape(heading)}</h2><ul>"
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield "</ul>"
    if told.opening:
        yield f"<h2 style='font-size: 1em'>{escape(say(language, 'say'))}</h2>"
        yield f"<blockquote>{escape(told.opening)}</blockquote>"
    if parcel.links:
        links = (f'<a href="{escape(url)}">{escape(say(language, act))}</a>' for act, url in parcel.links.items())
        yield f"<p>{' &nbsp; '.join(links)}</p>"
    yield "</body></html>"
