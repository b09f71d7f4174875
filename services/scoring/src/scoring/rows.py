"""A lead as a row of its table and back; a touchpoint as kept and back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from relevo.events import TouchpointRecorded
from relevo.events.leads import PastOwner, Score
from scoring.engagement import Decaying
from scoring.lead import Disqualified, HandRaise, Lead, Sums
from scoring.rules import Fit


def to_row(lead: Lead, as_of: datetime) -> tuple[Any, ...]:
    """In the order of the table."""
    said, out, sums = lead.said, lead.disqualified, lead.sums
    outcome: dict[str, Any] = {}
    if lead.owners:
        outcome["owners"] = [owner.model_dump() for owner in lead.owners]
    if out is not None:
        outcome["disqualified"] = {"reason": out.reason, "at": out.at, "until": out.until, "fields": out.fields}
    return (
        lead.lead_id,
        lead.known_by,
        lead.cycle,
        lead.cycle_from,
        lead.cool_until,
        lead.qualified_at,
        lead.due_at(as_of),
        lead.version,
        said.grade if said else None,
        said.level if said else None,
        said.model_dump_json() if said else None,
        orjson.dumps(outcome).decode(),
        orjson.dumps(
            {
                "facts": sums.facts,
                "signals": {signal: tuple(kept) for signal, kept in sums.signals.items()},
                "hand_raise": sums.hand_raise and tuple(sums.hand_raise),
                "fit": sums.fit and tuple(sums.fit),
            }
        ).decode(),
    )


def to_columns(leads: Iterable[Lead], as_of: datetime) -> list[list[Any]]:
    """Column by column, for `unnest`."""
    return [list(column) for column in zip(*(to_row(lead, as_of) for lead in leads), strict=True)]


def to_lead(row: Any) -> Lead:
    said, outcome, sums = _read(row.said), _read(row.outcome), _read(row.sums)
    out = outcome.get("disqualified")
    return Lead(
        lead_id=row.lead_id,
        known_by=row.known_by,
        version=row.playbook_version,
        sums=Sums(
            {name: (at, value) for name, (at, value) in sums["facts"].items()},
            {signal: Decaying(*kept) for signal, kept in sums["signals"].items()},
            HandRaise(*sums["hand_raise"]) if sums["hand_raise"] else None,
            _fit(sums["fit"]),
        ),
        cycle=row.cycle,
        cycle_from=row.cycle_from,
        cool_until=row.cool_until,
        qualified_at=row.qualified_at,
        disqualified=_disqualified(out) if out else None,
        said=Score.model_validate(said) if said else None,
        owners=tuple(PastOwner.model_validate(owner) for owner in outcome.get("owners", ())),
    )


def _read(value: Any) -> Any:
    """JSON columns come as text from the driver's own statements, parsed from SQLAlchemy's."""
    return orjson.loads(value) if isinstance(value, str) else value


def _fit(kept: list[Any] | None) -> Fit | None:
    if kept is None:
        return None
    persona, grade, points, held, excluded = kept
    return Fit(persona, grade, points, tuple(held), tuple(excluded))


def _disqualified(kept: dict[str, Any]) -> Disqualified:
    until = kept["until"]
    return Disqualified(
        kept["reason"],
        datetime.fromisoformat(kept["at"]),
        datetime.fromisoformat(until) if until else None,
        kept["fields"],
    )


def to_event(kept: Any) -> TouchpointRecorded:
    return TouchpointRecorded.model_validate(_read(kept))


def touchpoint_columns(touchpoints: Iterable[tuple[TouchpointRecorded, UUID]]) -> list[list[Any]]:
    """Touchpoints with their leads, column by column, in the order of the table."""
    rows = (
        (
            touch.touchpoint_id,
            lead_id,
            touch.subjects[0].subject_id,
            touch.touch,
            touch.machine,
            touch.occurred_at,
            touch.received_at,
            touch.__pydantic_serializer__.to_json(touch, by_alias=True, exclude_none=True).decode(),
        )
        for touch, lead_id in touchpoints
    )
    return [list(column) for column in zip(*rows, strict=True)]
