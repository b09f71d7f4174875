"""What every event is: frozen data with a type, a topic, a key, an id and the trace it belongs to."""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class Topic:
    """One Kafka topic. `retention` is ignored where `compacted` (the newest record of each key is kept for ever)."""

    name: str
    retention: timedelta = timedelta(days=14)
    partitions: int = 12
    partitions_local: int = 3
    compacted: bool = False


def uuid7() -> UUID:
    """A random UUID that sorts by the time it was made (RFC 9562, version 7), so that indexes stay compact.

    An id is no decision, so it may look at the wall clock; nothing reads time back out of it.
    """
    head = (time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF) << 80
    tail = int.from_bytes(os.urandom(10), "big")
    return UUID(int=head | 0x7 << 76 | tail >> 68 << 64 | 0b10 << 62 | tail & 0x3FFFFFFFFFFFFFFF)


class Data(BaseModel):
    """A piece of an event's data. Unknown fields are ignored, so that a newer writer never breaks an older reader."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )


class PlaybookStamp(Data):
    """The playbook a decision was taken under: `revision` counts publications, `version` is the content's hash."""

    revision: int = Field(ge=1)
    version: str


Actor = Annotated[str, Field(pattern=r"^(system|step|rep:.+|user:.+)$")]


class Event(Data):
    """One fact, said once. `id` and `trace` travel in headers (`ce_id`, `traceparent`), the rest is the JSON value."""

    type: ClassVar[str]
    topic: ClassVar[Topic]

    id: UUID = Field(default_factory=uuid7, exclude=True)
    trace: str | None = Field(default=None, exclude=True)

    at: AwareDatetime = Field(description="When it happened or was decided, by the writer's clock, in UTC.")
    by: Actor = Field(description="Who: `system`, `step` (of an SLA ladder), `rep:ID` or `user:ID`.")

    def key(self) -> str:
        """The Kafka key: records of one key keep their order."""
        raise NotImplementedError(type(self))


class LeadEvent(Event):
    """An event of one lead, in one cycle of its trips through the funnel (1, 2, …)."""

    lead_id: UUID
    cycle: int = Field(ge=1)

    def key(self) -> str:
        return str(self.lead_id)


class Decided(LeadEvent):
    """An event of one lead that was decided under a playbook."""

    playbook: PlaybookStamp
