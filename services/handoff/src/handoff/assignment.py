"""PURE: an assignment as it is kept, and the events it speaks in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from handoff.answer import OPEN, Stage, Standing
from handoff.route import Decision
from relevo.events import LeadAssigned, LeadQualified, LeadWaiting, PlaybookStamp, uuid7
from relevo.events.assignments import AssignedBecause, FailedTest, Rep
from relevo.events.base import Data
from relevo.events.leads import Contribution, Score, Snapshot, Trigger
from relevo.playbook import Playbook


class Qualified(Data):
    """What lead.qualified said, kept for every version of the assignment and every notice of it."""

    score: Score
    trigger: Trigger
    contributions: tuple[Contribution, ...] = ()
    snapshot: Snapshot = Snapshot()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One lead's trip through sales: the columns of the table `assignment`."""

    assignment_id: UUID
    lead_id: UUID
    cycle: int
    mql_at: datetime
    changed_at: datetime
    about: Qualified = field(repr=False)  # a person's data: stays out of logs
    version: int = 0
    stage: Stage = "waiting"
    paused: bool = False
    recycled: bool = False
    team: str = ""
    rep: str | None = None
    manager: bool = False
    rule: str = ""
    decision_id: UUID | None = None
    priority: int = 0
    because: AssignedBecause = "qualified"
    previous_rep: str | None = None
    owners: tuple[str, ...] = ()
    not_teams: tuple[str, ...] = ()
    reassigned: int = 0
    assigned_at: datetime | None = None
    reason: str | None = None
    note: str | None = None
    until: datetime | None = None
    opportunity_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    trace: str | None = None

    @property
    def standing(self) -> Standing:
        return Standing(self.stage, self.reason, self.paused, self.recycled)

    @property
    def is_open(self) -> bool:
        """Whether it takes a place of its rep's capacity."""
        return self.stage in OPEN


COLUMNS = tuple(each.name for each in fields(Assignment))


def begin(event: LeadQualified) -> Assignment:
    """A new MQL, not yet with anybody."""
    about = Qualified.model_construct(  # of an event's parts, which are checked already
        score=event.score, trigger=event.trigger, contributions=event.contributions, snapshot=event.snapshot
    )
    return Assignment(uuid7(), event.lead_id, event.cycle, event.at, event.at, about, trace=event.trace)


def read(row: Any) -> Assignment:
    """An assignment out of a row with `COLUMNS`."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["about"] = Qualified.model_validate(values["about"])
    values["owners"], values["not_teams"] = tuple(values["owners"]), tuple(values["not_teams"])
    return Assignment(**values)


def to_json(assignments: Sequence[Assignment]) -> str:
    """Rows for jsonb_populate_recordset."""

    def row(each: Assignment) -> dict[str, Any]:
        values = {name: getattr(each, name) for name in COLUMNS}
        values["about"] = orjson.Fragment(each.about.model_dump_json(by_alias=True, exclude_none=True))
        return values | {"company_domain": each.about.snapshot.company.domain}

    return orjson.dumps([row(each) for each in assignments], default=str).decode()


def placed(
    before: Assignment, decision: Decision, because: AssignedBecause, manager: bool, now: datetime
) -> Assignment:
    """`before` as `decision` leaves it: with its next owner, or waiting."""
    common = replace(
        before,
        team=decision.team,
        rule=decision.rule,
        priority=decision.priority,
        because=because,
        decision_id=uuid7(),
        previous_rep=before.rep or before.previous_rep,
        changed_at=now,
        paused=False,
        reason=None,
        note=None,
    )
    if decision.rep is None:
        return replace(common, stage="waiting", rep=None, manager=False)
    return replace(
        common,
        version=before.version + 1,
        stage="assigned",
        rep=decision.rep,
        manager=manager,
        owners=(*before.owners, decision.rep),
        assigned_at=now,
    )


def assigned_event(
    now_with: Assignment, playbook: Playbook, stamp: PlaybookStamp, by: str, trace: str | None
) -> LeadAssigned:
    """The SQL candidate, with all that a reader needs to know."""
    assert now_with.rep is not None
    assert now_with.decision_id is not None
    team, rep = playbook.routing.team(now_with.team), playbook.routing.rep(now_with.rep)
    assert team is not None
    assert rep is not None
    calendar = playbook.routing.calendar_of(team, rep)
    return LeadAssigned(
        trace=trace,
        at=now_with.changed_at,
        by=by,
        lead_id=now_with.lead_id,
        cycle=now_with.cycle,
        playbook=stamp,
        assignment_id=now_with.assignment_id,
        version=now_with.version,
        team=team.id,
        rep=Rep(id=rep.id, name=rep.name, calendar=calendar, zone=playbook.sla.calendar(calendar).zone),
        rule=now_with.rule,
        decision_id=now_with.decision_id,
        priority=now_with.priority,
        mql_at=now_with.mql_at,
        because=now_with.because,
        previous_rep=now_with.previous_rep,
        manager=now_with.manager,
        score=now_with.about.score,
        trigger=now_with.about.trigger.id,
        snapshot=now_with.about.snapshot,
    )


def waiting_event(
    waits: Assignment, decision: Decision, stamp: PlaybookStamp, by: str, trace: str | None
) -> LeadWaiting:
    """Its position is the first, until all that wait are kept and its own is known."""
    return LeadWaiting(
        trace=trace,
        at=waits.changed_at,
        by=by,
        lead_id=waits.lead_id,
        cycle=waits.cycle,
        playbook=stamp,
        team=waits.team,
        rule=waits.rule,
        priority=waits.priority,
        position=1,
        failed=tuple(
            FailedTest(rep=each.rep, test=test, because=because)
            for each in (*decision.considered, *decision.passed_over)
            for test, because in each.failed.items()
        ),
        mql_at=waits.mql_at,
        score=waits.about.score,
        trigger=waits.about.trigger.id,
        snapshot=waits.about.snapshot,
    )
