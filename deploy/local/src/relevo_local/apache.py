"""A real Apache Kafka, one KRaft node without Docker: `python -m relevo_local.apache [fetch]`.

The jars come through Maven (deploy/kafka/pom.xml), once; Java 17 runs them.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from relevo_local import broker, home, interrupts, leftovers
from relevo_local.checkout import deploy
from relevo_local.ports import LOOPBACK, Ports
from relevo_local.processes import Processes, Program, finish
from relevo_local.trouble import Trouble

_HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
_START = 120.0  # seconds; a busy machine is slow with a JVM


class Unavailable(Trouble):
    """Apache Kafka cannot be had on this machine; the message is one line."""


@dataclass(frozen=True)
class Doors:
    """Further listeners, as a cluster that is not only ours has them: by protocol (SSL, SASL_SSL…) its port; what the
    broker's settings need for them; and passwords by user, for SCRAM-SHA-512."""

    ports: Mapping[str, int]
    settings: str
    passwords: Mapping[str, str]


@asynccontextmanager
async def running(
    folder: Path, *, port: int | None = None, advertised: int | None = None, doors: Doors | None = None
) -> AsyncIterator[str]:
    """A node of its own in this folder; yields its address. `advertised` is the port of a proxy before it."""
    ports, processes = Ports(), Processes(folder)
    leftovers.end(folder)
    try:
        yield await start(processes, ports, folder, port or ports.take(), advertised=advertised, doors=doors)
    finally:
        await processes.stop()
        ports.release()


async def start(
    processes: Processes, ports: Ports, folder: Path, port: int, *, advertised: int | None = None,
    doors: Doors | None = None,
) -> str:  # fmt: skip
    """Fetch the jars if need be, format `folder/kafka` if it is new, start, and return the address when it answers."""
    java, jars = _java(), await fetch()
    data = folder / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    settings = folder / "kafka.properties"
    doors = doors or Doors({}, "", {})
    settings.write_text(_settings(data, port, ports.take(), advertised or port, doors))
    if not (data / "meta.properties").exists():
        # Written as one word with its option: one in 64 begins with a hyphen.
        cluster = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        argv = [*_command(java, jars), "kafka.tools.StorageTool", "format", f"-t{cluster}", "-c", str(settings)]
        for user, password in doors.passwords.items():
            argv += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        await finish(Program("kafka-format", argv, cwd=folder), folder / "logs" / "kafka-format.log")
    argv = [*_command(java, jars), "kafka.Kafka", str(settings)]
    processes.start(Program("broker", argv, cwd=folder, patience=20.0))
    await broker.answers(f"{LOOPBACK}:{port}", processes, within=_START)
    return f"{LOOPBACK}:{advertised or port}"


async def fetch() -> Path:
    """The folder of jars, filled by Maven unless it is there for this pom.xml; `Unavailable` says why not."""
    pom = deploy("kafka") / "pom.xml"
    jars = pom.parent / "target" / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if jars.exists():
        return jars
    _java()
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Apache Kafka cannot be fetched: Maven (mvn) is not installed")
    try:
        jars.parent.mkdir(exist_ok=True)
        with (jars.parent / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)  # two test runs fetch once
            if not jars.exists():
                await _copy_jars(maven, pom, Path(scratch))
                (Path(scratch) / "jars").rename(jars)
    except PermissionError:
        raise Unavailable(f"Apache Kafka cannot be fetched: {jars.parent} is not ours to write") from None
    return jars


async def _copy_jars(maven: str, pom: Path, scratch: Path) -> None:
    log = scratch / "maven.log"
    goal = ["dependency:copy-dependencies", f"-Djars={scratch / 'jars'}"]
    argv = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(pom), *goal]
    environment = {name: value for name, value in os.environ.items() if name.startswith(("HOME", "JAVA", "MAVEN"))}
    try:
        await finish(Program("mvn", argv, env=environment, cwd=pom.parent), log, within=600)
    except Trouble:
        said = re.search(r"\[ERROR\] (.+?)(?: -> \[Help.*)?$", log.read_text(errors="replace"), re.MULTILINE)
        reason = said[1][:400] if said else "Maven failed, and does not say why"
        raise Unavailable(f"Apache Kafka cannot be fetched: {reason}") from None


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise Unavailable("Apache Kafka cannot be started: Java 17 or later is not installed")
    return java


def _command(java: str, jars: Path) -> list[str]:
    logs = f"-Dlog4j2.configurationFile={deploy('kafka') / 'log4j2.properties'}"
    return [java, *_HEAP, logs, "-cp", f"{jars}/*"]


def _settings(data: Path, port: int, controller: int, advertised: int, doors: Doors) -> str:
    listening = "".join(f",{protocol}://{LOOPBACK}:{number}" for protocol, number in doors.ports.items())
    protocols = "".join(f",{protocol}:{protocol}" for protocol in doors.ports)
    return f"""\
# One node for tests, written anew at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{controller}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}{listening}
advertised.listeners=CLIENTS://{LOOPBACK}:{advertised}{listening}
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Short sessions, so that a test of a dead consumer does not wait for the six seconds Kafka insists on by default.
group.min.session.timeout.ms=500
{doors.settings}"""


async def _fetch() -> int:
    print(await fetch())
    return 0


async def _foreground(folder: Path) -> int:
    ports, processes = Ports(), Processes(folder)
    with home.occupy(folder):
        leftovers.end(folder)
        try:
            address = await start(processes, ports, folder, ports.take(9092))
            print(f"Apache Kafka at {address}; ctrl-C stops it", flush=True)
            await interrupts.until_interrupted(processes.watch())
            print("stopping; the data is kept")
        finally:
            await processes.stop()
            ports.release()
    return 0


if __name__ == "__main__":
    sys.exit(interrupts.run(_fetch() if sys.argv[1:] == ["fetch"] else _foreground(Path(".kafka").resolve())))
