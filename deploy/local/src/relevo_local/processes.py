"""Child processes that end with us, whatever ends us, and that fail as one."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from relevo_local import leftovers
from relevo_local.identity import Identity
from relevo_local.trouble import Trouble

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_TAIL = 12  # lines of a log that a message shows


@dataclass(frozen=True)
class Program:
    """What to run, and how it wants to be stopped."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)  # the whole environment but PATH and the locale
    cwd: Path | None = None
    user: Identity | None = None  # root starts it as this one
    stop: signal.Signals = signal.SIGTERM
    orphaned: signal.Signals = signal.SIGKILL  # what the kernel sends it when we are gone
    patience: float = 10.0  # seconds from `stop` to SIGKILL
    files: Sequence[int] = ()  # open files handed on


@dataclass(frozen=True)
class Child:
    program: Program
    process: "subprocess.Popen[bytes]"
    log: Path


class Failed(Trouble):
    """A process ended that should not have, or ended badly. Its message is for people: which, how, last lines."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        super().__init__(f"{name} {how}. The end of {log}:\n{tail(log)}")
        self.name = name
        self.status = status


def tail(log: Path, lines: int = _TAIL) -> str:
    """The last lines of a log, indented; an empty log says so."""
    found = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join(f"    {line}" for line in found) or "    (nothing)"


def spawn(program: Program, log: Path) -> Child:
    """Start it in a session of its own, so that a terminal's ctrl-C reaches us alone and we stop all in order.

    Call it from a thread that lasts: Linux sends the parent-death signal when the *thread* that forked ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))  # what the run before this one said
    identity: dict[str, object] = {}
    if program.user is not None:
        identity = {"user": program.user.uid, "group": program.user.gid, "extra_groups": []}
    with log.open("wb") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            list(program.argv),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **program.env},
            cwd=program.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=program.files,
            preexec_fn=end_with_parent(program.orphaned),
            **identity,
        )
    return Child(program, process, log)


def end_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """What a child does between fork and exec so that the kernel sends it a signal when we die, even by SIGKILL.

    It runs after the change of user, which would clear the setting. Only Linux has it; elsewhere the next start
    ends what a SIGKILL left behind (`leftovers.py`).
    """
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sent))
        if os.getppid() != parent:  # we died before the child got here: no signal will come
            os._exit(1)

    return tie


async def finish(program: Program, log: Path, within: float = 120.0) -> None:
    """Run a program that ends by itself; raise `Failed` unless it ends well."""
    child = spawn(program, log)
    try:
        status = await _ended(child, within)
    finally:
        _kill_group(child)
    if status is None:
        raise Trouble(f"{program.name} did not end within {within:.0f} s. The end of {log}:\n{tail(log)}")
    if status != 0:
        raise Failed(program.name, status, log)


class Processes:
    """The running children of one system, oldest first; `folder` remembers them for a start after `kill -9`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def start(self, program: Program) -> Child:
        child = spawn(program, self._folder / "logs" / f"{program.name}.log")
        self._children.append(child)
        self._remember()
        return child

    def kill(self, name: str) -> None:
        """SIGKILL one child and think no more of it."""
        (child,) = [child for child in self._children if child.program.name == name]
        self._children.remove(child)
        _kill_group(child)
        self._remember()

    def pid(self, name: str) -> int:
        """The process id of a running child. Raises KeyError."""
        return {child.program.name: child.process.pid for child in self._children}[name]

    def check(self) -> None:
        """Raise `Failed` for the first child that is no longer there."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                raise Failed(child.program.name, status, child.log)

    async def watch(self) -> None:
        """Return never; raise as soon as one child ends by itself."""
        while True:
            self.check()
            await asyncio.sleep(0.2)

    async def stop(self, *names: str) -> list[str]:
        """Stop these together (all of them: newest first, each after the one before); say who had to be killed."""
        groups = (
            [[child for child in self._children if child.program.name in names]]
            if names
            else [[child] for child in reversed(self._children)]
        )
        killed = []
        for group in groups:
            killed += [name for name in await asyncio.gather(*map(_stop, group)) if name is not None]
            self._children = [child for child in self._children if child not in group]
            self._remember()
        return killed

    def _remember(self) -> None:
        leftovers.remember(self._folder, [child.process.pid for child in self._children])


async def _stop(child: Child) -> str | None:
    """Stop one child; its name if it did not obey in time."""
    if child.process.poll() is None:
        child.process.send_signal(child.program.stop)
    obeyed = await _ended(child, child.program.patience) is not None
    _kill_group(child)
    return None if obeyed else child.program.name


async def _ended(child: Child, within: float) -> int | None:
    """Its exit status, or None if it still runs when the time is over."""
    deadline = time.monotonic() + within
    pause = 0.002
    while (status := child.process.poll()) is None and time.monotonic() < deadline:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return status


def _kill_group(child: Child) -> None:
    """End the child if it still runs, and whatever it left in its process group."""
    with suppress(ProcessLookupError, PermissionError):  # nobody there; macOS says EPERM for a group of the dead
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
