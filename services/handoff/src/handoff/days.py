"""PURE: the days that a simulation replays: who qualified, who was away, how long leads were with sales; and
where each lead stands as they pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple
from uuid import UUID

Key = tuple[UUID, int]


class Mql(NamedTuple):
    """`values`: its variables of the MQL context."""

    lead_id: UUID
    cycle: int
    at: datetime
    company: str | None
    values: Mapping[str, object]


class Past(NamedTuple):
    """An assignment as it really was: with its last owner from `assigned_at` on, until it ended or was won."""

    lead_id: UUID
    cycle: int
    rep: str
    company: str | None
    assigned_at: datetime
    ended_at: datetime | None
    won: bool

    @property
    def held(self) -> timedelta | None:
        return None if self.ended_at is None else max(self.ended_at - self.assigned_at, timedelta())


class Absent(NamedTuple):
    rep: str
    start: datetime
    until: datetime | None


@dataclass(frozen=True)
class Days:
    """What is known of the days [since, until)."""

    since: datetime
    until: datetime
    past: Sequence[Past] = ()
    absences: Sequence[Absent] = ()

    def held(self) -> tuple[dict[Key, timedelta | None], timedelta | None]:
        """How long each lead was with sales (None: it still is), and the median; None where no lead has ended."""
        each = {(past.lead_id, past.cycle): past.held for past in self.past}
        ended = [took.total_seconds() for took in each.values() if took is not None]
        return each, timedelta(seconds=median(ended)) if ended else None


class Given(NamedTuple):
    """`rep` None: it waits to the end."""

    lead_id: UUID
    cycle: int
    mql_at: datetime
    at: datetime
    team: str
    rule: str
    priority: int
    rep: str | None


class Waiting(NamedTuple):
    """In the order of a queue."""

    before: int  # its priority, negative: the higher goes first
    at: datetime
    number: int
    mql: Mql
    rule: str


class Held(NamedTuple):
    """A lead at its rep's; `won`: the company stays that rep's when it ends."""

    key: Key
    rep: str
    company: str | None
    won: bool
