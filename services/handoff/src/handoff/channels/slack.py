"""Slack: a Block Kit message with buttons, by chat.postMessage (a bot token and a channel) or an incoming webhook.

Slack answers chat.postMessage with 200 and `ok`; what is wrong is in `error`. Whoever lost access is gone; what is said
of the message itself would be said again.
"""

from typing import Any

import orjson

from handoff.channels.common import Parcel, Sending, Tools, read_json
from handoff.deliveries import Tried
from handoff.schedule import Outcome
from handoff.tell import Told
from handoff.words import REASONS, Language, say
from relevo.outbound import Answer

HOOKS = "https://hooks.slack.com/"
ACCEPT, REJECT, CONTACTED = "relevo_accept", "relevo_reject", "relevo_contacted"
GONE = {"account_inactive", "token_revoked", "token_expired", "invalid_auth", "channel_not_found", "is_archived",
        "not_in_channel", "no_service", "channel_is_archived", "no_team"}  # fmt: skip
REFUSED = {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text", "invalid_payload"}
MOST_TEXT = 2900  # characters; a section takes 3,000, a header 150


async def send(parcel: Parcel, tools: Tools) -> Tried:
    this = Sending(parcel)
    try:
        secret = tools.vault.open(parcel.claimed.secrets[0])
    except ValueError as error:
        return this.over("again", None, str(error))
    message = message_of(parcel.told(), parcel.language)
    headers = {"content-type": "application/json; charset=utf-8"}
    channel = parcel.claimed.options.get("channel")
    if channel is None:
        answer = await this.post(tools.strangers, secret, headers, orjson.dumps(message))
    else:
        headers["authorization"] = f"Bearer {secret}"
        url = f"{tools.settings.slack_url}/chat.postMessage"
        answer = await this.post(tools.services, url, headers, orjson.dumps({"channel": channel, **message}))
    return answer if isinstance(answer, Tried) else _judged(this, answer, by_bot=channel is not None)


def _judged(this: Sending, answer: Answer, *, by_bot: bool) -> Tried:
    if by_bot and answer.status == 200:
        said = read_json(answer)
        if said.get("ok") is True:
            return this.over("made", 200, None, {"ts": str(said.get("ts")), "channel": str(said.get("channel"))})
        error = str(said.get("error", "no reason given"))
    else:
        if 200 <= answer.status < 300 or answer.status == 429 or answer.status >= 500:
            return this.by_status()
        error = answer.body[:100].decode(errors="replace").strip()
    known = error if error in GONE | REFUSED else "an error we do not know"
    outcome: Outcome = "gone" if error in GONE else "refused" if error in REFUSED else "again"
    return this.over(outcome, answer.status, f"Slack answered {known}")


def message_of(told: Told, language: Language) -> dict[str, Any]:
    """`text` is what a notification shows; the blocks are the message."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": told.title[:150]}}]
    if told.lead:
        blocks.append(_section("\n".join(map(_escaped, told.lead))))
    if told.facts:
        fields = [{"type": "mrkdwn", "text": f"*{_escaped(label)}*\n{_escaped(value)[:1900]}"}
                  for label, value in told.facts]  # fmt: skip
        blocks.append({"type": "section", "fields": fields})
    for heading, lines in told.chapters:
        blocks.append(_section(f"*{_escaped(heading)}*\n" + "\n".join(f"• {_escaped(line)}" for line in lines)))
    if told.opening:
        blocks.append(_section(f"*{_escaped(say(language, 'say'))}*\n>{_escaped(told.opening)}"))
    if told.assignment is not None:
        blocks.append(_answers(*told.assignment, language))
    return {"text": _escaped(told.title)[:MOST_TEXT], "blocks": blocks}


def _answers(assignment_id: str, version: int, language: Language) -> dict[str, Any]:
    """Two buttons and a list of reasons. The block's id says what is answered."""
    return {
        "type": "actions",
        "block_id": f"relevo.{assignment_id}.{version}",
        "elements": [
            {"type": "button", "action_id": ACCEPT, "style": "primary", "value": "accept",
             "text": {"type": "plain_text", "text": say(language, "accept")}},
            {"type": "button", "action_id": CONTACTED, "value": "contacted",
             "text": {"type": "plain_text", "text": say(language, "contacted")}},
            {"type": "static_select", "action_id": REJECT,
             "placeholder": {"type": "plain_text", "text": say(language, "reject.because")},
             "options": [{"text": {"type": "plain_text", "text": text}, "value": reason}
                         for reason, text in REASONS[language].items()]},
        ],
    }  # fmt: skip


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MOST_TEXT]}}


def _escaped(text: str) -> str:
    """What people wrote must not become a mention or a link: Slack asks for these three."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
