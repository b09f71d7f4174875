"""A decision's whole record, asked of handoff, which keeps it: every rep, every test, what would have changed it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.settings import Settings
from relevo.outbound import Client, NoAnswer, own
from relevo.service import Actor, Service


class Tested(BaseModel):
    test: str
    passed: bool
    because: str | None = None


class Considered(BaseModel):
    """One rep at that moment, before the lead was given away."""

    rep: str
    chosen: bool
    eligible: bool
    tests: tuple[Tested, ...]
    weight: float
    assigned: float
    shortfall: float


class Decision(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rule: str = ""
    team: str = ""
    rep: str | None = None
    lead_id: UUID | None = None
    reps: tuple[Considered, ...] = ()
    failed_rules: tuple[str, ...] = Field(default=())


class Handoff:
    """The way to handoff; open as long as the service runs."""

    def __init__(self) -> None:
        self._client: Client | None = None

    @asynccontextmanager
    async def reachable(self, service: Service) -> AsyncIterator[None]:
        settings = service.settings
        assert isinstance(settings, Settings)
        self._client = own(settings.handoff_url) if settings.handoff_url else None
        try:
            yield
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def decision(self, settings: Settings, decision_id: UUID, actor: Actor, role: str) -> Decision | int:
        """The record, as `actor` may see it; else handoff's status: 403, 404; 503 where it does not answer."""
        if self._client is None or settings.handoff_url is None or settings.act_for_token is None:
            return 503
        who = f"{actor.by};role={role}" if role and actor.rep is None else actor.by
        headers = {"authorization": f"Bearer {settings.act_for_token.get_secret_value()}", "relevo-actor": who}
        url = f"{settings.handoff_url.rstrip('/')}/v1/decisions/{decision_id}"
        try:
            answer = await self._client.send("GET", url, headers=headers)
        except NoAnswer:
            return 503
        return _read(answer.body) if answer.status == 200 else answer.status


handoff = Handoff()


def _read(body: bytes) -> Decision | int:
    try:
        return Decision.model_validate_json(body)
    except ValidationError:
        return 503  # an older or newer handoff than we know
