"""The deliverer: claim → commit → signed POST → record. At least once; no transaction spans a request."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from handoff import deliveries, queries
from handoff.deliveries import IN_FLIGHT, LEASE_SECONDS, Claimed, Recorded, Tried
from handoff.schedule import next_try, outcome, retry_after
from handoff.settings import Settings
from handoff.sign import signatures
from relevo.events import DeliveryFailed, DeliveryMade, Event
from relevo.outbound import Client, Limits, NoAnswer, stranger
from relevo.service import Next, Service, again_and_again
from relevo.stream import Transaction
from relevo.stream.transaction import is_infrastructure

log = logging.getLogger(__name__)

AT_ONCE = 100  # requests of this process; of one endpoint at most deliveries.IN_FLIGHT
GONE = "it answered 410: it wants no more webhooks"


async def deliver(service: Service) -> None:
    """Loop: send what is due. On shutdown, what is under way is finished and recorded."""
    settings = service.settings
    assert isinstance(settings, Settings)
    limits = Limits(settings.webhook_connect_seconds, settings.webhook_total_seconds, connections=IN_FLIGHT)
    deliverer = Deliverer(service, stranger(local=settings.local, limits=limits))
    try:
        await again_and_again(service, deliverer.start_due, at_most=1.0)
    finally:
        await deliverer.finish()


class Deliverer:
    """The tries of this process that are under way, and those whose outcome is still to be recorded."""

    def __init__(self, service: Service, client: Client) -> None:
        self._service, self._client = service, client
        self._under_way: set[asyncio.Task[None]] = set()
        self._tried: list[Tried] = []
        self._recording = asyncio.Lock()
        self._failure: BaseException | None = None

    async def start_due(self) -> Next:
        """Claim what is due and start sending it, as long as there is room and more than one claim's worth."""
        while True:
            if self._failure is not None:
                raise self._failure
            async with self._service.transaction() as tx:
                room = AT_ONCE - len(self._under_way)
                claimed = await deliveries.claim(tx, room) if room else []
                # After a claim the next commit wakes us, that of its outcome at the latest: only the idle look ahead.
                upcoming = Next(None if claimed else await deliveries.next_due(tx), tx.now)
            for each in claimed:
                task = asyncio.create_task(self._send(each), name="webhook")
                self._under_way.add(task)
                task.add_done_callback(self._ended)
            if len(claimed) < room or not room:
                return upcoming

    async def finish(self) -> None:
        """Wait for what is under way; each ends by its own deadline."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._client.aclose()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()

    async def _send(self, claimed: Claimed) -> None:
        this = await attempt(self._client, claimed)
        self._tried.append(this)
        async with self._recording:  # while one batch commits, the next one gathers
            tried, self._tried = self._tried, []
            if tried:
                await self._record(tried)

    async def _record(self, tried: Sequence[Tried]) -> None:
        until = time.monotonic() + LEASE_SECONDS
        while True:
            try:
                async with self._service.transaction() as tx:
                    tx.emit(*await record(tx, tried))
                return
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                if time.monotonic() > until:  # the leases are over: they are sent again, which is what we promise
                    log.error("outcomes of webhooks not recorded", extra={"webhooks": len(tried)})
                    return
            await asyncio.sleep(0.5)


async def attempt(client: Client, claimed: Claimed) -> Tried:
    """One signed POST, and what came of it."""
    body, sent_at = claimed.body.encode(), int(time.time())  # the real clock: strangers check it
    headers = {
        "content-type": "application/json",
        "webhook-id": claimed.webhook_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": signatures(claimed.secrets, claimed.webhook_id, sent_at, body),
    }
    if claimed.trace is not None:
        headers["traceparent"] = claimed.trace
    try:
        answer = await client.send("POST", claimed.url, headers=headers, content=body)
    except NoAnswer as error:
        return Tried(claimed, None, str(error))
    wish = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    made = outcome(answer.status) == "made"
    return Tried(claimed, answer.status, None if made else f"it answered {answer.status}", wish)


async def record(tx: Transaction, tried: Sequence[Tried]) -> list[Event]:
    """Keep what became of these tries. Whatever another sender was quicker with is left as it is."""
    await queries.lock_leads(tx, (each.claimed.lead_id for each in tried if each.claimed.lead_id is not None))
    recorded = [_judge(tx, each) for each in tried]
    kept = await deliveries.record(tx, recorded)
    gone = [each.claimed.endpoint_id for each in tried if outcome(each.status) == "gone"]
    if gone:
        await deliveries.disable(tx, gone, GONE)
    events = (_event(tx, each) for each in recorded if each.tried.claimed.delivery_id in kept)
    return [event for event in events if event is not None]


def _judge(tx: Transaction, tried: Tried) -> Recorded:
    match outcome(tried.status):
        case "made":
            return Recorded(tried, "made", None)
        case "gone":
            return Recorded(tried, "failed", None)
        case "again":
            due_at = next_try(tried.claimed.tries, tx.now, random.random(), tried.wish)  # noqa: S311  no secret
            return Recorded(tried, "failed" if due_at is None else "pending", due_at)


def _event(tx: Transaction, recorded: Recorded) -> Event | None:
    """None for a test of the endpoint, which is about no lead, and for a try that is followed by another."""
    claimed = recorded.tried.claimed
    if claimed.lead_id is None or claimed.cycle is None or recorded.state == "pending":
        return None
    said = {
        "trace": claimed.trace, "at": tx.now, "by": "system", "lead_id": claimed.lead_id, "cycle": claimed.cycle,
        "delivery_id": claimed.delivery_id, "webhook_id": claimed.webhook_id, "endpoint": str(claimed.endpoint_id),
        "tries": claimed.tries, "first_try_at": claimed.first_try_at, "assignment_id": claimed.assignment_id,
        "status": recorded.tried.status,
    }  # fmt: skip
    if recorded.state == "made":
        return DeliveryMade.model_validate(said)
    return DeliveryFailed.model_validate({**said, "reason": recorded.tried.error or "given up"})
