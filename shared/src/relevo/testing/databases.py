"""A fresh PostgreSQL database per test, copied from a template in some fifty milliseconds."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


@asynccontextmanager
async def fresh_database(server: str, template: str = "template1") -> AsyncIterator[str]:
    """A new database on this server; yields its DSN, drops it at the end, sessions or not.

    `server` is the DSN of a role that may create databases. `template` is a database without sessions, or its DSN:
    migrate one once, then copy it for each test.
    """
    name = f"test_{secrets.token_hex(6)}"
    source = urlsplit(template).path.lstrip("/") or template
    await _say(server, f'create database "{name}" template "{source}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        await _say(server, f'drop database if exists "{name}" with (force)')


async def _say(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
