"""One transaction: what a handler or a write sees of the database, the clock, the playbook and the outbox."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import orjson
from asyncpg.exceptions import DataError as AsyncpgDataError
from sqlalchemy import Executable, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from relevo.events import Event, PlaybookStamp
from relevo.playbook import Playbook, PlaybookError, load
from relevo.stream.rows import Row, Rows

log = logging.getLogger(__name__)
T = TypeVar("T")

EVENT_BYTES = 900_000  # what a broker takes by default (1 MiB), with room for the headers

_CONTEXT = "select relevo_now()"
_CONTEXT_AND_PLAYBOOK = (
    "select relevo_now(), p.revision, p.version from (select 1) as always left join lateral"
    " (select revision, version from playbook where problem is null and version <> all($1::text[])"
    " order by revision desc limit 1) as p on true"
)
_DOCUMENTS = text("select documents from playbook where revision = :revision")
_STRAIGHT = "straight to the driver"
_OUTBOX = ("topic", "key", "event_id", "type", "time", "trace", "value")
_INSERT_OUTBOX = f"insert into outbox ({', '.join(_OUTBOX)}) values ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608  columns of ours
_WORTH_A_COPY = 20  # events: below, its additional round trips cost more than they save


class NoPlaybook(RuntimeError):
    """This service decides by the playbook, and none was published yet."""

    def __init__(self) -> None:
        super().__init__("no playbook is published yet: publish one with `relevo playbook publish DIR`")


class Transaction:
    """Everything in it happens together or not at all. The runtime begins it and commits it; nobody else does."""

    def __init__(
        self,
        connection: AsyncConnection,
        driver: asyncpg.Connection,
        now: datetime,
        active: tuple[PlaybookStamp, Playbook] | None,
    ) -> None:
        self._connection, self._driver = connection, driver
        self._active = active
        self.now = now
        self.events: list[Event] = []

    @property
    def playbook(self) -> Playbook:
        """The active agreement, the same for the whole transaction. Raises NoPlaybook."""
        if self._active is None:
            raise NoPlaybook
        return self._active[1]

    @property
    def stamp(self) -> PlaybookStamp:
        """Revision and version of `playbook`, as every decided event carries them. Raises NoPlaybook."""
        if self._active is None:
            raise NoPlaybook
        return self._active[0]

    async def execute(
        self, statement: Executable, params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """One SQL statement: a SQLAlchemy Core construct or `text()`; one per batch, its rows through `unnest`."""
        result: CursorResult[Any] = await self._connection.execute(statement, params)
        return result

    async def driver_sql(self, sql: str, *args: Any) -> Rows:
        """One statement in asyncpg's own `$1` form, straight to the driver, for the hottest ones: on its way SQLAlchemy
        takes as long as PostgreSQL. Raises the errors of `execute`."""
        return Rows(await _straight(self._connection, self._driver.fetch(sql, *args, record_class=Row)))

    async def copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """New rows, by COPY: half of what `unnest` costs. Raises the errors of `execute`."""
        copied = self._driver.copy_records_to_table(table, records=rows, columns=columns)
        await _straight(self._connection, copied)

    def emit(self, *events: Event) -> None:
        """Publish `events`, in this order, if and only if this transaction commits."""
        self.events.extend(events)


@dataclass
class Database:
    """A service's database: transactions by the one clock, with the active playbook and the outbox."""

    engine: AsyncEngine
    uses_playbook: bool
    on_commit: list[Callable[[], None]] = field(default_factory=list)  # wakes this process's relay and loops
    _plain: AsyncEngine = field(init=False)  # begins nothing by itself
    _compiled: tuple[str, Playbook] | None = None
    _refused: set[str] = field(default_factory=set)  # versions an earlier release took and this one cannot load

    def __post_init__(self) -> None:
        self._plain = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def knows_playbook(self) -> bool:
        """Whether a transaction has met an active playbook."""
        return self._compiled is not None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits when its block ends, rolls back when it raises. Emitted events go to the outbox last, while the
        block's row locks are held, so that ids of one lead commit in order."""
        async with self._plain.connect() as connection, _begun(connection) as driver:
            tx = await self._begin(connection, driver)
            yield tx
            await _write_outbox(connection, driver, tx.events)
        if tx.events:
            self.committed()

    def committed(self) -> None:
        """Wake whoever waits for what this process commits."""
        for wake in self.on_commit:
            wake()

    async def _begin(self, connection: AsyncConnection, driver: asyncpg.Connection) -> Transaction:
        if not self.uses_playbook:
            return Transaction(connection, driver, await _straight(connection, driver.fetchval(_CONTEXT)), None)
        now, revision, version = await _straight(
            connection, driver.fetchrow(_CONTEXT_AND_PLAYBOOK, list(self._refused))
        )
        if revision is None:
            return Transaction(connection, driver, now, None)
        if self._compiled is None or self._compiled[0] != version:
            documents = (await connection.execute(_DOCUMENTS, {"revision": revision})).scalar_one()
            try:
                self._compiled = (version, load(documents))
            except PlaybookError as error:
                log.error("playbook refused, the one before it stays", extra={"revision": revision, "why": str(error)})
                self._refused.add(version)
                return await self._begin(connection, driver)
        stamp = PlaybookStamp(revision=revision, version=version)
        return Transaction(connection, driver, now, (stamp, self._compiled[1]))

    async def close(self) -> None:
        await self.engine.dispose()


