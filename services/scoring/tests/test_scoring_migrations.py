"""The migrations build exactly the tables that the code declares."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from scoring.tables import metadata


async def test_migrated_is_declared(kept: Any) -> None:
    def differences(connection: Connection) -> list[Any]:
        ours = {"include_object": lambda item, name, kind, found, other: kind != "table" or name in metadata.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=ours), metadata))

    async with kept.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
