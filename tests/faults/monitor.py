"""sla-monitor under faults: replicas killed while deadlines come, a monitor that was down, a wall clock that jumps."""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults.rig import TARGET, Rig, accepted, assigned, rig
from tests.sla.histories import lead_id

from relevo.events import SlaBreached, SlaCorrected, SlaMet, SlaWarned

Say = Callable[[str], None]
Report = dict[str, Any]
_BREACHES = "select count(*) from breach"


async def kills(clocks: int, seed: int, say: Say) -> Report:
    """Two replicas, one of them killed every few seconds while the deadlines come."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="relevo-faults-") as folder:
        async with rig(Path(folder)) as stage:
            await _two(stage)
            over = max(20.0, clocks / 200)  # seconds in which they come due
            say(f"{clocks} clocks, due within {over:.0f} s")
            await _load(stage, clocks, over, ahead=15 + clocks / 800)
            killed: list[str] = []
            killing = asyncio.create_task(_kill(stage, chance, killed))
            try:
                await stage.until(_BREACHES, clocks, over + 240)
            finally:
                killing.cancel()
                await asyncio.gather(killing, return_exceptions=True)
            for name in ("one", "two"):
                if name not in stage.up:
                    stage.start(name)
            await asyncio.gather(stage.ready("one"), stage.ready("two"))
            said = await stage.said()
    return {"clocks": clocks, "kills": len(killed), "problems": _each_step_once(said, range(clocks))}


async def down(clocks: int, seed: int, say: Say) -> Report:
    """Ten minutes without a monitor, in which all these clocks come due and three in ten are answered."""
    answered = random.Random(seed).sample(range(clocks), clocks * 3 // 10)
    silent = sorted(set(range(clocks)) - set(answered))
    with tempfile.TemporaryDirectory(prefix="relevo-faults-") as folder:
        async with rig(Path(folder)) as stage:
            stage.start("one")
            await stage.ready("one")
            await _load(stage, clocks, over=120, ahead=300)
            say(f"{clocks} clocks run; the monitor is killed")
            stage.kill("one")
            now = await stage.now()
            await stage.publish([accepted(number, now) for number in answered])
            await stage.sql("update clock_shift set shift = shift + interval '10 minutes'")
            stage.start("one")
            await stage.ready("one")
            began = time.monotonic()
            await stage.until("select count(*) from clock where state = 'met'", len(answered), 120)
            caught_up = time.monotonic()
            await stage.until(_BREACHES, len(silent), 120)
            took = time.monotonic() - caught_up
            said = await stage.said()
            order = [row["due_at"] for row in await stage.sql("select due_at from breach order by seq")]
    problems = _each_step_once(said, silent)
    ids = {lead_id(number) for number in answered}
    if wrong := [e for e in said if e.lead_id in ids and isinstance(e, SlaWarned | SlaBreached | SlaCorrected)]:
        problems.append(f"{len(wrong)} steps of leads that were answered meanwhile")
    if sum(isinstance(event, SlaMet) and not event.late for event in said) != len(answered):
        problems.append("not every answer was met in time")
    if order != sorted(order):
        problems.append("breaches were not in due order")
    if took > 30:
        problems.append(f"the rest fired {took:.1f} s after catching up, not within 30 s")
    return {
        "clocks": clocks, "answered": len(answered), "caught_up_seconds": round(caught_up - began, 2),
        "fired_seconds": round(took, 2), "problems": problems,
    }  # fmt: skip


async def wall(clocks: int, seed: int, say: Say) -> Report:
    """Two replicas whose wall clocks jump between an hour ahead and an hour behind, once a second, not together."""
    if (library := faketime()) is None:
        raise SystemExit("libfaketime is not here: apt-get install faketime")
    with tempfile.TemporaryDirectory(prefix="relevo-faults-") as folder:
        async with rig(Path(folder)) as stage:
            files = {name: Path(folder) / f"wall-{name}" for name in ("one", "two")}
            for name, file in files.items():
                file.write_text("+0h")
                stage.start(name, jumping(library, file))
            await asyncio.gather(*(stage.ready(name) for name in files))
            jumping_on = asyncio.create_task(_jump(list(files.values())))
            try:
                await _load(stage, clocks, over=max(4, clocks / 100), ahead=5 + clocks / 200)
                await stage.until(_BREACHES, clocks, 180)
            finally:
                jumping_on.cancel()
                await asyncio.gather(jumping_on, return_exceptions=True)
            said = await stage.said()
    return {"clocks": clocks, "problems": _each_step_once(said, range(clocks))}


def faketime() -> Path | None:
    """The library, if it is installed and really moves a Python's clock."""
    found = [
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
    ]
    for library in found:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "wall"
            file.write_text("+1h")
            ahead = subprocess.run(
                [sys.executable, "-c", "import time; print(time.time())"], env=jumping(library, file),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if ahead.returncode == 0 and float(ahead.stdout) - time.time() > 3_000:
            return library
    return None


def jumping(library: Path, file: Path) -> dict[str, str]:
    """The environment of a process whose wall clock, and nothing else, is off by what stands in `file`."""
    return {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


async def _jump(files: Sequence[Path]) -> None:
    steps = ("+1h", "-1h", "+0h")
    for number in range(10**6):
        for place, file in enumerate(files):
            file.write_text(steps[(number + place) % len(steps)])
        await asyncio.sleep(1)


async def _two(stage: Rig) -> None:
    stage.start("one")
    stage.start("two")
    await asyncio.gather(stage.ready("one"), stage.ready("two"))


async def _load(stage: Rig, clocks: int, over: float, ahead: float) -> None:
    """Start so many clocks, the first due in `ahead` seconds, the last `over` seconds later; wait until they run."""
    first = await stage.now() - TARGET + timedelta(seconds=ahead)
    times = [first + timedelta(seconds=over * number / clocks) for number in range(clocks)]
    await stage.publish([assigned(number, at) for number, at in enumerate(times)])
    await stage.until("select count(*) from clock where kind = 'answer'", clocks, 240)


async def _kill(stage: Rig, chance: random.Random, killed: list[str]) -> None:
    while True:
        await asyncio.sleep(chance.uniform(1.0, 4.0))
        name = chance.choice(("one", "two"))
        stage.kill(name)
        killed.append(name)
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        stage.start(name)
        await stage.ready(name)


def _each_step_once(said: Sequence[Any], numbers: Sequence[int]) -> list[str]:
    """Of each of these leads: the warning and the breach, each once, none before its time."""
    steps = [event for event in said if isinstance(event, SlaWarned | SlaBreached)]
    fired = Counter((event.lead_id, event.type, event.step) for event in steps)
    expected = {
        (lead_id(number), kind.type, step) for number in numbers for step, kind in enumerate((SlaWarned, SlaBreached))
    }
    early = [event for event in steps if event.fired_at < event.due_at]
    twice = [step for step, times in fired.items() if times > 1]
    found: Mapping[str, int] = {
        "fired twice": len(twice), "never fired": len(expected - set(fired)),
        "fired though nothing was due": len(set(fired) - expected), "fired early": len(early),
        "corrected": sum(isinstance(event, SlaCorrected) for event in said),
    }  # fmt: skip
    return [f"{what}: {count}" for what, count in found.items() if count]
