"""A lead as a row of its table and back; a touchpoint as kept and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from relevo.events import TouchpointRecorded
from relevo.events.leads import PastOwner
from scoring.companies import company_of
from scoring.engagement import Decaying
from scoring.lead import REBUILD, Click, Disqualified, HandRaise, Held, Lead, Standing, Sums
from scoring.machines import mark
from scoring.moments import micros, moment
from scoring.rules import Fit


def to_row(lead: Lead, as_of: datetime) -> tuple[Any, ...]:
    """In the order of the table."""
    said, sums = lead.said, lead.sums
    clicks = {"clicks": [tuple(click) for click in sums.clicks]} if sums.clicks else {}
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
        orjson.dumps(said._asdict()).decode() if said else None,
        orjson.dumps(_outcome(lead)).decode(),
        orjson.dumps(
            {
                "facts": sums.facts,
                "signals": {signal: tuple(kept) for signal, kept in sums.signals.items()},
                "hand_raise": sums.hand_raise and tuple(sums.hand_raise),
                "fit": sums.fit and tuple(sums.fit),
            }
            | clicks
        ).decode(),
        company_of(lead),
        moment(sums.active) if sums.active is not None else None,
    )


def _outcome(lead: Lead) -> dict[str, Any]:
    """What is kept only of few leads: who owned it, why it is out, what a merge said of its consent."""
    out, outcome = lead.disqualified, dict[str, Any]()
    if lead.owners:
        outcome["owners"] = [owner.model_dump() for owner in lead.owners]
    if out is not None:
        outcome["disqualified"] = {"reason": out.reason, "at": out.at, "until": out.until, "fields": out.fields}
    if lead.restricted:
        outcome["restricted"] = lead.restricted
    if lead.held is not None:
        outcome["held"] = tuple(lead.held)
    if lead.chance is not None:
        outcome["chance"] = lead.chance
    return outcome


def to_trip(lead: Lead) -> dict[str, Any]:
    """A lead without its sums, as plain JSON: what touchpoints cannot tell of it."""
    moments = {name: getattr(lead, name) for name in _MOMENTS}
    said = lead.said._asdict() if lead.said else None
    return {"known_by": lead.known_by, "cycle": lead.cycle, "said": said, "outcome": _outcome(lead)} | moments


_MOMENTS: Final = ("cycle_from", "cool_until", "qualified_at")


def from_trip(lead_id: UUID, trip: dict[str, Any]) -> Lead:
    """The lead of `to_trip`, its touchpoints to be summed again."""
    moments: dict[str, Any] = {name: datetime.fromisoformat(trip[name]) if trip[name] else None for name in _MOMENTS}
    said = Standing(**trip["said"]) if trip["said"] else None
    kept = _from_outcome(trip["outcome"])
    return Lead(lead_id, trip["known_by"], REBUILD, cycle=trip["cycle"], said=said, **moments, **kept)


def _from_outcome(outcome: dict[str, Any]) -> dict[str, Any]:
    out, held = outcome.get("disqualified"), outcome.get("held")
    return {
        "disqualified": _disqualified(out) if out else None,
        "owners": tuple(PastOwner.model_validate(owner) for owner in outcome.get("owners", ())),
        "restricted": {name: (at, value) for name, (at, value) in outcome.get("restricted", {}).items()},
        "chance": outcome.get("chance"),
        "held": Held(datetime.fromisoformat(held[0]), UUID(held[1]) if held[1] else None) if held else None,
    }


def to_columns(leads: Iterable[Lead], as_of: datetime) -> list[list[Any]]:
    """Column by column, for `unnest`."""
    return [list(column) for column in zip(*(to_row(lead, as_of) for lead in leads), strict=True)]


COLUMNS: Final = (
    "lead_id, known_by, playbook_version, cycle, cycle_from, cool_until, qualified_at, said, outcome, sums, active_at,"
    " partings"
)


def to_lead(row: Sequence[Any]) -> Lead:
    """`row`: COLUMNS of the table."""
    lead_id, known_by, version, cycle, cycle_from, cool_until, qualified_at, *kept, active_at, partings = row
    said, outcome, sums = map(_read, kept)
    return Lead(
        lead_id=lead_id,
        known_by=known_by,
        version=version,
        sums=Sums(
            {name: (at, value) for name, (at, value) in sums["facts"].items()},
            {signal: Decaying(*kept) for signal, kept in sums["signals"].items()},
            HandRaise(*sums["hand_raise"]) if sums["hand_raise"] else None,
            _fit(sums["fit"]),
            tuple(Click(at, tuple((name, points) for name, points in gave)) for at, gave in sums.get("clicks", ())),
            micros(active_at) if active_at is not None else None,
        ),
        cycle=cycle,
        cycle_from=cycle_from,
        cool_until=cool_until,
        qualified_at=qualified_at,
        said=Standing(**said) if said else None,
        partings=partings,
        **(_from_outcome(outcome) if outcome else {}),
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


def to_event(kept: Any, found: str | None = None) -> TouchpointRecorded:
    """`found`: how history proved it a machine's."""
    if isinstance(kept, str):  # as the driver gives it
        return mark(TouchpointRecorded.model_validate_json(kept), found)
    return mark(TouchpointRecorded.model_validate(kept), found)


def touchpoint_columns(touchpoints: Iterable[tuple[TouchpointRecorded, UUID]]) -> list[list[Any]]:
    """Touchpoints with their leads, column by column, in the order of the table. The event with its id, which elsewhere
    travels in a header."""
    rows = (
        (
            touch.touchpoint_id,
            lead_id,
            touch.subjects[0].subject_id,
            touch.touch,
            touch.machine,
            touch.occurred_at,
            touch.received_at,
            f'{{"id":"{touch.id}",'
            + touch.__pydantic_serializer__.to_json(touch, by_alias=True, exclude_none=True)[1:].decode(),
        )
        for touch, lead_id in touchpoints
    )
    return [list(column) for column in zip(*rows, strict=True)]