def connect(dsn: str, *, uses_playbook: bool, pool: int = 10) -> Database:
    """A Database at `dsn` (`postgresql://user:password@host:port/name?sslmode=…`, and whatever else libpq knows).
    Connects when first used; every wait for a connection, a lock or an answer has a limit."""
    settings = {
        "application_name": "relevo",
        "jit": "off",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "60s",
    }
    engine = create_async_engine(
        "postgresql+asyncpg://",  # SQLAlchemy would hand a query such as sslmode on as an argument asyncpg has not
        async_creator=lambda: asyncpg.connect(dsn, timeout=10, command_timeout=60, server_settings=settings),
        pool_size=pool,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        hide_parameters=True,  # they hold personal data, and errors are logged
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    return Database(engine, uses_playbook)


async def _write_outbox(connection: AsyncConnection, driver: asyncpg.Connection, events: Sequence[Event]) -> None:
    if not events:
        return
    rows = [
        (
            event.topic.name,
            event.key(),
            event.id,
            event.type,
            event.at.isoformat(),
            event.trace,
            event.__pydantic_serializer__.to_json(event, by_alias=True, exclude_none=True),
        )
        for event in events
    ]
    for row in rows:
        if len(row[-1]) > EVENT_BYTES:  # in the outbox it would hold up everything behind it for ever
            raise ValueError(f"{row[3]} of {len(row[-1])} bytes: an event may have {EVENT_BYTES}")
    if len(rows) == 1:  # as often as not; `executemany` takes twice as long over it
        await _straight(connection, driver.execute(_INSERT_OUTBOX, *rows[0]))
    elif len(rows) < _WORTH_A_COPY:
        await _straight(connection, driver.executemany(_INSERT_OUTBOX, rows))
    else:  # half of what `unnest` costs
        await _straight(connection, driver.copy_records_to_table("outbox", records=rows, columns=_OUTBOX))


@asynccontextmanager
async def _begun(connection: AsyncConnection) -> AsyncIterator[asyncpg.Connection]:
    """Begins, and commits or rolls back, by the driver: SQLAlchemy takes as long over that as a statement takes."""
    driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    try:
        await _straight(connection, driver.execute("begin"))
        yield driver
        await _straight(connection, driver.execute("commit"))
    except BaseException as error:
        if connection.invalidated:
            raise
        # Of what was broken off nobody knows how far it is, and nobody is to get a connection that is closed.
        if not isinstance(error, Exception) or driver.is_closed():
            await connection.invalidate()
            raise
        try:
            await _straight(connection, driver.execute("rollback"))
        except Exception:  # noqa: BLE001  what went wrong first is what is to be known
            await connection.invalidate()
        raise


async def _straight(connection: AsyncConnection, call: Awaitable[T]) -> T:
    """What the driver is asked past SQLAlchemy, with SQLAlchemy's errors."""
    try:
        return await call
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if getattr(error, "sqlstate", "").startswith("23"):
            raise IntegrityError(_STRAIGHT, None, error, hide_parameters=True) from error
        raise OperationalError(_STRAIGHT, None, error, hide_parameters=True) from error
    except BaseException:  # broken off in its midst: SQLAlchemy does not see it, and would pool the connection as it is
        await connection.invalidate()
        raise


# SQLSTATE classes, or whole codes, that say nothing of the record: connection, login, no such database, rollback
# (deadlock, serialisation), resources, lock timeout, operator intervention, system error; a read-only standby, a
# session that idled too long, a damaged table; and a schema that is not this version's: not migrated, or not granted.
_INFRASTRUCTURE = (
    "08", "28", "3D", "40", "53", "55", "57", "58",
    "25006", "25P03", "XX001", "XX002",
    "0A000", "42501", "42703", "42883", "42P01",
)  # fmt: skip


def is_infrastructure(error: BaseException) -> bool:
    """Whether `error` is the database's or the network's trouble, not the record's: retried, never dead-lettered."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        if state:
            return state.startswith(_INFRASTRUCTURE)
        if isinstance(getattr(error.orig, "__cause__", None), AsyncpgDataError):
            return False  # a value the driver cannot send, though it comes as an InterfaceError
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return isinstance(error, OSError | TimeoutError | PoolTimeout | NoPlaybook)


def is_unkeepable(error: BaseException) -> bool:
    """Whether `error` says that a value given is none the database can hold: a number too large, a NUL in a text."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith("22") or isinstance(getattr(error.orig, "__cause__", None), AsyncpgDataError)


def kind_of(error: BaseException) -> str:
    """What may be logged of an error: its class, and PostgreSQL's code. Messages hold the values they complain of."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__
