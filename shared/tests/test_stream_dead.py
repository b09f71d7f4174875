"""Dead letters over HTTP and beside the database: listed, shown, replayed once, dropped; and the limit in /readyz."""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from relevo.events import LeadErased
from relevo.events.cloudevents import Unreadable
from relevo.service import Service, Settings
from relevo.stream import Transaction, dead, on
from relevo.stream.apply import apply
from relevo.stream.handlers import index
from relevo.stream.kafka import Record
from relevo.testing.ledger import Ledger, erased, record, records
from relevo.testing.services import PATIENCE, Running, running
from relevo.testing.stage import Stage
from relevo_local.ports import Ports

OPERATOR = {"Authorization": "Bearer operator"}


async def bury(ledger: Ledger, batch: list[Record], poison: set[int] | None = None) -> None:
    ledger.poison = poison or set()
    await apply(ledger.database, index([ledger.handler]), batch, dead.Limit())
    ledger.poison = set()


def unreadable(batch: list[Record], number: int) -> Record:
    return batch[number]._replace(value=b"\xff{")


async def test_copies_of_an_unreadable_record_take_effect_once_when_replayed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay sends at least once: each copy is a letter. Mended by the next release, they are still one event."""
    original = record(erased(1), 0)
    await bury(ledger, [unreadable([original], 0), original._replace(offset=1, value=b"\xff{")])
    letters = await dead.listed(ledger.database)
    assert len(letters) == 2
    handlers = index([ledger.handler])
    with pytest.raises(Unreadable):
        await dead.replay(ledger.database, handlers, letters[0].id)
    await ledger.rows(f"update dead_letter set value = '\\x{(original.value or b'').hex()}'")
    for letter in letters:
        await dead.replay(ledger.database, handlers, letter.id)
    assert await dead.listed(ledger.database) == []
    assert await ledger.numbers() == [1]
    await bury(ledger, [original._replace(offset=2)])  # and one that arrives later
    assert await ledger.numbers() == [1]


async def test_two_people_replay_one_letter_once(ledger: Ledger) -> None:
    await bury(ledger, records(1), {0})
    handlers = index([ledger.handler])
    done = await asyncio.gather(*(dead.replay(ledger.database, handlers, 1) for _ in range(4)), return_exceptions=True)
    assert [type(one) for one in done if one is not None] == [dead.NotFound] * 3
    assert await ledger.numbers() == [0]


async def test_a_letter_holds_what_came_byte_by_byte(ledger: Ledger) -> None:
    event = erased(1)
    key, headers, value = b"\x00\xff", (("ce_type", b"lead.erased.v1"), ("a\0b", b"\xff"), ("none", b"")), b"\x00\xfe"
    await bury(ledger, [Record("privacy", 2, 7, key, headers, value)])
    (letter,) = await dead.listed(ledger.database)
    shown = await dead.show(ledger.database, letter.id)
    assert (shown["key"], shown["value"], shown["header_values"]) == (key, value, [b"lead.erased.v1", b"\xff", b""])
    assert shown["header_names"] == ["ce_type", "a\N{REPLACEMENT CHARACTER}b", "none"]
    assert (letter.topic, letter.partition, letter.offset, letter.tries) == ("privacy", 2, 7, 1)
    assert event.id not in {letter.event_id}


async def test_an_error_of_any_text_can_be_kept_and_the_log_tells_no_values(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    @on(LeadErased)
    async def fails(tx: Transaction, events: Any) -> None:
        raise ValueError("ana@example.com \0 \ud800 " + "x" * 10_000)

    @on(LeadErased)
    async def breaks(tx: Transaction, events: Any) -> None:
        await tx.driver_sql("insert into ledger (number) values ($1::text::int)", "ana@example.com")

    with caplog.at_level(logging.DEBUG, "relevo"):
        await apply(ledger.database, index([fails]), [record(erased(1), 0)], dead.Limit())
        await apply(ledger.database, index([breaks]), [record(erased(2), 1)], dead.Limit())
    first, second = await dead.listed(ledger.database)
    assert first.error.startswith("ValueError: ana@example.com \N{REPLACEMENT CHARACTER} ? xxx")
    assert len(first.error) == 2000
    assert second.error.endswith("22P02")
    logged = [vars(one) for one in caplog.records]
    assert "ana@" not in str(logged)
    assert any("test_stream_dead.py" in str(one.get("where")) for one in logged)


@pytest.fixture
def settings(ledger: Ledger, kafka: str, tmp_path: Path, ports: Ports) -> Settings:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(
        f"tokens:\n  - {{name: sre, sha256: {sha256(b'operator').hexdigest()}, scopes: [operate]}}\n"
        f"  - {{name: reader, sha256: {sha256(b'reader').hexdigest()}, scopes: [read]}}\n"
    )
    return Settings(database=ledger.dsn, kafka=kafka, topics="local", local=True, tokens=tokens, http_port=ports.take())


@asynccontextmanager
async def serving(ledger: Ledger, settings: Settings) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    service = Service(f"ledger-{uuid4().hex[:6]}", 0, handlers=[ledger.handler], migrations="relevo.stream.migrations")
    async with (
        running(service, settings, "api") as up,
        httpx.AsyncClient(base_url=up.url, headers=OPERATOR, timeout=PATIENCE) as http,
    ):
        yield up, http


async def test_over_http(ledger: Ledger, settings: Settings) -> None:
    batch = records(6)
    batch[1] = unreadable(batch, 1)
    await bury(ledger, batch, {2, 3, 4})
    async with serving(ledger, settings) as (_, http):
        for headers, status in (({"Authorization": ""}, 401), ({"Authorization": "Bearer reader"}, 403)):
            assert (await http.get("/v1/dead", headers=headers)).status_code == status
        page = (await http.get("/v1/dead", params={"limit": 3})).json()
        more = (await http.get("/v1/dead", params={"limit": 3, "after": page["next"]})).json()
        assert [item["offset"] for item in page["items"] + more["items"]] == [1, 2, 3, 4]
        assert more["next"] is None
        bad, two, three, four = [item["id"] for item in page["items"] + more["items"]]
        shown = (await http.get(f"/v1/dead/{bad}")).json()
        assert shown["value"] == "base64:/3s="
        assert shown["headers"]["ce_type"] == "lead.erased.v1"
        refused = await http.post(f"/v1/dead/{bad}/replay")
        assert (refused.status_code, refused.json()["title"]) == (409, "Still unreadable")
        ledger.poison = {2}
        failed = await http.post(f"/v1/dead/{two}/replay")
        assert (failed.status_code, "poison" in failed.text) == (409, False)
        assert (await http.post(f"/v1/dead/{three}/replay")).json() == {"replayed": three}
        assert (await http.post(f"/v1/dead/{four}/drop")).json() == {"dropped": four}
        assert (await http.post(f"/v1/dead/{four}/drop")).status_code == 404
        assert (await http.post(f"/v1/dead/{three}/replay")).status_code == 404
        assert [item["id"] for item in (await http.get("/v1/dead")).json()["items"]] == [bad, two]
    assert await ledger.numbers() == [0, 5, 3]


MAIN = """
import asyncio, sys
from collections.abc import Sequence
from relevo.events import Event, LeadErased
from relevo.service import Service, main
from relevo.stream import Transaction, on

