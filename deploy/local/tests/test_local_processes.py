"""Child processes: started in sessions of their own, stopped in order, failing as one, found again after a kill."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from relevo.testing.services import PATIENCE
from relevo_local import leftovers
from relevo_local.processes import Failed, Processes, Program, finish
from relevo_local.trouble import Trouble

Start = Callable[..., "subprocess.Popen[str]"]


def python(name: str, code: str, patience: float = PATIENCE) -> Program:
    return Program(name, [sys.executable, "-uc", code], patience=patience)


WAITS = "import time; print('up'); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"


async def said_up(log: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not (log.exists() and "up" in log.read_text()):
            await asyncio.sleep(0.01)


async def test_one_that_ends_is_named_with_its_last_words(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    running.start(python("steady", WAITS))
    running.start(python("frail", "import sys; print('all is well'); sys.exit('out of luck')"))
    with pytest.raises(Failed, match="frail ended with status 1") as failure:
        async with asyncio.timeout(PATIENCE):
            await running.watch()
    assert failure.value.name == "frail"
    assert "    all is well" in str(failure.value)
    assert "    out of luck" in str(failure.value)
    await running.stop()
    running.check()  # nothing is left to fail


async def test_one_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    child = running.start(python("victim", WAITS))
    child.process.kill()
    with pytest.raises(Failed, match="victim was ended by SIGKILL"):
        async with asyncio.timeout(PATIENCE):
            await running.watch()
    await running.stop()


async def test_stops_newest_first_and_kills_who_does_not_obey(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    noting = (
        "import signal, sys, time\n"
        "def end(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up'); time.sleep(600)"
    )
    order = tmp_path / "order"
    for name in "abc":
        child = running.start(Program(name, [sys.executable, "-uc", noting, str(order), name], patience=PATIENCE))
        await said_up(child.log)
    child = running.start(python("stubborn", STUBBORN, patience=0.2))
    await said_up(child.log)
    assert await running.stop() == ["stubborn"]
    assert order.read_text() == "cba"


async def test_stopping_takes_grandchildren_along(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    nest = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAITS!r}]).wait()"
    child = running.start(python("nest", f"print('up', flush=True); {nest}"))
    await said_up(child.log)
    async with asyncio.timeout(PATIENCE):
        while not (young := psutil.Process(child.process.pid).children()):
            await asyncio.sleep(0.01)
    await running.stop()
    assert not psutil.wait_procs(young, timeout=PATIENCE)[1]


async def test_a_program_that_should_end_well_must(tmp_path: Path) -> None:
    await finish(python("fine", "print('done')"), tmp_path / "fine.log")
    with pytest.raises(Failed, match="bad ended with status 3"):
        await finish(python("bad", "raise SystemExit(3)"), tmp_path / "bad.log")
    with pytest.raises(Trouble, match="slow did not end within 0 s"):
        await finish(python("slow", WAITS), tmp_path / "slow.log", within=0.2)
    await finish(python("fine", "print('again')"), tmp_path / "fine.log")
    assert (tmp_path / "fine.log").read_text() == "again\n"
    assert (tmp_path / "fine.log.1").read_text() == "done\n"


PARENT = """
import asyncio, sys, time
from pathlib import Path
from relevo_local import processes
if sys.argv[2] == "untied":  # as on a system without parent-death signals
    processes._LIBC = None
child = processes.Processes(Path(sys.argv[1])).start(
    processes.Program("child", [sys.executable, "-c", "import time; time.sleep(600)"]))
print(child.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_the_kernel_ends_children_of_a_killed_parent(start: Start, tmp_path: Path) -> None:
    parent = start(PARENT, tmp_path, "tied", root=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    child.wait(PATIENCE)


def test_the_next_start_ends_what_the_kernel_did_not(start: Start, tmp_path: Path) -> None:
    parent = start(PARENT, tmp_path, "untied", root=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    assert child.is_running()
    assert leftovers.end(tmp_path) == 1
    assert not child.is_running()
    assert leftovers.end(tmp_path) == 0


def test_a_number_in_use_by_another_is_left_alone(start: Start, tmp_path: Path) -> None:
    other = start("import time; time.sleep(600)", root=True)
    leftovers.remember(tmp_path, [other.pid])
    record = tmp_path / "processes.json"
    record.write_text(record.read_text().replace('"created": ', '"created": 1'))
    assert leftovers.end(tmp_path) == 0
    time.sleep(0.05)
    assert other.poll() is None


INTERRUPTED = """
import asyncio
from relevo_local import interrupts

async def work():
    try:
        print("working", flush=True)
        await asyncio.sleep(600)
    finally:
        print("cleaning", flush=True)
        await asyncio.sleep(0.5)
        print("clean", flush=True)

raise SystemExit(interrupts.run(work()))
"""


def test_the_first_signal_ends_the_work_and_the_second_does_not_disturb_its_cleaning(start: Start) -> None:
    process = start(INTERRUPTED, root=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "clean\n"
    assert process.wait(PATIENCE) == 130
