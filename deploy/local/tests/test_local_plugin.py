"""The plugin's fixtures: a real server, a database per test from a template, a broker, and one line without Maven."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from relevo.testing.databases import fresh_database
from relevo_local import broker


async def test_each_test_has_a_database_of_its_own(postgres: str, database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("create table mine as select 1 as one")
    await connection.close()
    async with fresh_database(postgres, template=database) as copy:
        connection = await asyncpg.connect(copy)
        assert await connection.fetchval("select one from mine") == 1
        await connection.close()
    async with fresh_database(postgres) as other:
        connection = await asyncpg.connect(other)
        assert await connection.fetchval("select to_regclass('mine')") is None
        # Left open on purpose: a database is dropped whoever is still connected.
    connection.terminate()
    owner = await asyncpg.connect(postgres)
    made = [urlsplit(dsn).path.lstrip("/") for dsn in (database, copy, other)]
    left = await owner.fetch("select datname from pg_database where datname = any($1)", made)
    await owner.close()
    assert [name for (name,) in left] == made[:1]


async def test_the_broker_answers(kafka: str) -> None:
    assert await broker.is_ready(kafka)


def test_without_maven_one_line_says_so(tmp_path: Path) -> None:
    """A fresh clone on a machine without Maven: the run fails, nothing is skipped, and the reason is one line."""
    clone = tmp_path / "deploy" / "local" / "src"
    clone.mkdir(parents=True)
    (clone / "relevo_local").symlink_to(Path(str(broker.__file__)).parent)
    code = (
        "import sys; from pathlib import Path; from relevo_local import apache, checkout, interrupts\n"
        f"checkout._DEPLOY = Path({str(tmp_path)!r}) / 'deploy'\n"
        "(checkout._DEPLOY / 'kafka').mkdir(); (checkout._DEPLOY / 'kafka' / 'pom.xml').write_text('<project/>')\n"
        "sys.exit(interrupts.run(apache._fetch()))"
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to("/bin/true")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Apache Kafka cannot be fetched: Maven (mvn) is not installed\n"
