"""An ordinary user for these tests, also when they run as root: `nobody`, with a Python it can reach."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from relevo.usual import PORTS
from relevo_local.identity import Identity, may_use, unprivileged

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def reachable() -> Iterator[Path]:
    """A folder that every account can walk into, for what an ordinary user needs."""
    folder = Path(tempfile.mkdtemp(prefix="relevo-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def user_python(reachable: Path) -> tuple[str, str]:
    """A Python and a PYTHONPATH that an ordinary user can use: ours, or linked copies if ours are under /root."""
    code = [Path(sysconfig.get_paths()["purelib"])]
    code += [Path(str(import_module(name).__file__)).parents[1] for name in ("relevo", "relevo_local", *PORTS)]
    python = Path(sys.base_prefix)
    user = unprivileged()
    if user is not None:
        code = [
            place if may_use(user, place) else _linked(place, reachable / f"code{i}") for i, place in enumerate(code)
        ]
        python = python if may_use(user, python / "bin") else _linked(python, reachable / "python")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(python / "bin" / version), os.pathsep.join(map(str, code))


@pytest.fixture
def start(user_python: tuple[str, str], reachable: Path) -> Iterator[Start]:
    """`start(program, *arguments, root=False)`: a Python program as an ordinary user or as root, until it ends."""
    begun: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: str | Path, root: bool = False, errors: bool = False) -> "subprocess.Popen[str]":
        python, path = (sys.executable, os.environ.get("PYTHONPATH", "")) if root else user_python
        user = None if root else unprivileged()
        process = subprocess.Popen(
            [python, "-c", program, *map(str, arguments)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(reachable),
                "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib"),  # a Python may have its core beside it
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=reachable,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if errors else None,
            text=True,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def folder(reachable: Path) -> Callable[[bool], Path]:
    """A new folder of root's, or of the ordinary user's."""

    def new(root: bool) -> Path:
        place = Path(tempfile.mkdtemp(dir=reachable))
        user: Identity | None = None if root else unprivileged()
        if user is not None:
            os.chown(place, user.uid, user.gid)
        return place

    return new


def _linked(source: Path, target: Path) -> Path:
    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)

    skip = shutil.ignore_patterns("__pycache__", "test", "tests", "config-*", "share", "include")
    shutil.copytree(source, target, symlinks=True, copy_function=link, ignore=skip)
    return target
