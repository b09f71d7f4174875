"""`python -m handoff run | migrate | dead | seal-again`."""

import asyncio

import typer

from handoff import endpoints
from handoff.main import service
from handoff.settings import Settings
from handoff.vault import vault
from relevo.service import command_line

main = command_line(service)


@main.command("seal-again")
def seal_again() -> None:
    """Encrypt the secrets of all endpoints with the newest key of RELEVO_KEYS: then older ones can go."""

    async def work() -> int:
        async with service.opened(), service.transaction() as tx:
            assert isinstance(service.settings, Settings)
            return await endpoints.seal_again(tx, vault(service.settings))

    typer.echo(f"sealed again: the secrets of {asyncio.run(work())} endpoints")


main()
