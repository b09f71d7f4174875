"""A service's own database in a test: its handlers run in real transactions, what they say is collected."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import asyncpg
import orjson
from sqlalchemy import event as sqlalchemy_event

from relevo.events import Event
from relevo.playbook import Playbook, load
from relevo.stream import Database, Handler, Transaction, connect
from relevo.stream.rows import Rows
from relevo.testing.databases import fresh_database
from relevo.testing.services import migrate_database


@asynccontextmanager
async def migrated_database(server: str, *packages: str) -> AsyncIterator[str]:
    """A database with these packages' migrations, for tests to copy: its DSN."""
    async with fresh_database(server) as dsn:
        await migrate_database(dsn, *packages)
        yield dsn


@dataclass
class Kept:
    """`documents`: the playbook published last; `statements`: the SQL of the last transaction, but for what begins it
    and for the outbox."""

    database: Database
    dsn: str
    documents: dict[str, str]
    statements: list[str] = field(default_factory=list)
    revision: int = 0

    @classmethod
    @asynccontextmanager
    async def copied(cls, server: str, template: str, documents: Mapping[str, str]) -> AsyncIterator[Self]:
        """A copy of the migrated database `template`, with these documents published as its playbook."""
        async with fresh_database(server, template=template) as dsn:
            database = connect(dsn, uses_playbook=True)
            kept = cls(database, dsn, dict(documents))

            @sqlalchemy_event.listens_for(database.engine.sync_engine, "before_cursor_execute")
            def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
                kept.statements.append(statement)

            try:
                await kept.publish()
                yield kept
            finally:
                await database.close()

    async def publish(self, **changed: str) -> Playbook:
        """The next playbook, with these documents changed: `routing="…"`."""
        self.documents |= {f"{name}.yaml": text for name, text in changed.items()}
        self.revision += 1
        playbook = load(self.documents)
        await self.sql(
            "insert into playbook (revision, version, documents, at) values ($1, $2, $3, now())",
            self.revision, playbook.version, orjson.dumps(self.documents).decode(),
        )  # fmt: skip
        return playbook

    async def handle(self, handler: Handler, *events: Event) -> list[Any]:
        """One transaction; returns what it said."""

        async def work(tx: Transaction) -> None:
            tx.emit(*await handler(tx, events))

        return await self.said(work)

    async def said(self, work: Callable[[Transaction], Awaitable[Any]]) -> list[Any]:
        """One transaction around `work`; returns what it said."""
        async with self.database.transaction() as tx:
            self._note(tx)
            await work(tx)
            return list(tx.events)

    async def run(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        """One transaction around `work`; returns what `work` returns."""
        async with self.database.transaction() as tx:
            self._note(tx)
            return await work(tx)

    def _note(self, tx: Transaction) -> None:
        """From now on also what goes straight to the driver, which SQLAlchemy does not see."""
        self.statements.clear()
        straight = tx.driver_sql

        async def noted(sql: str, *args: Any) -> Rows:
            self.statements.append(sql)
            return await straight(sql, *args)

        tx.driver_sql = noted  # type: ignore[method-assign]

    async def stop_the_clock(self, at: datetime | None = None) -> datetime:
        """From now on it is `at`, by default the present moment, until `travel` or until it is stopped elsewhere."""
        moment: datetime = at or (await self.sql("select clock_timestamp()"))[0][0]
        await self.sql(
            "create or replace function relevo_now() returns timestamptz language sql volatile as"  # noqa: S608  a moment
            f" $$ select '{moment.isoformat()}'::timestamptz + (select shift from clock_shift) $$"
        )
        return moment

    async def travel(self, by: timedelta) -> None:
        await self.sql("update clock_shift set shift = shift + $1", by)

    async def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(statement, *args))
        finally:
            await connection.close()
