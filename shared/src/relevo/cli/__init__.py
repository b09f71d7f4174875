"""`relevo`: what a person does, over HTTP or on the files they own. Each command group is a module beside this one.

`main` is the typer application. `deploy/local`, where it is installed, adds its own commands (up, exec, clock, demo):
the package `relevo_local.commands` with a function `add_to(app)`. Without it there are only those of this package.
"""

from importlib import import_module
from importlib.util import find_spec

import typer

from relevo.cli.doctor import doctor
from relevo.cli.erase import erase
from relevo.cli.importing import import_
from relevo.cli.playbook import playbook
from relevo.cli.publish import approve, publish, revert, revisions
from relevo.cli.reps import reps
from relevo.cli.simulate import simulate
from relevo.cli.sources import sources
from relevo.cli.tokens import tokens

__all__ = ["main"]

main = typer.Typer(
    name="relevo",
    help="Marketing and sales as one team: touchpoints in, the right rep at once, every promise timed.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold personal data and secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (simulate, publish, approve, revert, revisions):
    playbook.command()(command)
main.add_typer(playbook, name="playbook")
main.add_typer(sources, name="sources")
main.add_typer(tokens, name="tokens")
main.command("import")(import_)
main.add_typer(reps, name="reps")
main.command()(erase)
main.command()(doctor)

if find_spec("relevo_local") and find_spec("relevo_local.commands"):
    import_module("relevo_local.commands").add_to(main)
