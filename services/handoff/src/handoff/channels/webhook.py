"""Webhooks: one signed POST, as Standard Webhooks 1.0 has it."""

import time

from handoff.channels.common import Parcel, Sending, Tools
from handoff.deliveries import Tried
from handoff.sign import signatures


async def send(parcel: Parcel, tools: Tools) -> Tried:
    this, claimed = Sending(parcel), parcel.claimed
    assert claimed.url is not None
    try:
        secrets = [tools.vault.open(sealed) for sealed in claimed.secrets]
    except ValueError as error:
        return this.over("again", None, str(error))
    body, sent_at = claimed.body.encode(), int(time.time())  # the real clock: strangers check it
    headers = {
        "content-type": "application/json",
        "webhook-id": claimed.webhook_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": signatures(secrets, claimed.webhook_id, sent_at, body),
    }
    if claimed.trace is not None:
        headers["traceparent"] = claimed.trace
    answer = await this.post(tools.strangers, claimed.url, headers, body)
    return answer if isinstance(answer, Tried) else this.by_status()
