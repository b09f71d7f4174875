"""Shows what becomes of endpoints: sealed secrets, rotation, the breaker, five days of failures, ordered replay, the
log of every try; and that no misbehaviour of a target, however often, does more than cost a try."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from handoff import endpoints, sent
from handoff.channels import Tools, webhook
from handoff.deliver import FAILED, pack
from handoff.handlers import assign_leads
from handoff.main import service
from handoff.sent import forget_some
from handoff.sign import new_secret
from handoff.vault import Vault, vault
from relevo.events import LeadQualified

Mql = Callable[..., LeadQualified]
Start = Callable[..., Awaitable[Any]]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_a_secret_is_sealed_at_rest_and_the_key_rotates(
    kept: Any, mql: Mql, target: Start, tmp_path: Path
) -> None:
    receiver = await target(204)
    await kept.endpoint(receiver.url)
    (row,) = await kept.sql("select secrets from endpoint")
    assert "whsec" not in row["secrets"][0]
    newest, keys = Fernet.generate_key().decode(), tmp_path / "keys"
    keys.write_text(f"# newest first\n{newest}\n")
    with_file = vault(kept.settings(keys=keys))
    assert with_file.open(row["secrets"][0]).startswith("whsec_"), "what the installation secret sealed can be read"
    assert await kept.run(lambda tx: endpoints.seal_again(tx, with_file)) == 1
    (row,) = await kept.sql("select secrets from endpoint")
    assert Vault([newest.encode()]).open(row["secrets"][0]).startswith("whsec_")
    with pytest.raises(ValueError, match="a key that is gone"):
        kept.vault.open(row["secrets"][0])
    await kept.handle(assign_leads, mql())
    assert await kept.try_once() == [], "without its key a row waits: nothing is sent unsigned"
    assert receiver.requests == []
    await kept.travel(HOUR)
    assert len(await kept.try_once(keys=keys)) == 1


def test_without_any_key_nothing_starts(kept: Any) -> None:
    with pytest.raises(SystemExit, match="RELEVO_SECRET or RELEVO_KEYS"):
        vault(kept.settings(secret=None))


async def test_while_a_secret_is_replaced_both_sign(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(204)
    endpoint, old, new = await kept.endpoint(receiver.url), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", new_secret()

    async def rotate(tx: Any) -> None:
        await endpoints.rotate(tx, endpoint, kept.vault.seal(new), tx.now + DAY)

    await kept.run(rotate)
    for verifies, refuses in (((old, new), ()), ((new,), (old,))):
        await kept.handle(assign_leads, mql())
        await kept.try_once()
        headers, body = receiver.requests[-1]
        for secret in verifies:
            Webhook(secret).verify(body, headers)
        for secret in refuses:
            with pytest.raises(Exception, match="No matching signature"):
                Webhook(secret).verify(body, headers)
        assert len(headers["webhook-signature"].split()) == len(verifies)
        await kept.travel(DAY)


async def test_one_that_fails_five_times_is_spared_and_tried_alone(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(*[500] * 6, 204)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, *(mql() for _ in range(8)))
    await kept.sql("update delivery set due_at = due_at + interval '1 minute' where seq > 5")
    await kept.try_once()
    assert len(receiver.requests) == 5
    await kept.travel(timedelta(seconds=4))
    await kept.sql("update delivery set due_at = relevo_now()")
    await kept.try_once()
    assert len(receiver.requests) == 5, "for five seconds it is left alone"
    await kept.travel(timedelta(seconds=2))
    await kept.try_once()
    assert len(receiver.requests) == 6, "then one try"
    (row,) = await kept.sql("select extract(epoch from spared_until - relevo_now())::int as pause from endpoint")
    assert row["pause"] == 10
    await kept.travel(timedelta(seconds=11))
    await kept.sql("update delivery set due_at = relevo_now() where state = 'pending'")
    assert len(await kept.try_once()) == 1
    assert len(await kept.try_once()) == 7, "all the rest, once one has succeeded"


async def test_five_days_of_failures_disable_it_and_tell(kept: Any, mql: Mql, target: Start) -> None:
    failing, operators = await target(500), await target(204)
    endpoint = await kept.endpoint(failing.url)
    await kept.endpoint(operators.url, types=["endpoint.disabled"])
    for days in range(6):
        (row,) = await kept.sql("select disabled_at from endpoint where endpoint_id = $1", endpoint)
        assert row["disabled_at"] is None, f"after {days} days"
        await kept.handle(assign_leads, mql())
        await kept.try_once()
        await kept.travel(DAY + timedelta(minutes=6))
    await kept.try_once()
    (row,) = await kept.sql("select disabled_because from endpoint where endpoint_id = $1", endpoint)
    assert row["disabled_because"] == FAILED
    await kept.try_once()
    ((headers, body),) = operators.requests
    told = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(body, headers)
    assert (told["type"], told["data"]["endpoint"]) == ("endpoint.disabled", str(endpoint))
    held = len(await kept.sql("select from delivery where state = 'pending' and endpoint_id = $1", endpoint))
    count = len(failing.requests)
    await kept.travel(DAY)
    await kept.try_once()
    assert (len(failing.requests), held > 0) == (count, True), "it gets nothing more, and loses nothing"


async def test_what_was_held_goes_in_order_one_at_a_time_before_what_is_new(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(204)
    endpoint = await kept.endpoint(receiver.url)
    await kept.sql("update endpoint set disabled_at = now()")
    held = [event.assignment_id for event in await kept.handle(assign_leads, *(mql() for _ in range(12)))]
    assert await kept.try_once() == []
    assert await kept.run(lambda tx: endpoints.enable(tx, endpoint))
    new = [event.assignment_id for event in await kept.handle(assign_leads, *(mql() for _ in range(3)))]
    for _ in range(12):
        assert len(await kept.try_once()) == 1
    assert len(await kept.try_once()) == 3
    got = [orjson.loads(body)["data"]["assignment_id"] for _, body in receiver.requests]
    assert got[:12] == [str(each) for each in held]
    assert sorted(got[12:]) == sorted(str(each) for each in new)


async def test_the_log_tells_what_was_sent_and_answered_at_every_try(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target((503, {"retry-after": "9", "set-cookie": "secret=1", "x-request-id": "r1"}), 204)
    await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, mql())
    await kept.try_once()
    await kept.travel(HOUR)
    await kept.try_once()
    (row,) = await kept.sql("select delivery_id from delivery")
    found = await kept.run(lambda tx: sent.one(tx, row["delivery_id"], None))
    first, second = found["log"]
    assert (first["status"], first["error"], second["status"], second["error"]) == (503, "it answered 503", 204, None)
    assert first["answered"] == {"content-length": "0", "retry-after": "9", "x-request-id": "r1"}
    assert set(first["sent"]) == {"content-type", "webhook-id", "webhook-timestamp"}, "no signature"
    assert found["body"]["type"] == "lead.assigned"
    assert await kept.run(lambda tx: sent.one(tx, row["delivery_id"], "dora")) is None, "not of dora's lead"
    await kept.travel(31 * DAY)
    async with service.opened(kept.settings()) as opened:
        assert await forget_some(opened) is False
    assert await kept.sql("select from delivery union all select from attempt") == []


async def test_a_range_is_sent_again_in_order(kept: Any, mql: Mql, target: Start) -> None:
    receiver = await target(204)
    endpoint = await kept.endpoint(receiver.url)
    await kept.handle(assign_leads, *(mql() for _ in range(4)))
    await kept.try_once()
    await kept.sql("update delivery set state = 'failed' where seq < 3")
    (row,) = await kept.sql("select min(created_at) as at from delivery")
    again = await kept.run(lambda tx: sent.redeliver_range(tx, endpoint, row["at"], row["at"] + HOUR, "failed"))
    nothing = await kept.run(lambda tx: sent.redeliver_range(tx, endpoint, row["at"] - HOUR, row["at"], "all"))
    assert (again, nothing) == (2, 0)
    assert [len(await kept.try_once()) for _ in range(3)] == [1, 1, 0]
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    (first, second), repeated = ids[:2], ids[4:]
    rows = await kept.sql("select webhook_id from delivery where seq < 3 order by seq")
    assert repeated == [row["webhook_id"] for row in rows]
    assert {first, second} <= set(ids)


MISBEHAVIOURS = [500, "hang", "trickle", (302, {"location": "http://127.0.0.1:1/"}), 410,
                 (429, {"retry-after": "60"}), "endless", "reset"]  # fmt: skip


@pytest.mark.parametrize("behaviour", MISBEHAVIOURS, ids=str)
async def test_twenty_times_the_same_misbehaviour(kept: Any, mql: Mql, target: Start, behaviour: Any) -> None:
    """Each ends within its own time, is logged, and none is lost: made, given up at 410, or due again."""
    receiver = await target(behaviour)
    for number in range(20):
        await kept.endpoint(f"{receiver.url}/{number}")
    await kept.handle(assign_leads, mql())
    tools = Tools.of(kept.settings(webhook_total_seconds=0.4 if behaviour in ("hang", "trickle") else 25))
    parcels = await kept.run(lambda tx: pack(tx, tools, 100))
    async with asyncio.timeout(120):  # each ends by itself; what hangs would hang for ever
        tried = await asyncio.gather(*(webhook.send(each, tools) for each in parcels))
    await tools.close()
    assert len(tried) == 20
    expected = {"endless": "made", 410: "gone"}.get(behaviour if isinstance(behaviour, str | int) else "", "again")
    assert {each.outcome for each in tried} == {expected}
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) <= 1


async def test_a_lost_answer_twenty_times_is_one_webhook_id(kept: Any, mql: Mql, target: Start) -> None:
    """The target takes it, and dies before it answers: a second try, and the id by which it knows it again."""
    receiver = await target(*["reset"] * 20, 204)
    for number in range(20):
        await kept.endpoint(f"{receiver.url}/{number}")
    await kept.handle(assign_leads, mql())
    assert await kept.try_once() == []
    await kept.travel(HOUR)
    assert len(await kept.try_once()) == 20
    assert len(receiver.requests) == 40
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


async def test_sixty_addresses_that_are_nobodys_business_get_no_connection(kept: Any, mql: Mql) -> None:
    """Written into the table by hand, past the door that refuses them, and under names that resolve to them."""
    came: list[int] = []

    async def canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)
        writer.close()

    server = await asyncio.start_server(canary, "", 0)
    port = server.sockets[0].getsockname()[1]
    hosts = [f"127.{a}.{b}.{c}" for a in (0, 1, 255) for b in (0, 9) for c in (1, 2, 3)]
    hosts += [f"[::ffff:127.0.0.{n}]" for n in range(1, 9)] + [f"[::127.0.0.{n}]" for n in range(1, 5)]
    hosts += ["localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "0.0.0.0", "0", "127.1", "2130706433",
              "0x7f000001", "017700000001", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
              "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "224.0.0.1",
              "255.255.255.255", "198.18.0.1", "192.0.2.1", "[ff02::1]", "[2001:db8::1]", "[::ffff:a9fe:a9fe]",
              "0177.0.0.1", "0x7f.0.0.1"]  # fmt: skip
    assert len(hosts) >= 60
    for number, host in enumerate(hosts):
        await kept.endpoint(f"{'https' if number % 2 else 'http'}://{host}:{port}/")
    await kept.handle(assign_leads, mql())
    assert await kept.try_once(local=False) == []
    rows = await kept.sql("select state, tries, status from delivery")
    assert {tuple(row) for row in rows} == {("pending", 1, None)}
    assert len(rows) == len(hosts)
    assert came == []
    server.close()
