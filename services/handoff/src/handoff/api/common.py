"""What the routes share: who may, through which channel, what a body may hold."""

from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from handoff.settings import Settings
from handoff.vault import Vault, vault
from relevo.service import Actor, needs, of

Reader = Annotated[Actor, Depends(needs("read"))]
Answerer = Annotated[Actor, Depends(needs("answer"))]
Manager = Annotated[Actor, Depends(needs("manage"))]
Planner = Annotated[Actor, Depends(needs("playbook", "read"))]
Limit = Annotated[int, Query(ge=1, le=500)]


class Body(BaseModel):
    """A request's body: a key it does not know is a slip of the pen, and refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def on_behalf(actor: Actor) -> bool:
    """Whether the console asks for a person."""
    return "act-for" in actor.scopes


def trace_of(request: Request) -> str | None:
    return request.headers.get("traceparent")


def settings_of(request: Request) -> Settings:
    settings = of(request).settings
    assert isinstance(settings, Settings)
    return settings


def vault_of(request: Request) -> Vault:
    """One for as long as the app lives."""
    state = request.app.state
    if not hasattr(state, "vault"):
        state.vault = vault(settings_of(request))
    found: Vault = state.vault
    return found
