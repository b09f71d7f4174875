"""The deliverer: claim → commit → send by the endpoint's channel → record. At least once; no transaction spans a
request."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from prometheus_client import Counter

from handoff import deliveries, message, queries
from handoff.channels import CHANNELS, Parcel, Tools
from handoff.deliveries import LEASE_SECONDS, Recorded, Tried
from handoff.links import mint
from handoff.schedule import next_try
from handoff.settings import Settings
from relevo.events import DeliveryFailed, DeliveryMade, Event
from relevo.service import Next, Service, again_and_again, woken_by_commits
from relevo.stream import Transaction
from relevo.stream.transaction import is_infrastructure

log = logging.getLogger(__name__)

TRIES = Counter("relevo_handoff_tries", "Webhooks sent, by what is to follow: made, again, gone", ["outcome"])

AT_ONCE = 100  # requests of this process; of one endpoint at most deliveries.IN_FLIGHT
GONE = "it said that it wants no more"
FAILED = "it failed for five days"


async def deliver(service: Service) -> None:
    """Loop: send what is due. On shutdown, what is under way is finished and recorded."""
    settings = service.settings
    assert isinstance(settings, Settings)
    deliverer = Deliverer(service, Tools.of(settings))
    try:
        await again_and_again(service, deliverer.turn, at_most=1.0, wake=deliverer.wake)
    finally:
        await deliverer.finish()


class Deliverer:
    """The tries of this process that are under way, and those whose outcome is still to be recorded. Each turn records
    what has gathered and claims what is due in its place, in one transaction."""

    def __init__(self, service: Service, tools: Tools) -> None:
        self.wake = woken_by_commits(service)
        self._service, self._tools = service, tools
        self._under_way: set[asyncio.Task[None]] = set()
        self._tried: list[Tried] = []
        self._failure: BaseException | None = None

    async def turn(self) -> Next:
        """As long as there is room and more than one claim's worth to send."""
        while True:
            if self._failure is not None:
                raise self._failure
            room = AT_ONCE - len(self._under_way)
            async with self._recording() as (tx, recorded):
                parcels = await pack(tx, self._tools, room) if room else []
                if parcels and not recorded and not any(each.links for each in parcels):
                    await deliveries.commit_at_once(tx)
                # After a claim its outcome wakes us: only the idle look ahead.
                upcoming = Next(None if parcels else await deliveries.next_due(tx), tx.now)
            for each in parcels:
                task = asyncio.create_task(self._send(each), name="notice")
                self._under_way.add(task)
                task.add_done_callback(self._ended)
            if len(parcels) < room or not room:
                return upcoming

    @asynccontextmanager
    async def _recording(self) -> AsyncIterator[tuple[Transaction, int]]:
        """A transaction that has recorded what was tried by now, and how many; if it fails, the next one does."""
        tried, self._tried = self._tried, []
        try:
            async with self._service.transaction() as tx:
                if tried:  # each once, though its lease may have ended meanwhile, and it been sent again
                    once = {each.claimed.delivery_id: each for each in tried}
                    tx.emit(*await record(tx, list(once.values())))
                yield tx, len(tried)
        except BaseException:
            self._tried = tried + self._tried
            raise

    async def finish(self) -> None:
        """Wait for what is under way, each of which ends by its own deadline, and record it."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        until = time.monotonic() + LEASE_SECONDS
        while self._tried:
            try:
                async with self._recording():
                    pass
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                if time.monotonic() > until:  # the leases are over: they are sent again, which is what we promise
                    log.error("outcomes of notices not recorded", extra={"notices": len(self._tried)})
                    break
                await asyncio.sleep(0.5)
        await self._tools.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self.wake.set()

    async def _send(self, parcel: Parcel) -> None:
        this = await CHANNELS[parcel.claimed.kind](parcel, self._tools)
        TRIES.labels(this.outcome).inc()
        self._tried.append(this)


async def pack(tx: Transaction, tools: Tools, most: int) -> list[Parcel]:
    """Claim up to `most` deliveries, with what their channels need besides: an address, one-click links."""
    claimed = await deliveries.claim(tx, most)
    linked = [each for each in claimed if each.kind in ("email", "hubspot")]
    links = await mint(tx, tools.vault, tools.answers_at, linked) if linked else {}
    parcels = []
    for each in claimed:
        rep = tx.playbook.routing.rep(each.rep) if each.rep and each.kind != "webhook" else None
        email = each.options.get("to") or (rep.email if rep is not None else None)
        parcels.append(Parcel(each, email, links.get(each.delivery_id, {})))
    return parcels


async def record(tx: Transaction, tried: Sequence[Tried]) -> list[Event]:
    """Keep what became of these tries. Whatever another sender was quicker with is left as it is."""
    await queries.lock_leads(tx, (each.claimed.lead_id for each in tried if each.claimed.lead_id is not None))
    recorded = [_judge(tx, each) for each in tried]
    kept = await deliveries.record(tx, recorded)
    failing = await deliveries.judge_endpoints(tx, tried)
    gone = [each.claimed.endpoint_id for each in tried if each.outcome == "gone"]
    for endpoints, because in ((gone, GONE), (failing, FAILED)):
        if endpoints:
            await _disable(tx, endpoints, because)
    events = (_event(tx, each) for each in recorded if each.tried.claimed.delivery_id in kept)
    return [event for event in events if event is not None]


async def _disable(tx: Transaction, endpoints: Sequence[UUID], because: str) -> None:
    """It is told, to whoever wants to know: what it should get is held from now on."""
    told = []
    for row in await deliveries.disable(tx, endpoints, because):
        log.error("endpoint disabled", extra={"endpoint": str(row.endpoint_id), "because": because})
        rep, team = (row.target_id if row.target == target else None for target in ("rep", "team"))
        told.append(message.disabled(row.endpoint_id, row.name, because, tx.now, rep, team))
    await deliveries.write(tx, told)


def _judge(tx: Transaction, tried: Tried) -> Recorded:
    match tried.outcome:
        case "made":
            return Recorded(tried, "made", None)
        case "gone" | "refused":
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
