"""The whole of Relevo on one machine: PostgreSQL, broker and five services, started and stopped as one."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from relevo.usual import PORTS
from relevo_local import apache, broker, databases, home, leftovers, postgres
from relevo_local.ports import LOOPBACK, Ports, port_of
from relevo_local.postgres import Server
from relevo_local.processes import Processes
from relevo_local.services import Setting, for_clients, program, write_files
from relevo_local.together import together
from relevo_local.trouble import Trouble

Say = Callable[[str], None]

_READY = 120.0  # seconds; a busy machine with a cold disk is slow
_DRAIN = 20.0


@dataclass(frozen=True)
class Wanted:
    """What kind of system. `up` keeps its data and takes the usual ports; `exec` and tests do neither."""

    folder: Path
    lasting: bool = False
    broker: Literal["embedded", "apache"] = "embedded"
    postgres: str | None = None  # DSN of a real server's owner
    kafka: str | None = None  # host:port of a real broker

    @property
    def forgets(self) -> bool:
        """Does its broker lose what was not yet read when it stops?"""
        return self.kafka is None and self.broker == "embedded"


@dataclass
class System:
    """A system that runs. `environment` is what clients need to find it."""

    setting: Setting
    server: Server
    processes: Processes
    environment: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    borrowed: bool = False  # databases on somebody else's server, to be dropped at the end

    async def watch(self) -> None:
        """Return never; raise `processes.Failed` as soon as one process ends by itself."""
        await self.processes.watch()

    def kill(self, service: str) -> None:
        """SIGKILL one service, as a test of faults does; the others go on."""
        self.processes.kill(service)

    def start(self, service: str) -> None:
        """Start one service (again)."""
        self.processes.start(program(self.setting, service))

    async def ready(self, *services: str, within: float = _READY) -> None:
        """Return when these services (all, if none is named) say that they can do their job."""
        from relevo_local.asking import ready

        await together(ready(self.setting, name, self.processes, within) for name in services or PORTS)


@asynccontextmanager
async def running(wanted: Wanted, say: Say = lambda line: None) -> AsyncIterator[System]:
    """Start everything, yield when all is ready, stop everything in order; whatever happens, nothing is left."""
    ports, processes = Ports(), Processes(wanted.folder)
    with home.occupy(wanted.folder):
        if killed := leftovers.end(wanted.folder):
            say(f"ended {killed} processes that an earlier start left behind")
        setting, server = _planned(wanted, ports)
        system = System(setting, server, processes, for_clients(setting, server.dsn))
        try:
            await _start(wanted, system, ports, say)
            if wanted.lasting:
                home.announce(wanted.folder, system.environment)
            yield system
            if wanted.forgets and wanted.lasting:
                await _drain(system, say)
        finally:
            home.withdraw(wanted.folder)
            for name in await processes.stop(*PORTS) + await processes.stop():
                say(f"{name} did not stop in time and was killed")
            if system.borrowed:
                await databases.drop(server, setting.keys.roles)
            ports.release()


async def _start(wanted: Wanted, system: System, ports: Ports, say: Say) -> None:
    began = time.monotonic()
    write_files(system.setting)
    for name in PORTS:
        system.start(name)  # they import while the servers start, then wait for the sign
    await together([_start_databases(wanted, system), _start_broker(wanted, system, ports)])
    say(f"PostgreSQL and broker are up ({time.monotonic() - began:.1f} s)")
    system.setting.go.touch()

    from relevo_local.asking import publish  # late: it imports the HTTP client, and by now there is time

    await system.ready("console")
    if note := await publish(system.setting):
        system.notes.append(note)
    await system.ready()
    say(f"five services are ready ({time.monotonic() - began:.1f} s)")


def _planned(wanted: Wanted, ports: Ports) -> tuple[Setting, Server]:
    """Where everything will be."""

    def port(usual: int) -> int:
        return ports.take(usual if wanted.lasting else None)

    keys = home.keys(wanted.folder)
    server = Server(wanted.postgres) if wanted.postgres else postgres.server_at(port(5432), keys.owner)
    setting = Setting(
        folder=wanted.folder,
        lasting=wanted.lasting,
        keys=keys,
        kafka=wanted.kafka or f"{LOOPBACK}:{port(9092)}",
        databases={name: server.database(name, name, password) for name, password in keys.roles.items()},
        ports={name: port(usual) for name, usual in PORTS.items()},
    )
    return setting, server


async def _start_databases(wanted: Wanted, system: System) -> None:
    roles = system.setting.keys.roles
    if wanted.postgres is None:
        await postgres.start(system.processes, wanted.folder, system.server, durable=wanted.lasting)
    elif not wanted.lasting:
        if await databases.exist(system.server, roles):
            raise Trouble("the server of --postgres already holds a Relevo: `relevo exec` needs one without")
        system.borrowed = True
    await databases.prepare(system.server, roles)


async def _start_broker(wanted: Wanted, system: System, ports: Ports) -> None:
    address = system.setting.kafka
    if wanted.kafka is not None:
        await broker.answers(address, within=10)
    elif wanted.broker == "apache":
        await apache.start(system.processes, ports, wanted.folder, port_of(address))
    else:
        await broker.start(system.processes, wanted.folder, port_of(address))


async def _drain(system: System, say: Say) -> None:
    """Take nothing new, and let what was taken run through: the embedded broker keeps nothing."""
    from relevo_local.draining import drained

    await system.processes.stop("ingest")
    if not await drained(system.setting.kafka, system.setting.databases, _DRAIN):
        say(f"not everything was handled within {_DRAIN:.0f} s: what only the broker held is lost")
