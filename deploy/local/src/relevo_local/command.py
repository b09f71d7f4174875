"""The command of `relevo exec`: in our terminal, with the system's variables; signals reach it, its status is ours."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

from relevo_local import leftovers
from relevo_local.interrupts import heard_by
from relevo_local.processes import end_with_parent
from relevo_local.system import System
from relevo_local.trouble import Trouble

_PATIENCE = 10.0  # seconds from SIGTERM to SIGKILL, when the system has failed beneath it


async def run_command(command: Sequence[str], system: System) -> int:
    """Run it to its end and return its status as a shell would; raise if the system fails first."""
    process = _begin(command, system)

    def forward(sent: signal.Signals) -> None:
        # It shares our terminal and process group: a ctrl-C typed there has reached it already.
        if not (sent == signal.SIGINT and sys.stdin.isatty()):
            process.send_signal(sent)

    watching = asyncio.create_task(system.watch())
    try:
        with heard_by(forward):
            while (status := process.poll()) is None:
                if watching.done():
                    watching.result()
                await asyncio.sleep(0.02)
    finally:
        watching.cancel()
        if process.poll() is None:
            _end(process)
    return status if status >= 0 else 128 - status


def _begin(command: Sequence[str], system: System) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **system.environment}
    try:
        return subprocess.Popen(list(command), env=environment, preexec_fn=end_with_parent(signal.SIGTERM))
    except OSError as error:
        raise Trouble(f"cannot run {command[0]}: {error.strerror}") from None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the command and all that it has started: a shell alone would leave its children behind."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    leftovers.kill(psutil.wait_procs(family, timeout=_PATIENCE)[1])
    process.wait()
