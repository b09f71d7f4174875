"""Time travel on one machine: every database's clock, and ingest's file."""

import os
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from pathlib import Path

from relevo_local import databases
from relevo_local.home import DATABASES
from relevo_local.postgres import Server


async def travel(environment: Mapping[str, str], words: str) -> timedelta:
    """Move by `+2h`, `+1d12h`, or `reset`; returns how far the clocks are ahead then.

    `environment` is that of `relevo exec`, or what a running `relevo up` announced. Raises ValueError on other words.
    """
    from relevo.playbook.values import parse_duration  # late: `relevo exec` has no need of it

    if words == "reset":
        return await set_ahead(environment, timedelta(0), back=True)
    if not words.startswith("+"):
        raise ValueError("say how far to go, as in +2h, +1d12h or +20m; or reset")
    further = parse_duration(words[1:])
    server = Server(environment["RELEVO_POSTGRES"])
    return await set_ahead(environment, await databases.shift(server, list(DATABASES)) + further)


async def set_ahead(environment: Mapping[str, str], ahead: timedelta, *, back: bool = False) -> timedelta:
    """Set every clock this far ahead of the real time (behind, if negative). `back`: that is not later than now."""
    server, file = Server(environment["RELEVO_POSTGRES"]), Path(environment["RELEVO_CLOCK_FILE"])
    await in_order(databases.set_shift(server, list(DATABASES), ahead), file, ahead, back=back)
    return ahead


async def in_order(shift_databases: Awaitable[object], file: Path, ahead: timedelta, *, back: bool) -> None:
    """Forwards ingest comes last, backwards first: what it stamps is then never later than now where it is read."""
    if back:
        _write(file, ahead)
    await shift_databases
    if not back:
        _write(file, ahead)


def _write(file: Path, ahead: timedelta) -> None:
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(str(ahead.total_seconds()))
    os.replace(fresh, file)
