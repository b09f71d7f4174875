"""What sources want from elsewhere: fetched from addresses that strangers named, a few at a time."""

import asyncio

from ingest.draft import Fetched, Get
from relevo.outbound import Limits, NoAnswer, stranger
from relevo.service import Problem

_LIMITS = Limits(connect=2.0, total=5.0, answer=64 * 1024, connections=8)
_MOST_KEPT = 64


class Errands:
    """One client per process, and what it fetched that stays as it is."""

    def __init__(self, *, local: bool) -> None:
        self._client = stranger(local=local, limits=_LIMITS)
        self._kept: dict[str, Fetched] = {}

    async def run(self, gets: tuple[Get, ...]) -> dict[str, Fetched]:
        """What lies at each address. Raises Problem 503 where one gives no answer now: the sender comes again."""
        return dict(zip((get.url for get in gets), await asyncio.gather(*map(self._get, gets)), strict=True))

    async def close(self) -> None:
        await self._client.aclose()

    async def _get(self, get: Get) -> Fetched:
        if get.stays and (known := self._kept.get(get.url)) is not None:
            return known
        try:
            answer = await self._client.send("GET", get.url, headers=get.headers)
        except NoAnswer as error:
            raise later(str(error)) from None
        if answer.status >= 500 or answer.status == 429 or answer.cut:
            raise later(f"it answered {answer.status}")
        fetched = Fetched(answer.status, answer.body)
        if get.stays and answer.status == 200:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[get.url] = fetched
        return fetched


def later(why: str) -> Problem:
    """The sender is asked to come again."""
    return Problem(
        503,
        "Not fetched",
        detail=f"What this request refers to could not be fetched: {why}. Send the same request again.",
        headers={"Retry-After": "30"},
    )
