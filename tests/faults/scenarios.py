"""Faults with a name: what breaks, how often, what is promised all the same."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.faults import monitor, race

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scenario:
    run: Callable[[int, int, Say], Coroutine[Any, Any, dict[str, Any]]]  # count, seed, say
    count: int  # clocks or leads
    promise: str


SCENARIOS = {
    "monitor-kills": Scenario(monitor.kills, 20_000, "each step fired once, none early, whoever was killed"),
    "monitor-down": Scenario(monitor.down, 10_000, "no answered lead breached; the rest fired once, in due order"),
    "monitor-wall": Scenario(monitor.wall, 2_000, "the wall clock jumped, and nothing came early or twice"),
    "monitor-race": Scenario(race.race, 2_000, "one verdict stands, by the time of the answer; its rep kept the lead"),
}


def run_scenario(name: str, count: int | None, seed: int, as_json: bool, say: Say) -> int:
    """Run it; 1 where a promise was broken."""
    wanted = SCENARIOS[name]
    say(f"{name}, seed {seed}")
    report = asyncio.run(wanted.run(count or wanted.count, seed, say)) | {"seed": seed}
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        say(", ".join(f"{what} {value}" for what, value in report.items() if what != "problems"))
    for problem in report["problems"][:20]:
        say(f"BROKEN PROMISE  {problem}")
    say(f"run it again with --seed {seed}" if report["problems"] else wanted.promise)
    return 1 if report["problems"] else 0
