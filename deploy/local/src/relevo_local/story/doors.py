"""Sends the story's touchpoints through the front doors, each as its sender really does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby

import httpx
from segment.analytics.client import Client as Segment

from relevo_local.story.access import Access
from relevo_local.story.touches import WEB, Touch
from relevo_local.story.words import SITE
from relevo_local.together import together
from relevo_local.trouble import Trouble

_FORMS_AT_ONCE = 16


@dataclass
class Doors:
    """The site's SDK, browsers, and the tools that report over our own API; all of them talk to ingest."""

    ingest: str
    access: Access
    http: httpx.AsyncClient
    sdk: Segment
    undelivered: list[str] = field(default_factory=list)  # what the SDK gave up on
    _forms: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_FORMS_AT_ONCE))

    async def send(self, touches: Sequence[Touch]) -> None:
        """Returns when all are durable: what was seen before first, then the forms of this moment."""
        for touch in touches:
            if touch.way in ("page", "track", "identify"):
                getattr(self.sdk, touch.way)(**touch.told, timestamp=touch.at)
        await asyncio.to_thread(self.sdk.flush)
        if self.undelivered:
            raise Trouble(f"the Segment SDK could not deliver: {self.undelivered[0]}")
        reports = [touch for touch in touches if touch.way == "report"]
        for source, of_source in groupby(sorted(reports, key=lambda touch: touch.source), lambda touch: touch.source):
            await self.report(source, of_source)
        await together(self.submit(touch) for touch in touches if touch.way == "form")

    async def report(self, source: str, touches: Iterable[Touch]) -> None:
        """An array, as the tools send it."""
        items = [{**touch.told, "occurred_at": touch.at.isoformat()} for touch in touches]
        answer = await self.http.post(
            f"{self.ingest}/v1/touchpoints",
            json=items,
            headers={"authorization": f"Bearer {self.access.sources[source]}"},
        )
        if answer.status_code != 207 or answer.json()["refused"]:
            raise Trouble(f"ingest refused what {source} reported: {answer.status_code} {answer.text[:500]}")

    async def submit(self, touch: Touch) -> None:
        """A form as a browser posts it: urlencoded or multipart, the public key in its address."""
        fields: Mapping[str, str] = touch.told["fields"]
        body = {"files": {name: (None, value) for name, value in fields.items()}} if touch.told["multipart"] else {}
        async with self._forms:
            answer = await self.http.post(
                f"{self.ingest}/v1/forms/{touch.source}",
                params={"key": self.access.sources[touch.source]},
                headers={
                    "accept": "text/html,application/xhtml+xml",
                    "accept-language": "es-ES,es",
                    "origin": SITE,
                    "user-agent": touch.told["agent"],
                },
                data=None if body else dict(fields),
                files=body.get("files"),
            )
        if answer.status_code not in (200, 303):
            raise Trouble(f"ingest refused the form {touch.source}: {answer.status_code} {answer.text[:500]}")


@asynccontextmanager
async def doors(ingest: str, access: Access, http: httpx.AsyncClient) -> AsyncIterator[Doors]:
    """The SDK's thread ends with the block."""
    undelivered: list[str] = []
    logging.getLogger("segment").addHandler(logging.NullHandler())  # we say ourselves what went wrong
    sdk = Segment(
        access.sources[WEB],
        host=ingest,
        on_error=lambda error, batch: undelivered.append(str(error)),
        gzip=True,
        upload_interval=0.05,
        max_retries=3,
        proxies={"no_proxy": "127.0.0.1"},  # the environment's are not for this machine
    )
    try:
        yield Doors(ingest, access, http, sdk, undelivered)
    finally:
        await asyncio.to_thread(sdk.join)
