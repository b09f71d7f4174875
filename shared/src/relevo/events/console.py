"""What the console says: an agreement was published, a person was erased."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from relevo.events.base import Data, Event
from relevo.events.topics import PLAYBOOKS, PRIVACY


class Approval(Data):
    side: Literal["marketing", "sales"]
    by: str
    at: AwareDatetime


class PlaybookPublished(Event):
    """The agreement from now on. `revision` counts publications; `version` is the hash of the content."""

    type = "playbook.published.v1"
    topic = PLAYBOOKS

    revision: int = Field(ge=1)
    version: str
    documents: dict[str, str] = Field(description="File name → YAML text.")
    approvals: tuple[Approval, ...]

    def key(self) -> str:
        return "playbook"


class LeadErased(Event):
    """Every service deletes what it holds of that person and drops what was received before the moment."""

    type = "lead.erased.v1"
    topic = PRIVACY

    lead_id: UUID
    subject_ids: tuple[str, ...]
    received_before: AwareDatetime

    def key(self) -> str:
        return str(self.lead_id)
