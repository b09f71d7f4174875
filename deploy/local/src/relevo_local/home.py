"""The folder of one installation (`.relevo`): who occupies it, its random keys, and how others find its system."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from relevo_local.trouble import Trouble

DATABASES = ("scoring", "handoff", "sla_monitor", "console")


def _key() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Keys:
    """Drawn afresh for each installation and kept with its data, which they unlock."""

    owner: str = field(default_factory=_key)  # PostgreSQL, its owner's password
    roles: dict[str, str] = field(default_factory=lambda: {name: _key() for name in DATABASES})
    installation: str = field(default_factory=_key)  # RELEVO_SECRET, from which subjects are derived
    api: str = field(default_factory=_key)  # a person's token: every scope but `act-for`
    act_for: str = field(default_factory=_key)  # the console's
    source: str = field(default_factory=_key)  # of the secret source `demo`
    page: str = field(default_factory=_key)  # of the public source `website`


class Occupied(Trouble):
    """Another system runs in this folder."""


@contextmanager
def occupy(folder: Path) -> Iterator[None]:
    """Make the folder ours while we run. The kernel gives it back when we die, however we die."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except PermissionError:
        raise Trouble(f"{folder} is not ours to write: give --folder another place") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Occupied(
                f"A Relevo already runs in {folder} (process {lock.read() or 'unknown'}): "
                "stop it with ctrl-C, or give --folder another place"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def keys(folder: Path) -> Keys:
    """The installation's keys: those kept in the folder, and a new one for each that is not there yet."""
    place = folder / "keys.json"
    kept = json.loads(place.read_text()) if place.exists() else {}
    complete = Keys(**kept)
    if asdict(complete) != kept:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(place, json.dumps(asdict(complete), indent=1))
    return complete


def write_private(place: Path, text: str) -> None:
    """Write a file that only we may read, in one step."""
    fresh = place.with_name(place.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)


def announce(folder: Path, environment: Mapping[str, str]) -> None:
    """Tell others how to reach the running system: `set -a; . .relevo/env` in a shell, `read_env` in Python."""
    write_private(folder / "env", "".join(f"{name}='{value}'\n" for name, value in environment.items()))


def withdraw(folder: Path) -> None:
    (folder / "env").unlink(missing_ok=True)


def read_env(folder: Path) -> dict[str, str]:
    """What `announce` wrote; empty if nothing runs there."""
    try:
        lines = (folder / "env").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}
