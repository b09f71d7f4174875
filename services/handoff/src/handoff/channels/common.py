"""What channels share: a parcel, the tools to send it with, and a log of what went over the wire."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from handoff.deliveries import IN_FLIGHT, Claimed, Exchange, Tried
from handoff.schedule import Outcome, outcome, retry_after
from handoff.settings import Settings
from handoff.tell import Told, tell
from handoff.vault import Vault, vault
from handoff.words import Language, language_of
from relevo.outbound import Answer, Client, Limits, NoAnswer, own, stranger

KEPT_BYTES = 4096  # of an answer's body
SENT = ("content-type", "webhook-id", "webhook-timestamp", "traceparent")  # no signature, no token
ANSWERED = ("content-type", "content-length", "date", "location", "retry-after", "server", "x-request-id",
            "x-slack-req-id", "x-hubspot-correlation-id")  # fmt: skip


@dataclass(frozen=True)
class Parcel:
    """A delivery that is ours to send, the address of its rep, and one-click links (act → URL)."""

    claimed: Claimed
    email: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def language(self) -> Language:
        return language_of(self.claimed.options.get("language"))

    def told(self) -> Told:
        return tell(orjson.loads(self.claimed.body), self.language)


@dataclass(frozen=True)
class Tools:
    """Clients that live as long as the deliverer: `strangers` calls what people typed in, `services` ours."""

    settings: Settings
    vault: Vault
    strangers: Client
    services: Client

    @classmethod
    def of(cls, settings: Settings) -> "Tools":
        limits = partial(Limits, settings.webhook_connect_seconds, settings.webhook_total_seconds)
        return cls(
            settings,
            vault(settings),
            stranger(local=settings.local, limits=limits(connections=IN_FLIGHT)),
            own(settings.slack_url, settings.hubspot_url, limits=limits(connections=IN_FLIGHT)),
        )

    @property
    def answers_at(self) -> str:
        return self.settings.answers_at

    async def close(self) -> None:
        await self.strangers.aclose()
        await self.services.aclose()


class Sending:
    """One try: its clock, and what of it goes into the log."""

    def __init__(self, parcel: Parcel) -> None:
        self.claimed = parcel.claimed
        self._at, self._began = datetime.now(UTC), time.monotonic()  # the real clock: it is what strangers see
        self._sent: Mapping[str, str] = {}
        self._answer: Answer | None = None

    async def post(self, client: Client, url: str, headers: Mapping[str, str], body: bytes) -> Answer | Tried:
        """The answer, or what a try comes to that got none."""
        return await self.ask(client, "POST", url, headers, body)

    async def ask(
        self, client: Client, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer | Tried:
        self._sent = {name: headers[name] for name in SENT if name in headers}
        try:
            self._answer = await client.send(method, url, headers=headers, content=body)
        except NoAnswer as error:
            self._answer = None
            return self.over("again", None, str(error))
        return self._answer

    def by_status(self) -> Tried:
        """2xx is made, 410 gone, all else another try."""
        assert self._answer is not None
        became = outcome(self._answer.status)
        error = None if became == "made" else f"it answered {self._answer.status}"
        return self.over(became, self._answer.status, error)

    def over(
        self, became: Outcome, status: int | None, error: str | None, remote: Mapping[str, str] | None = None
    ) -> Tried:
        answer = self._answer
        wish = None if answer is None else retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
        return Tried(self.claimed, became, status, error, self._exchange(), wish, remote)

    def _exchange(self) -> Exchange:
        took_ms = int((time.monotonic() - self._began) * 1000)
        if self._answer is None:
            return Exchange(self._at, took_ms, self._sent, {}, None)
        headers, body = self._answer.headers, self._answer.body[:KEPT_BYTES]
        answered = {name: headers[name][:500].replace("\0", "") for name in ANSWERED if name in headers}
        text = body.decode(errors="replace").replace("\0", "\ufffd") if body else None
        return Exchange(self._at, took_ms, self._sent, answered, text)


def read_json(answer: Answer) -> Mapping[str, Any]:
    """An answer's JSON object; an empty one where it is none."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
