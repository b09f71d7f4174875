"""Who a server runs as: root's servers drop to an unprivileged account that every Unix has."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    name: str
    uid: int
    gid: int


def unprivileged() -> Identity | None:
    """The account PostgreSQL runs as, which refuses to run as root; None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)


def may_use(who: Identity, folder: Path) -> bool:
    """Can this account, which owns nothing here, reach the folder and read what is in it?

    A checkout under /root (mode 0700) cannot be reached; one made under umask 077 cannot be read.
    """
    folder = folder.resolve()
    if not folder.stat().st_mode & stat.S_IROTH:
        return False
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def private_folder(folder: Path, owner: Identity | None) -> None:
    """Make a folder that only this account may enter (None: ourselves)."""
    folder.mkdir(mode=0o700, parents=True)
    if owner is not None:
        os.chown(folder, owner.uid, owner.gid)
