"""The whole system by `relevo up` and `relevo exec`: ready, told of, stopped, killed, started again; root and user."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from relevo.testing.services import PATIENCE
from relevo.usual import PORTS
from relevo_local import broker, home, postgres

Start = Callable[..., "subprocess.Popen[str]"]

UP = "import sys; from relevo.cli import main; sys.argv[1:] = ['up', '--folder', *sys.argv[1:]]; main()"
ROOT = os.geteuid() == 0


def relevo(*arguments: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from relevo.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read what it says on standard error up to a line that matches; everything it said."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(f"{pattern!r} was not said, but:\n{said}")


def family(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def get(url: str, token: str = "") -> dict[str, object]:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found = json.loads(answer.read())
        assert isinstance(found, dict)
        return found


def send_touchpoints(env: dict[str, str], count: int) -> None:
    items = [{"type": "page_viewed", "email": f"ana{number}@example.es"} for number in range(count)]
    request = urllib.request.Request(
        env["RELEVO_INGEST_URL"] + "/v1/touchpoints",
        data=json.dumps(items).encode(),
        headers={"authorization": f"Bearer {env['RELEVO_SOURCE_KEY']}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert json.loads(answer.read())["accepted"] == count


async def applied(folder: Path) -> int:
    """How many touchpoints scoring has in a folder where nothing runs."""
    async with postgres.running(folder) as server:
        connection = await asyncpg.connect(server.database("scoring"))
        count = await connection.fetchval("select count(*) from touchpoint")
        await connection.close()
    assert isinstance(count, int)
    return count


@pytest.fixture
def ended() -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that are ended with the test."""
    begun: list[subprocess.Popen[str]] = []
    yield begun
    for process in begun:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


INSIDE = """
import asyncio, asyncpg, json, os, sys, urllib.request
told = {name: value for name, value in os.environ.items() if name.startswith("RELEVO_")}
ready = [urllib.request.urlopen(url + "/readyz").status for name, url in told.items() if name.endswith("_URL")]

async def databases():
    owner = await asyncpg.connect(told["RELEVO_POSTGRES"])
    return [row[0] for row in await owner.fetch("select datname from pg_database where not datistemplate")]

print(json.dumps({"told": sorted(told), "ready": ready, "databases": sorted(asyncio.run(databases()))}))
sys.exit(7)
"""


def test_exec_gives_a_command_all_it_needs_and_ends_with_its_status() -> None:
    process = relevo("exec", "--", sys.executable, "-c", INSIDE)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 7, err
    found = json.loads(out)  # the command's output and nothing else
    assert set(found["told"]) >= {
        "RELEVO_API_TOKEN",
        "RELEVO_CONSOLE_URL",
        "RELEVO_HANDOFF_URL",
        "RELEVO_INGEST_URL",
        "RELEVO_KAFKA",
        "RELEVO_POSTGRES",
        "RELEVO_SCORING_URL",
        "RELEVO_SLA_MONITOR_URL",
        "RELEVO_SOURCES",
        "RELEVO_SOURCE_KEY",
    }
    assert found["ready"] == [200] * 5
    assert found["databases"] == ["console", "handoff", "postgres", "scoring", "sla_monitor"]


def test_exec_forwards_signals_and_leaves_nothing(ended: list["subprocess.Popen[str]"]) -> None:
    command = "trap 'echo asked; exit 9' INT; echo $$ $RELEVO_LOGS; while :; do sleep 0.1; done"
    process = relevo("exec", "--", "sh", "-c", command)
    ended.append(process)
    assert process.stdout is not None
    _, logs = process.stdout.readline().split()
    children = family(process)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"
    assert process.wait(PATIENCE) == 9
    assert not psutil.wait_procs(children, timeout=0)[1]
    assert not Path(logs).parent.exists()


def test_exec_fails_as_one_and_names_the_service_that_ended(ended: list["subprocess.Popen[str]"]) -> None:
    process = relevo("exec", "--", "sh", "-c", "echo started; sleep 600")
    ended.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    (victim,) = [child for child in family(process) if "scoring" in child.cmdline()]
    victim.kill()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "scoring was ended by SIGKILL. The end of " in err


def test_exec_says_at_once_when_there_is_no_such_command() -> None:
    process = relevo("exec", "--", "no-such-command")
    assert process.communicate(timeout=PATIENCE) == ("", "no-such-command: there is no such command\n")
    assert process.returncode == 127


