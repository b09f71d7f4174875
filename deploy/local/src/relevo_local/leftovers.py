"""What an earlier start left behind when it was killed: found by pid and creation time, and ended."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

_SAME = 1.0  # seconds: creation times are read in clock ticks


def remember(folder: Path, pids: Iterable[int]) -> None:
    """Write down which processes belong to this folder, in one step."""
    known = []
    for pid in pids:
        try:
            known.append({"pid": pid, "created": psutil.Process(pid).create_time()})
        except psutil.NoSuchProcess:  # it ended meanwhile: nothing to find later
            continue
    fresh = _record(folder).with_suffix(".new")
    fresh.write_text(json.dumps(known))
    os.replace(fresh, _record(folder))


def end(folder: Path) -> int:
    """Kill the remembered processes that still run, and their children; how many there were."""
    try:
        known = json.loads(_record(folder).read_text())
    except (FileNotFoundError, ValueError):  # none yet, or the machine stopped while it was written
        return 0
    found = [process for entry in known for process in _still_running(entry["pid"], entry["created"])]
    kill(found)
    _record(folder).unlink(missing_ok=True)
    return len(found)


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL all, and wait until they are gone."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def _still_running(pid: int, created: float) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - created) > _SAME:  # the number belongs to somebody else by now
            return []
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _record(folder: Path) -> Path:
    return folder / "processes.json"
