"""The life of a service's process: its parts start together, fail as one, and stop in order."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from relevo.service import metrics
from relevo.service.clock import listen
from relevo.service.operate import health
from relevo.service.web import Guard, create_app
from relevo.stream.apply import Applied
from relevo.stream.consumer import Consumer
from relevo.stream.housekeeping import forget
from relevo.stream.relay import Relay

if TYPE_CHECKING:
    from relevo.service.runtime import Service

log = logging.getLogger(__name__)

Only = Literal["api", "worker"]


class Stopping(Exception):
    """The service is shutting down: a loop's wait ends, and the loop with it."""


async def live(service: "Service", only: Only | None) -> None:
    """Run an opened service until `service.stopping` is set (SIGTERM and SIGINT set it), or until a part fails: then
    stop the others and raise what it raised."""
    async with AsyncExitStack() as stack:
        for use in service.uses:
            await stack.enter_async_context(use(service))
        tasks = {asyncio.create_task(part, name=name) for name, part in _parts(service, only).items()}
        server = _server(service, only)
        tasks.add(asyncio.create_task(server.serve(), name="http"))
        stopped = asyncio.create_task(service.stopping.wait())
        restore = _on_signals(service.stopping.set)
        try:
            ended, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            await _stop(service, server, {task.get_name(): task for task in tasks})
            for task in ended - {stopped}:
                task.result()
                if stopped not in ended:
                    raise RuntimeError(f"{service.name}: its {task.get_name()} ended by itself")
        finally:
            restore()
            for task in (*tasks, stopped):
                task.cancel()


def _parts(service: "Service", only: Only | None) -> dict[str, Coroutine[Any, Any, None]]:
    parts: dict[str, Coroutine[Any, Any, None]] = {}
    settings = service.settings
    if service.migrations is not None:
        database = service.database
        service.relay = Relay(database.engine, service.producer, service.name, beat=lambda: service.beat("relay"))
        database.on_commit.append(service.relay.wake)
        parts["relay"] = service.relay.run()
        if settings.time_travel and settings.database:
            parts["clock"] = listen(settings.database, service.clock)
    if only == "api":
        return parts
    if service.handled.by_type:
        service.consumer = Consumer(
            service.database,
            service.handled,
            kafka=settings.kafka,
            group=service.name,
            profile=settings.topics,
            beat=lambda: service.beat("consumer"),
            applied=_count,
        )
        parts["consumer"] = service.consumer.run()
        parts["loop housekeeping"] = _until_stopping(_keep_house(service))
    for loop in service.loops:
        name = f"loop {getattr(loop, '__name__', loop)}"
        service.beat(name)
        parts[name] = _until_stopping(loop(service))
    return parts


def _server(service: "Service", only: Only | None) -> uvicorn.Server:
    worker = only == "worker"
    app: ASGIApp = Guard(_health_only(service) if worker else service.app(), service.body_limit, service.larger_bodies)
    config = uvicorn.Config(
        app if worker else service.doors(app),
        host=service.settings.http_host,
        port=service.settings.http_port if service.settings.http_port is not None else service.port,
        http="httptools",
        loop="none",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here believes X-Forwarded-For
        timeout_keep_alive=65,  # longer than the usual load balancer's 60, which must be the one to close
        timeout_graceful_shutdown=10,
        backlog=2048,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # ours stop in order
    return server


def _health_only(service: "Service") -> FastAPI:
    app = create_app(f"Relevo {service.name} worker", service.description)
    app.state.service = service
    app.include_router(health)
    return app


async def _stop(service: "Service", server: uvicorn.Server, tasks: dict[str, asyncio.Task[None]]) -> None:
    """Readiness off, listener drains, loops and claims stop, handlers finish, offsets commit, relay flushes; each
    within its share of the budget."""
    budget = service.settings.shutdown_seconds
    log.info("stopping")
    service.stopping.set()
    server.should_exit = True
    await asyncio.wait({tasks["http"]}, timeout=min(12.0, budget / 3))
    if service.consumer is not None:
        service.consumer.stop()
    working = {task for name, task in tasks.items() if name == "consumer" or name.startswith("loop")}
    if working:
        await asyncio.wait(working, timeout=budget / 3)
    if service.relay is not None:
        service.relay.stop()
        await asyncio.wait({tasks["relay"]}, timeout=2)
        with suppress(SQLAlchemyError, OSError):
            if left := await service.relay.flush(budget / 6):
                log.warning("outbox not empty: the next start sends it", extra={"rows": left})
    log.info("stopped")


async def _keep_house(service: "Service") -> None:
    while True:
        await service.until_any(seconds=30)
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            while await forget(service.database, service.handled) and not service.stopping.is_set():
                service.beat("loop housekeeping")


async def _until_stopping(loop: Awaitable[None]) -> None:
    with suppress(Stopping):
        await loop


def _count(topic: str, applied: Applied, seconds: float) -> None:
    metrics.EFFECTS.labels(topic).inc(applied.effects)
    metrics.BURIED.labels(topic).inc(applied.buried)
    metrics.CHUNK_SECONDS.labels(topic).observe(seconds)


def _on_signals(stop: Callable[[], None]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    kinds = (signal.SIGTERM, signal.SIGINT)
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for kind in kinds:
            loop.add_signal_handler(kind, stop)

    def restore() -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for kind in kinds:
                loop.remove_signal_handler(kind)

    return restore
