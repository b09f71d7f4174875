"""Sets the stage: the playbook's people, their keys and endpoints, and a system that knows them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from relevo.playbook import Playbook, load
from relevo_local.checkout import deploy
from relevo_local.draining import watching
from relevo_local.receiver import receiving
from relevo_local.story.access import grant
from relevo_local.story.cast import Cast
from relevo_local.story.doors import doors
from relevo_local.story.plan import Plan
from relevo_local.story.sales import Sales, add_endpoints
from relevo_local.story.theatre import Theatre
from relevo_local.system import Say, System, Wanted, running


def example() -> Playbook:
    """The agreement that a new system gets."""
    return load({file.name: file.read_text(encoding="utf-8") for file in deploy("playbook").glob("*.yaml")})


@asynccontextmanager
async def staged(folder: Path, who: Cast, plan: Plan, say: Say) -> AsyncIterator[tuple[System, Theatre]]:
    """A fresh system in `folder` with the story's sources, tokens and endpoints; everything ends with the block."""
    access = grant(folder, who.names)
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running(Wanted(folder), say))
        environment = system.environment
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        manage = {"authorization": f"Bearer {environment['RELEVO_API_TOKEN']}"}
        receiver = await stack.enter_async_context(receiving())
        await add_endpoints(receiver, environment["RELEVO_HANDOFF_URL"], manage, http, who)
        sales = Sales(receiver, http, access, who, plan.seed, plan.silent_from)
        site = await stack.enter_async_context(doors(environment["RELEVO_INGEST_URL"], access, http))
        watch = await stack.enter_async_context(watching(system.setting.kafka, system.setting.databases))
        yield system, Theatre(environment, http, site, sales, watch)