@on(LeadErased)
async def note(tx: Transaction, events: Sequence[LeadErased]) -> list[Event]:
    await tx.driver_sql("insert into ledger (number) select unnest($1::int[])", [int(e.subject_ids[0]) for e in events])
    return []

main(Service("ledgers", 0, handlers=[note], migrations="relevo.stream.migrations"))
"""


async def test_beside_the_database(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "ledgers.py").write_text(MAIN)
    batch = records(4)
    await bury(ledger, batch[:3], {1, 2})
    await bury(ledger, [unreadable(batch, 3)])

    async def command(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ledgers", "dead", *arguments, cwd=tmp_path,
            env={**os.environ, "RELEVO_DATABASE": ledger.dsn}, stdout=-1, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    status, out = await command("list", "--json")
    one, two, bad = json.loads(out)
    assert (status, one["offset"], two["offset"], bad["offset"]) == (0, 1, 2, 3)
    status, out = await command("list")
    assert status == 0
    assert "3 dead letters" in out
    status, out = await command("replay", str(bad["id"]))
    assert (status, out.startswith("still unreadable: "), out.count("\n")) == (1, True, 1)
    status, out = await command("show", str(one["id"]))
    assert json.loads(out)["headers"]["ce_type"] == "lead.erased.v1"
    assert (await command("replay", str(one["id"]))) == (0, f"replayed {one['id']}\n")
    await ledger.rows("alter table ledger add check (number <> 2)")
    status, out = await command("replay", str(two["id"]))
    assert (status, out) == (1, "its handler failed again (IntegrityError 23514); the letter is kept\n")
    assert (await command("drop", str(two["id"]))) == (0, f"dropped {two['id']}\n")
    status, out = await command("drop", str(two["id"]))
    assert (status, out) == (1, f"no dead letter {two['id']}\n")
    assert [letter.id for letter in await dead.listed(ledger.database)] == [bad["id"]]
    assert await ledger.numbers() == [0, 1]


@pytest.mark.broker
async def test_the_limit_shows_in_readyz(stage: Stage, ports: Ports) -> None:
    stage.poison = set(range(100))
    await stage.publish(100)
    service = Service(stage.group, 0, handlers=[stage.handler], migrations="relevo.stream.migrations")
    settings = Settings(database=stage.dsn, kafka=stage.kafka, topics="local", local=True, http_port=ports.take())
    async with running(service, settings) as up, httpx.AsyncClient(base_url=up.url, timeout=PATIENCE) as http:
        async with asyncio.timeout(PATIENCE):
            while "in a row" not in (ready := await http.get("/readyz")).text:
                await asyncio.sleep(0.1)
        assert ready.status_code == 503
        assert "nothing is lost" in ready.text
        assert (await http.get("/livez")).status_code == 200  # a restart would mend nothing
        metrics = (await http.get("/metrics")).text
        assert "relevo_ready 0.0" in metrics
        assert "relevo_consumer_stopped 1.0" in metrics
        lag = rf'relevo_stream_lag_records{{topic="{stage.source.topic.name}"}} (\S+)'
        async with asyncio.timeout(PATIENCE):
            while not (told := re.search(lag, metrics)):  # a broker that is slow to answer is asked by the next scrape
                metrics = (await http.get("/metrics")).text
        assert float(told[1]) >= 50
    # Three partitions side by side: each may bury the one that it had in hand when another reached the limit.
    assert len(await dead.listed(stage.database)) in (50, 51, 52)
