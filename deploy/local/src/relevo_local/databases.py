"""One database and one role per service, as in production, and the clock that can be moved in all of them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from relevo_local.postgres import Server
from relevo_local.together import together
from relevo_local.trouble import Trouble


async def prepare(server: Server, passwords: Mapping[str, str]) -> None:
    """Make what is missing of each service's role and database.

    On a server that is not ours, a role of that name made by somebody else is refused, never taken over.
    """
    await together(_prepare(server, name, password) for name, password in passwords.items())


async def drop(server: Server, names: Iterable[str]) -> None:
    """Undo `prepare` on a server that outlives us."""
    async with _session(server.dsn) as owner:
        for name in names:
            await owner.execute(f"drop database if exists {name} with (force)")
            await owner.execute(f"drop role if exists {name}")


async def exist(server: Server, names: Iterable[str]) -> bool:
    """Is any of these databases there already?"""
    async with _session(server.dsn) as owner:
        return bool(await owner.fetchval("select true from pg_database where datname = any($1)", list(names)))


async def shift(server: Server, names: Iterable[str]) -> timedelta:
    """How far the clocks are ahead; the farthest, should an earlier move have been interrupted between two."""
    found: list[timedelta] = await together(_ask(server, name, "select shift from clock_shift") for name in names)
    return max(found)


async def set_shift(server: Server, names: Iterable[str], to: timedelta) -> None:
    statement = "update clock_shift set shift = $1 returning shift"
    await together(_ask(server, name, statement, to) for name in names)


async def _prepare(server: Server, name: str, password: str) -> None:
    async with _session(server.dsn) as owner:
        has_role = await owner.fetchval("select true from pg_roles where rolname = $1", name)
        if not has_role:
            await owner.execute(f"create role {name} login password '{password}'")
            await owner.execute(f"grant {name} to current_user")  # an owner who is no superuser needs it to give
        if not await owner.fetchval("select true from pg_database where datname = $1", name):
            await owner.execute(f"create database {name} owner {name}")
            await owner.execute(f"revoke connect, temporary on database {name} from public")
    if has_role:
        await _recognise(server.database(name, name, password), name)


async def _recognise(dsn: str, name: str) -> None:
    try:
        await (await asyncpg.connect(dsn, timeout=10)).close()
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise Trouble(
            f"the server has a role {name!r} that this folder did not make: give --postgres a server without it, "
            "or start in the folder that made it"
        ) from None


async def _ask(server: Server, database: str, statement: str, *arguments: object) -> Any:
    async with _session(server.database(database)) as connection:
        return await connection.fetchval(statement, *arguments)


@asynccontextmanager
async def _session(dsn: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        place = urlsplit(dsn).netloc.rpartition("@")[2]
        raise Trouble(f"cannot use the PostgreSQL at {place}: {error or type(error).__name__}") from None
    try:
        yield connection
    finally:
        await connection.close()
