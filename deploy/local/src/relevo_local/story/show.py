"""The whole evening: a system is started, the story played, counted, checked and told, and the console left open."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import asyncpg
import httpx
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from relevo.stream.kafka import KafkaAway
from relevo_local import interrupts
from relevo_local.story.cast import cast
from relevo_local.story.check import missing
from relevo_local.story.plan import plan
from relevo_local.story.play import Progress, ask_one_by_one, go_on, play
from relevo_local.story.stage import example, staged
from relevo_local.story.tally import count
from relevo_local.story.telling import summary
from relevo_local.system import System
from relevo_local.trouble import Trouble

T = TypeVar("T")

TIMED = 30  # people whose form is timed to its webhook
GUESTS = 150  # people who come today in all: an hour's worth
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


async def show(folder: Path, seed: int, *, once: bool, as_json: bool) -> int:
    """The exit status: 1 where `once` and something is missing. Standard output gets the figures or the summary."""
    agreement, today = example(), datetime.now(UTC)
    who = cast(agreement)
    story = plan(seed, today, who.hours, ZoneInfo(who.zone), GUESTS)
    async with staged(folder, who, story, _say) as (system, theatre):
        with _progress(len(story.stops)) as moved:
            await _while_it_runs(system, play(theatre, story, today, moved))
        _say(f"{TIMED} people ask for a demo today, one after the other")
        took = await _while_it_runs(system, ask_one_by_one(theatre, story.guests[:TIMED]))
        tally = await _while_it_runs(system, count(theatre, took))
        console = system.setting.url("console")
        if as_json:
            print(json.dumps(tally.figures()), flush=True)
        else:
            _out.print(summary(tally, story, who, agreement.company.name, console))
        lacking = missing(tally, story, who)
        for what in lacking:
            _err.print(f"[red]missing:[/] {what}")
        if once:
            return 1 if lacking else 0
        _err.print(
            f"\n  [bold]The console: {console}[/]\n  Somebody comes twice a minute. ctrl-C ends it; nothing is kept\n"
        )
        await interrupts.until_interrupted(_while_it_runs(system, go_on(theatre, story.guests[TIMED:])))
        return 0


async def _while_it_runs(system: System, work: Coroutine[Any, Any, T]) -> T:
    """The work's result. If a process of the system ends meanwhile, that is what is raised."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(system.watch())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return working.result()
    except (httpx.HTTPError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaAway) as error:
        system.processes.check()
        raise Trouble(f"the system did not answer ({type(error).__name__}): is this machine out of memory?") from error
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


@contextmanager
def _progress(stops: int) -> Iterator[Progress]:
    """A bar that shows the story's date and the webhooks received; where nobody looks, a line for each month."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    month = 0
    with Bar(*columns, TimeElapsedColumn(), console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task("", total=stops)

        def moved(now: datetime, done: int, webhooks: int) -> None:
            nonlocal month
            bar.update(task, completed=done, description=f"{now:%a %-d %b %Y}  {webhooks} webhooks")
            if not _err.is_terminal and now.month != month:
                month = now.month
                _say(f"the clock shows {now:%B %Y}, {webhooks} webhooks have come")

        yield moved


def _say(line: str) -> None:
    _err.print(f"[dim]relevo[/] {line}")
