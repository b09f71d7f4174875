"""Free ports on the loopback, each handed out once on this machine, whoever else is starting a Relevo."""

import secrets
import socket
import sys

from relevo_local.trouble import Trouble

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel picks the ports of outgoing connections (from 32768 on Linux), so that
# none of those can take a port between our choice and its listener.
_ANY = range(20_000, 32_000)


def is_listening(port: int, host: str = LOOPBACK) -> bool:
    """Does somebody answer on this port?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def port_of(address: str) -> int:
    """Of `host:port`."""
    return int(address.rpartition(":")[2])


class Ports:
    """Ports taken by one running system, held until `release`."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, usual: int | None = None) -> int:
        """The usual port, else the one 10,000 above it, else any free one."""
        for port in () if usual is None else (usual, usual + 10_000):
            if self._hold(port):
                return port
        for _ in range(1_000):
            port = _ANY[secrets.randbelow(len(_ANY))]  # at random: two starts rarely try the same one
            if self._hold(port):
                return port
        raise Trouble(f"no free port on {LOOPBACK} between {_ANY.start} and {_ANY.stop}")

    def release(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()

    def _hold(self, port: int) -> bool:
        return self._reserve(port) and self._is_free(port)

    def _reserve(self, port: int) -> bool:
        # An abstract Unix socket is a lock by name across all users of the machine that leaves no file and dies
        # with us. It closes the gap between "is free" and "is listened on", in which two starts pick one port.
        if sys.platform != "linux":
            return True
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0relevo-port-{port}")
        except OSError:
            lock.close()
            return False
        self._held.append(lock)
        return True

    @staticmethod
    def _is_free(port: int) -> bool:
        with socket.socket() as probe:
            # As servers do: connections that an earlier server closed a minute ago are not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
                probe.listen(1)
            except OSError:
                return False
        return True