async def test_up_stops_in_peace_survives_a_kill_and_keeps_its_data(
    ended: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    first = relevo("up", "--folder", str(tmp_path))
    ended.append(first)
    assert "published the example playbook for both teams" in until(first, "ctrl-C")
    env = home.read_env(tmp_path)
    before = get(env["RELEVO_CONSOLE_URL"] + "/v1/playbooks/active", env["RELEVO_API_TOKEN"])

    second = relevo("up", "--folder", str(tmp_path))
    _, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert f"A Relevo already runs in {tmp_path} (process {first.pid})" in err

    moved = relevo("clock", "+1d2h", "--folder", str(tmp_path))
    assert moved.communicate(timeout=PATIENCE)[0] == "the clock is 1d2h ahead\n"
    moved = relevo("clock", "+30m", "--folder", str(tmp_path))
    assert moved.communicate(timeout=PATIENCE)[0] == "the clock is 1d2h30m ahead\n"
    assert (tmp_path / "clock").read_text() == "95400.0"
    moved = relevo("clock", "reset", "--folder", str(tmp_path))
    assert moved.communicate(timeout=PATIENCE)[0] == "the clock shows the real time\n"

    children = family(first)
    first.kill()
    assert not psutil.wait_procs(children, timeout=PATIENCE)[1]

    third = relevo("up", "--folder", str(tmp_path))
    ended.append(third)
    assert "published" not in until(third, "ctrl-C")
    env = home.read_env(tmp_path)
    after = get(env["RELEVO_CONSOLE_URL"] + "/v1/playbooks/active", env["RELEVO_API_TOKEN"])
    assert after == before
    send_touchpoints(env, 200)
    children = family(third)
    third.send_signal(signal.SIGINT)
    said = third.communicate(timeout=PATIENCE)[1]
    assert third.returncode == 0, said
    assert "not everything was handled" not in said
    assert "was killed" not in said
    assert not psutil.wait_procs(children, timeout=0)[1]
    assert home.read_env(tmp_path) == {}
    moved = relevo("clock", "reset", "--folder", str(tmp_path))
    assert f"no Relevo runs in {tmp_path}" in moved.communicate(timeout=PATIENCE)[1]
    assert await applied(tmp_path) == 200  # although the broker that had carried them has forgotten all


@pytest.mark.skipif(not ROOT, reason="not root")
def test_root_and_user_run_the_whole_system_at_once(start: Start, folder: Callable[[bool], Path]) -> None:
    places = {root: folder(root) for root in (True, False)}
    running = {root: start(UP, place, root=root, errors=True) for root, place in places.items()}
    for process in running.values():
        until(process, "ctrl-C")
    found = [home.read_env(place) for place in places.values()]
    addresses = [value for env in found for name, value in env.items() if name.endswith(("_URL", "_KAFKA"))]
    assert len(set(addresses)) == 2 * (len(PORTS) + 1)
    for process in running.values():
        process.send_signal(signal.SIGINT)
    for process in running.values():
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(PATIENCE) == 0, said


async def test_exec_on_servers_of_others_leaves_them_as_they_were(tmp_path: Path) -> None:
    """As an owner who may create databases and roles, and no more."""
    async with postgres.running(tmp_path / "postgres") as server, broker.running(tmp_path / "broker") as kafka:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("create role tenant login createdb createrole password 'x'")
        before = await connection.fetch("select datname from pg_database union all select rolname from pg_roles")
        dsn = server.database("postgres", "tenant", "x")
        ask = "import os; print(os.environ['RELEVO_POSTGRES'], os.environ['RELEVO_KAFKA'])"
        process = relevo("exec", "--postgres", dsn, "--kafka", kafka, "--", sys.executable, "-c", ask)
        out, err = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        assert (process.returncode, out) == (0, f"{dsn} {kafka}\n"), err
        after = await connection.fetch("select datname from pg_database union all select rolname from pg_roles")
        assert sorted(row[0] for row in after) == sorted(row[0] for row in before)
        await connection.close()
    process = relevo("exec", "--postgres", dsn, "--kafka", kafka, "--", "true")
    assert (
        "cannot use the PostgreSQL at 127.0.0.1:" in (await asyncio.to_thread(process.communicate, timeout=PATIENCE))[1]
    )
