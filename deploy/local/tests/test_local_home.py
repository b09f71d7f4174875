"""One folder, one system: the lock, the keys that stay, and ports that no two systems share."""

import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from relevo.scopes import Scope
from relevo_local import home
from relevo_local.ports import LOOPBACK, Ports, is_listening
from relevo_local.services import SCOPES

Start = Callable[..., "subprocess.Popen[str]"]

HOLD = """
import sys, time
from pathlib import Path
from relevo_local import home
with home.occupy(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_system_in_the_folder_is_told_who_is_there(start: Start, tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path, root=True)
    assert heard(holder) == "held"
    with (
        pytest.raises(home.Occupied, match=rf"already runs in .* \(process {holder.pid}\): stop it"),
        home.occupy(tmp_path),
    ):
        pass
    holder.kill()
    holder.wait()
    with home.occupy(tmp_path):
        pass


def test_keys_are_drawn_once_and_private(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    drawn = home.keys(first)
    assert home.keys(first) == drawn
    assert stat.S_IMODE((first / "keys.json").stat().st_mode) == 0o600
    other = home.keys(second)
    assert not {drawn.owner, drawn.api, drawn.source, *drawn.roles.values()} & {other.owner, other.api, other.source}


def test_a_running_system_is_found_by_its_folder(tmp_path: Path) -> None:
    assert home.read_env(tmp_path) == {}
    home.announce(tmp_path, {"RELEVO_KAFKA": "127.0.0.1:9092", "RELEVO_API_TOKEN": "a=b"})
    assert home.read_env(tmp_path) == {"RELEVO_KAFKA": "127.0.0.1:9092", "RELEVO_API_TOKEN": "a=b"}
    in_a_shell = subprocess.run(
        ["sh", "-c", f"set -a; . {tmp_path}/env; env"], capture_output=True, text=True, check=True
    )
    assert "RELEVO_API_TOKEN=a=b" in in_a_shell.stdout.splitlines()
    home.withdraw(tmp_path)
    assert home.read_env(tmp_path) == {}


def test_the_usual_port_if_it_is_free_and_another_if_not() -> None:
    ports = Ports()
    usual = ports.take()  # none that the kernel gives to an outgoing connection meanwhile
    ports.release()
    with socket.create_server((LOOPBACK, usual)):
        assert ports.take(usual) != usual
        ports.release()
        assert is_listening(usual)
    ports = Ports()
    assert ports.take(usual) == usual
    ports.release()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the lock is a Unix socket")
def test_two_systems_never_take_the_same_port() -> None:
    """Although nobody listens on any of them yet."""
    mine, yours = Ports(), Ports()
    taken = [system.take(8000) for system in (mine, yours, mine, yours)]
    taken += [system.take() for system in (mine, yours) for _ in range(20)]
    assert len(set(taken)) == len(taken)
    mine.release()
    yours.release()


def test_a_persons_token_may_do_everything_but_act_for_others() -> None:
    assert {*SCOPES, "act-for"} == set(get_args(Scope))
