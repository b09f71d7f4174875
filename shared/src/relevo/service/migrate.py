"""Brings a service's database up to date and creates the topics it writes or reads. Safe to run at any time, twice."""

import importlib.resources
import logging
from collections.abc import Iterable

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from relevo.events import Topic
from relevo.service.settings import Settings
from relevo.stream.kafka import create_topics

log = logging.getLogger(__name__)

_TRAVELLING = (
    "create or replace function relevo_now() returns timestamptz language sql volatile as"
    " 'select clock_timestamp() + (select shift from clock_shift)'"
)
_STANDING = (
    "create or replace function relevo_now() returns timestamptz language sql volatile as 'select clock_timestamp()'"
)


def scripts(packages: Iterable[str]) -> ScriptDirectory:
    """The migrations of several packages (`relevo.stream.migrations`, `scoring.migrations`), a branch of each."""
    folders = [str(importlib.resources.files(package) / "versions") for package in packages]
    config = Config()
    config.set_main_option("script_location", str(importlib.resources.files("relevo.stream.migrations")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(folders))
    return ScriptDirectory.from_config(config)


def upgrade(connection: Connection, packages: Iterable[str], *, time_travel: bool) -> None:
    """Every branch to its head, in one transaction, one migrator at a time."""
    directory = scripts(packages)
    connection.execute(text("select pg_advisory_xact_lock(hashtext('relevo.migrate'))"))
    with EnvironmentContext(
        directory.config if hasattr(directory, "config") else Config(),
        directory,
        fn=lambda revision, context: directory._upgrade_revs("heads", revision),
    ) as environment:
        environment.configure(connection=connection, transaction_per_migration=False)
        environment.run_migrations()
    connection.execute(text(_TRAVELLING if time_travel else _STANDING))


async def migrate(
    settings: Settings, engine: AsyncEngine | None, packages: Iterable[str], topics: Iterable[Topic]
) -> None:
    """Raises ValueError (a topic with another partition count), KafkaAway, or the database's error."""
    if engine is not None:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade, tuple(packages), time_travel=settings.time_travel)
        log.info("database is up to date")
    created = await create_topics(settings.kafka, tuple(topics), settings.topics)
    log.info("topics are there", extra={"new": created})
