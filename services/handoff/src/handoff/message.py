"""PURE: what a webhook says: what the lead asked, read and opened, why it qualified, and how to answer."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from handoff.assignment import Assignment
from relevo.events import uuid7
from relevo.events.base import Data, Decided
from relevo.events.leads import TouchSummary
from relevo.events.slas import Step
from relevo.events.vocabulary import REJECT_REASONS, TouchpointType
from relevo.playbook import Playbook

# What an endpoint may subscribe to: sales' notices, then marketing's, so that nurture starts by itself.
SALES: Final = ("lead.assigned", "lead.merged", "sla.warned", "sla.breached")
MARKETING: Final = ("lead.qualified", "lead.rejected", "lead.recycled", "lead.disqualified")
OPERATORS: Final = ("endpoint.disabled",)  # what those who look after all this are told
TYPES: Final = (*SALES, *MARKETING, *OPERATORS)

ASKED: Final[tuple[TouchpointType, ...]] = ("form_submitted", "meeting_booked", "email_replied", "call")
READ: Final[tuple[TouchpointType, ...]] = ("page_viewed", "content_downloaded")
OPENED: Final[tuple[TouchpointType, ...]] = ("email_opened", "email_clicked")
ATTENDED: Final[tuple[TouchpointType, ...]] = ("event_registered", "event_attended")
ACTS: Final = ("accept", "reject", "contacted", "opportunity", "won", "lost", "pause", "resume")


class Notice(NamedTuple):
    """One message, before it is known which endpoints want it. `rep` and `team` say whose endpoints may."""

    type: str
    webhook_id: str
    lead_id: UUID | None
    cycle: int | None
    assignment_id: UUID | None
    version: int | None
    rep: str | None
    team: str
    body: str
    trace: str | None


def notice(
    event: Decided, about: Assignment, data: Mapping[str, Any], *, rep: str | None = None, team: str = ""
) -> Notice:
    """A notice of `event`, to the endpoints of `rep`, of `team` and of all. Its id is made from the event's, so that
    every endpoint, every retry and every replay names the same one."""
    kind = event.type.removesuffix(".v1")
    return Notice(
        kind, f"msg_{event.id.hex}", about.lead_id, about.cycle, about.assignment_id, about.version,
        rep or about.rep, team or about.team, body(kind, event.at, data), event.trace,
    )  # fmt: skip


def disabled(endpoint_id: UUID, name: str, because: str, at: datetime, rep: str | None, team: str | None) -> Notice:
    """A notice that an endpoint gets nothing more: to those of its rep or team, and to those of all."""
    data = {"endpoint": endpoint_id, "name": name, "because": because,
            "then": f"mend it, then POST /v1/endpoints/{endpoint_id}/enable: what it missed is held"}  # fmt: skip
    webhook_id = f"msg_{uuid7().hex}"
    text = body("endpoint.disabled", at, data)
    return Notice("endpoint.disabled", webhook_id, None, None, None, None, rep, team or "", text, None)


def body(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """The standard's envelope, as it is signed and sent."""
    return orjson.dumps({"type": kind, "timestamp": at, "data": data}, default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Data):
        return orjson.Fragment(value.__pydantic_serializer__.to_json(value, by_alias=True, exclude_none=True))
    return str(value)


def assigned(to: Assignment, playbook: Playbook, public_url: str) -> dict[str, Any]:
    """Data of `lead.assigned`: everything, so that the rep need not look anything up."""
    return {
        **_whose(to, playbook),
        "from": playbook.company.name,
        "because": to.because,
        "previous_rep": to.previous_rep,
        "rule": to.rule,
        "decision_id": to.decision_id,
        **_why(to, playbook),
        "story": story(to.about.snapshot.touchpoints),
        "snapshot": to.about.snapshot,
        "answer": _answer(to, public_url),
    }


def qualified(of: Assignment, playbook: Playbook) -> dict[str, Any]:
    """Data of `lead.qualified`, for marketing's tools."""
    return {"lead_id": of.lead_id, "cycle": of.cycle, **_why(of, playbook), "snapshot": of.about.snapshot}


def ended(of: Assignment, playbook: Playbook, **why: Any) -> dict[str, Any]:
    """Data of `lead.rejected`, `lead.recycled`, `lead.disqualified`: who, and what marketing should do about it."""
    return {**_whose(of, playbook), **why, **_person(of)}


def step(of: Assignment, playbook: Playbook, event: Step, public_url: str) -> dict[str, Any]:
    """Data of `sla.warned` and `sla.breached`: which promise, due when, and how to keep it still."""
    return {
        **_whose(of, playbook),
        "clock": event.kind,
        "policy": event.policy,
        "due_at": event.due_at,
        "do": event.do,
        **_person(of),
        "answer": _answer(of, public_url),
    }


def story(touchpoints: Iterable[TouchSummary]) -> dict[str, list[dict[str, Any]]]:
    """What the person asked, read, opened and attended, newest first; no machines; the same thing once, counted."""
    told: dict[str, dict[tuple[str | None, ...], dict[str, Any]]] = {
        "asked": {}, "read": {}, "opened": {}, "attended": {},
    }  # fmt: skip
    chapters = {**dict.fromkeys(ASKED, "asked"), **dict.fromkeys(READ, "read"),
                **dict.fromkeys(OPENED, "opened"), **dict.fromkeys(ATTENDED, "attended")}  # fmt: skip
    for touch in touchpoints:
        chapter = chapters.get(touch.touch)
        if chapter is None or touch.machine:
            continue
        entry = told[chapter].setdefault(
            (touch.touch, touch.title, touch.url, touch.text),
            {"what": touch.touch, "title": touch.title, "text": touch.text, "url": touch.url,
             "last_at": touch.occurred_at, "times": 0},
        )  # fmt: skip
        entry["times"] += 1
    return {
        chapter: [{name: value for name, value in entry.items() if value is not None} for entry in entries.values()]
        for chapter, entries in told.items()
    }


def _whose(of: Assignment, playbook: Playbook) -> dict[str, Any]:
    team, rep = playbook.routing.team(of.team), playbook.routing.rep(of.rep or "")
    return {
        "assignment_id": of.assignment_id,
        "version": of.version,
        "lead_id": of.lead_id,
        "cycle": of.cycle,
        "team": {"id": of.team, "name": team.name if team else of.team},
        "rep": {"id": of.rep, "name": rep.name if rep else of.rep} if of.rep else None,
        "priority": of.priority,
    }


def _why(of: Assignment, playbook: Playbook) -> dict[str, Any]:
    score = of.about.score
    persona = playbook.persona(score.persona) if score.persona else None
    return {
        "mql_at": of.mql_at,
        "cell": score.cell,
        "score": score,
        "persona": persona.name if persona else score.persona,
        "trigger": of.about.trigger,
        "reasons": sorted(of.about.contributions, key=lambda each: -each.points),
    }


def _person(of: Assignment) -> dict[str, Any]:
    return {"contact": of.about.snapshot.contact, "company": of.about.snapshot.company}


def _answer(of: Assignment, public_url: str) -> dict[str, Any]:
    """Where to answer. The URLs name the assignment and nothing of the person."""
    base = f"{public_url}/v1/assignments/{of.assignment_id}"
    return {
        "how": "POST `body` to one of these URLs, with an API token of scope `answer`; `reject` also takes a `reason`.",
        "body": {"version": of.version},
        **{act: f"{base}/{act}" for act in ACTS},
        "reject_reasons": REJECT_REASONS,
    }
