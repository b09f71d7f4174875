"""`relevo demo`: a quarter at the example company, played through the front doors of a system of its own."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from relevo_local import interrupts

Once = Annotated[bool, typer.Option("--once", help="Check the outcome and end: 0, or 1 naming what is missing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object, nothing else.")]
Seed = Annotated[int, typer.Option(help="Another number, another quarter.")]


def demo(once: Once = False, as_json: AsJson = False, seed: Seed = 7) -> None:
    """Play a quarter at Forja Software on a fresh system; its console stays open until ctrl-C."""
    from relevo_local.story.show import show  # late: `relevo exec` has no need of all that it imports

    folder = Path(tempfile.mkdtemp(prefix="relevo-"))
    try:
        status = interrupts.run(show(folder, seed, once=once, as_json=as_json))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(status)
