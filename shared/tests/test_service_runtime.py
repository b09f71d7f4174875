"""One process: a write's event crosses the broker and takes effect once, with its trace; it stops in order."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from relevo.events import Event, LeadErased
from relevo.events.topics import PRIVACY
from relevo.service import Actor, Answer, Problem, Service, Settings, needs, of, respond, write
from relevo.service.migrate import migrate
from relevo.stream import Transaction, connect, on
from relevo.testing.ledger import Ledger, erased
from relevo.testing.proxy import Proxy
from relevo.testing.services import PATIENCE, ready, running
from relevo_local.ports import Ports

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
router = APIRouter()


@router.post("/v1/notes/{number}")
async def note(request: Request, number: int, actor: Actor = Depends(needs("erase"))) -> Response:  # noqa: B008
    async def work(tx: Transaction) -> Answer:
        event = erased(number).model_copy(update={"trace": request.headers.get("traceparent")})
        if number < 0:
            tx.emit(event)
            raise Problem(409, "Negative", field="number")
        return Answer({"number": number}, 201, [event])

    return await write(request, work)


@router.get("/v1/boom")
async def boom() -> Response:
    raise RuntimeError("secret value 4711")


@router.get("/v1/now")
async def now(request: Request) -> Response:
    async with of(request).transaction() as tx:
        return respond({"now": tx.now})


seen: list[LeadErased] = []


@on(LeadErased)
async def keep(tx: Transaction, events: Sequence[LeadErased]) -> list[Event]:
    seen.extend(events)
    await tx.driver_sql(
        "insert into ledger (number, lead) select * from unnest($1::int[], $2::uuid[])",
        [int(e.subject_ids[0]) for e in events],
        [e.lead_id for e in events],
    )
    return []


@pytest.fixture
def service() -> Service:
    seen.clear()
    return Service(
        f"notes-{uuid4().hex[:6]}",
        0,
        handlers=[keep],
        api=[router],
        writes=[PRIVACY],
        migrations="relevo.stream.migrations",
    )


@pytest.fixture
def settings(ledger: Ledger, kafka: str, tmp_path: Path, ports: Ports) -> Settings:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(
        "tokens:\n"
        f"  - {{name: writer, sha256: {sha256(b'w').hexdigest()}, scopes: [erase, operate]}}\n"
        f"  - {{name: reader, sha256: {sha256(b'r').hexdigest()}, scopes: [read]}}\n"
        f"  - {{name: late, sha256: {sha256(b'l').hexdigest()}, scopes: [erase], expires: 2020-01-01T00:00:00Z}}\n"
    )
    return Settings(
        database=ledger.dsn,
        kafka=kafka,
        topics="local",
        local=True,
        time_travel=True,
        tokens=tokens,
        http_port=ports.take(),
    )


async def migrated(service: Service, settings: Settings) -> None:
    async with service.opened(settings):
        await migrate(settings, service.database.engine, ["relevo.stream.migrations"], service.topics())


async def test_a_write_crosses_the_broker_and_takes_effect_once(
    service: Service, settings: Settings, ledger: Ledger, cut_kafka: Proxy
) -> None:
    settings = settings.model_copy(update={"kafka": cut_kafka.address})  # its own: others write to `privacy` too
    await migrated(service, settings)
    async with running(service, settings) as up, httpx.AsyncClient(base_url=up.url, timeout=PATIENCE) as http:
        await ready(up)
        headers = {"Authorization": "Bearer w", "traceparent": TRACE}
        for number in range(5):
            answer = await http.post(f"/v1/notes/{number}", headers=headers | {"Idempotency-Key": f"k{number}"})
            assert (answer.status_code, answer.json()) == (201, {"number": number})
        again = await http.post("/v1/notes/3", headers=headers | {"Idempotency-Key": "k3"})
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        refused = await http.post("/v1/notes/-1", headers=headers)
        assert (refused.status_code, refused.json()["field"]) == (409, "number")
        async with asyncio.timeout(PATIENCE):
            while len(await ledger.numbers()) < 5:
                await asyncio.sleep(0.05)
        assert sorted(await ledger.numbers()) == [0, 1, 2, 3, 4]
        assert {event.trace for event in seen} == {TRACE}
        told = (
            "relevo_ready 1.0",
            "relevo_outbox_rows 0.0",
            "relevo_outbox_oldest_seconds 0.0",
            'relevo_stream_lag_records{topic="privacy"} 0.0',
            'relevo_stream_effects_total{topic="privacy"} ',
            'relevo_http_requests_total{route="/v1/notes/{number}",status="409"} 1.0',
            'relevo_http_request_seconds_count{route="/v1/notes/{number}"} ',
        )
        async with asyncio.timeout(PATIENCE):  # its effect may be there before its row and its offset are done with
            while [each for each in told if f"\n{each}" not in (await http.get("/metrics")).text]:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("nobody", 401), ("l", 401), ("r", 403), ("w", 201)])
async def test_tokens_have_scopes(service: Service, settings: Settings, token: str | None, status: int) -> None:
    await migrated(service, settings)
    async with running(service, settings, "api") as up, httpx.AsyncClient(base_url=up.url, timeout=PATIENCE) as http:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await http.post("/v1/notes/1", headers=headers)
        assert answer.status_code == status
        if status != 201:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.text != "l"


async def test_errors_tell_nothing_of_the_inside(service: Service, settings: Settings) -> None:
    await migrated(service, settings)
    async with running(service, settings, "api") as up, httpx.AsyncClient(base_url=up.url, timeout=PATIENCE) as http:
        answer = await http.get("/v1/boom")
        assert (answer.status_code, answer.json()["title"]) == (500, "Our mistake")
        assert "4711" not in answer.text
        big = await http.post(
            "/v1/notes/1", headers={"Authorization": "Bearer w", "Idempotency-Key": "x"}, content=b"x" * 300_000
        )
        assert big.status_code == 413
        missing = await http.get("/nowhere")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_a_part_that_fails_ends_the_process(service: Service, settings: Settings) -> None:
    async def fails(_: Service) -> None:
        raise LookupError("a loop's mistake")

    await migrated(service, settings)
    service.loops = [fails]
    with pytest.raises(LookupError, match="a loop's mistake"):
        await service.run(settings=settings)


async def test_the_query_of_a_dsn_is_asyncpg_s_to_read(database: str) -> None:
    tls = connect(urlsplit(database)._replace(query="sslmode=require").geturl(), uses_playbook=False)
    with pytest.raises(ConnectionError, match="rejected SSL upgrade"):  # the tests' server speaks none
        async with tls.transaction():
            pass
    await tls.close()
