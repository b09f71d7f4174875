"""`python -m SERVICE`: run, migrate, dead; what an SRE does beside the database."""

import asyncio
import gc
import json
import os
from typing import Annotated, Any

import typer
import uvloop

from relevo.events.cloudevents import Unreadable
from relevo.service import logs
from relevo.service.life import Only
from relevo.service.operate import printable
from relevo.service.runtime import Service
from relevo.service.web import to_json
from relevo.stream import dead
from relevo.stream.transaction import is_infrastructure, kind_of


def collect_seldom() -> None:
    """What is imported lives for ever, and batches make much that dies young: collect the rest seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def command_line(service: Service) -> typer.Typer:
    """The service's own commands; a service adds its own to what this returns."""
    app = typer.Typer(
        help=service.description, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )

    @app.command()
    def run(
        only: Annotated[Only | None, typer.Option(help="One half of the process; both where not given")] = None,
    ) -> None:
        """Run until SIGTERM."""
        settings = service.settings_class.read()
        logs.configure(service.name, settings.log_level)
        _trace(service.name)
        collect_seldom()
        uvloop.run(service.run(only, settings))

    @app.command()
    def migrate() -> None:
        """Bring the database up to date and create the topics; do it before every roll-out."""
        from relevo.service.migrate import migrate as bring_up  # alembic is slow to import, and `run` needs none of it

        async def work() -> None:
            async with service.opened():
                packages = ("relevo.stream.migrations", service.migrations) if service.migrations else ()
                engine = service.database.engine if service.migrations else None
                await bring_up(service.settings, engine, packages, service.topics())

        logs.configure(service.name, "INFO")
        try:
            asyncio.run(work())
        except ValueError as error:
            raise SystemExit(f"{service.name}: {error}") from None

    if service.handled.by_type:
        app.add_typer(_dead_letters(service), name="dead")
    return app


def _dead_letters(service: Service) -> typer.Typer:
    app = typer.Typer(help="Records no handler could take", no_args_is_help=True)
    as_json = Annotated[bool, typer.Option("--json", help="For machines")]

    def call(work: Any) -> Any:
        async def within() -> Any:
            async with service.opened():
                return await work()

        try:
            return asyncio.run(within())
        except dead.NotFound as error:
            raise SystemExit(str(error)) from None
        except Unreadable as error:
            raise SystemExit(f"still unreadable: {error}") from None

    @app.command("list")
    def list_(json_: as_json = False) -> None:
        """All of them, oldest first."""
        found = call(lambda: dead.listed(service.database, most=10_000))
        if json_:
            typer.echo(to_json(found).decode())
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("id", "at", "type", "where", "tries", "error", title=f"{len(found)} dead letters")
        for letter in found:
            where = f"{letter.topic}/{letter.partition}@{letter.offset}"
            table.add_row(
                str(letter.id), f"{letter.at:%F %T}", letter.type, where, str(letter.tries), letter.error[:80]
            )
        Console().print(table)

    @app.command()
    def show(letter_id: int) -> None:
        """One of them, with its headers and bytes."""
        letter = printable(call(lambda: dead.show(service.database, letter_id)))
        typer.echo(json.dumps(json.loads(to_json(letter)), indent=2))

    @app.command()
    def replay(letter_id: int) -> None:
        """Handle it again, in this service only."""
        try:
            call(lambda: dead.replay(service.database, service.handled, letter_id))
        except Exception as error:
            if is_infrastructure(error):
                raise
            raise SystemExit(f"its handler failed again ({kind_of(error)}); the letter is kept") from None
        typer.echo(f"replayed {letter_id}")

    @app.command()
    def drop(letter_id: int) -> None:
        """Delete it for good."""
        call(lambda: dead.drop(service.database, letter_id))
        typer.echo(f"dropped {letter_id}")

    return app


def _trace(service: str) -> None:
    """Record spans where OTEL_EXPORTER_OTLP_ENDPOINT says where to send them; else nothing is recorded."""
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry import trace  # a third of a second to import, where nothing is recorded for nothing
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": f"relevo-{service}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)


def main(service: Service) -> None:
    command_line(service)()
