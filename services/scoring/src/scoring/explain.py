"""A lead's score with every reason, for people: what holds, what does not, and what is missing for an MQL. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from relevo.events import PlaybookStamp, TouchpointRecorded
from relevo.events.identity import SubjectKind
from relevo.events.leads import PastOwner, Snapshot
from relevo.events.vocabulary import Grade, Level
from relevo.playbook import Activation, Criterion, Exclusion, Persona, RuleFailed, format_duration
from scoring import chance, engagement, facts
from scoring.fit import fit
from scoring.lead import Lead
from scoring.moments import moment
from scoring.score import terms, weigh
from scoring.tell import Now, snapshot


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ScoreShown(Part):
    cell: str = Field(description="Grade and level together, such as A2.")
    persona: str | None
    grade: Grade
    level: Level
    fit: float
    engagement: float


class Asked(Part):
    """One condition and whether it holds for this lead; `failed` says where and why it could not be answered."""

    id: str
    name: str
    holds: bool
    failed: str | None = None


class CriterionShown(Asked):
    points: float


class PersonaShown(Part):
    id: str
    name: str
    best: bool = Field(description="The lead's fit is that of this persona.")
    points: float
    grade: Grade
    thresholds: dict[str, float]
    criteria: tuple[CriterionShown, ...]


class SignalShown(Part):
    id: str
    name: str
    points: float = Field(description="Decayed to now, at most `cap` in either direction.")
    touchpoints: int
    last_at: datetime
    half_life: str
    cap: float


class CompanyShown(Part):
    """A buying group: what several people of one company are worth to each of them."""

    id: str
    name: str
    points: float = Field(description="Decayed to now; 0 while there are too few people.")
    people: int = Field(description="How many of its company were ever active, this lead among them; 50 at most.")
    needs: int
    half_life: str


class WayToMql(Part):
    """One qualifying cell, and the points that are still missing to it; 0 where there are enough."""

    cell: str
    persona: str
    fit_points: float
    engagement_points: float


class Missing(Part):
    """What stands between the lead and an MQL in this cycle: what blocks it, and the ways that lead there."""

    blocked_by: tuple[str, ...]
    cells: tuple[WayToMql, ...]
    hand_raises: tuple[str, ...] = Field(description="What the person could do to be an MQL at once.")


class LearntShown(Part):
    chance: float = Field(description="That sales accepts the lead.")
    points: float = Field(
        default=0.0,
        description="What it adds to engagement, by the playbook's `learnt_weight`; 0 unless an MQL not answered yet.",
    )
    reasons: tuple[tuple[str, float], ...] = Field(
        description="What the chance would lose without that, weightiest first."
    )
    model: str
    at: datetime


class LeadShown(Part):
    lead_id: UUID
    as_of: datetime
    playbook: PlaybookStamp
    known_by: SubjectKind
    cycle: int
    qualified_at: datetime | None = Field(description="When it became an MQL in this cycle.")
    score: ScoreShown
    level_until: datetime | None = Field(description="When the level falls if nothing happens.")
    personas: tuple[PersonaShown, ...]
    signals: tuple[SignalShown, ...]
    companies: tuple[CompanyShown, ...]
    exclusions: tuple[Asked, ...]
    learnt: LearntShown | None = Field(description="What the learnt model says; it makes nobody an MQL.")
    missing: Missing | None = Field(description="None where it is an MQL of this cycle.")
    owners: tuple[PastOwner, ...]
    snapshot: Snapshot


class LeadListed(Part):
    lead_id: UUID
    known_by: SubjectKind
    cycle: int
    grade: Grade | None
    level: Level | None
    qualified_at: datetime | None


class LeadList(Part):
    items: tuple[LeadListed, ...]
    next: UUID | None = Field(description="Send it as `cursor` for the next page.")


def explain(lead: Lead, recent: Iterable[TouchpointRecorded], now: Now, learnt: LearntShown | None = None) -> LeadShown:
    """`lead` must have been summed under the playbook of `now`."""
    playbook, sums = now.playbook, lead.sums
    known = facts.variables(sums.facts, lead.known_by, playbook.company)
    about = playbook.activation("lead", known)
    best = fit(known, playbook, [])
    read = terms(lead, playbook, now.at)
    points = weigh(lead, playbook, read)
    level = playbook.scoring.levels.level(points)
    adds = chance.adds(lead, playbook.scoring, engagement.total(read.values()))
    score = ScoreShown(
        cell=f"{best.grade}{level}",
        persona=best.persona,
        grade=best.grade,
        level=level,
        fit=best.points,
        engagement=points,
    )
    personas = tuple(_persona(persona, about, best.persona) for persona in playbook.personas)
    exclusions = tuple(Asked(**_asked(each, about)) for each in playbook.scoring.exclusions)
    return LeadShown(
        lead_id=lead.lead_id,
        as_of=now.at,
        playbook=now.stamp,
        known_by=lead.known_by,
        cycle=lead.cycle,
        qualified_at=lead.qualified_at,
        score=score,
        level_until=engagement.falls_at(read.values(), chance.levels(lead, playbook.scoring), now.at),
        personas=personas,
        signals=tuple(
            SignalShown(
                id=signal.id,
                name=signal.name,
                points=round(read[signal.id].now, 6),
                touchpoints=sums.signals[signal.id].touchpoints,
                last_at=moment(sums.signals[signal.id].at),
                half_life=format_duration(signal.half_life),
                cap=signal.cap,
            )
            for signal in playbook.scoring.signals
            if signal.id in read
        ),
        companies=tuple(
            CompanyShown(
                id=group.id,
                name=group.name,
                points=round(read[group.id].now, 6) if group.id in read else 0.0,
                people=len(lead.sums.company),
                needs=group.people,
                half_life=format_duration(group.half_life),
            )
            for group in playbook.scoring.companies
        ),
        exclusions=exclusions,
        learnt=learnt and learnt.model_copy(update={"points": round(adds, 6)}),
        missing=None if lead.qualified_at is not None else _missing(lead, points, personas, exclusions, now),
        owners=lead.owners,
        snapshot=snapshot(lead, sums.facts, recent, playbook),
    )


def _asked(rule: Criterion | Exclusion, about: Activation) -> dict[str, Any]:
    verdict = rule.when.holds(about)
    failed = str(verdict) if isinstance(verdict, RuleFailed) else None
    return {"id": rule.id, "name": rule.name, "holds": bool(verdict), "failed": failed}


def _persona(persona: Persona, about: Activation, best: str | None) -> PersonaShown:
    criteria = tuple(CriterionShown(**_asked(each, about), points=each.points) for each in persona.criteria)
    points = sum(each.points for each in criteria if each.holds)
    return PersonaShown(
        id=persona.id,
        name=persona.name,
        best=persona.id == best,
        points=points,
        grade=persona.thresholds.grade(round(points, 6)),
        thresholds={"A": persona.thresholds.A, "B": persona.thresholds.B},
        criteria=criteria,
    )


def _missing(
    lead: Lead, points: float, personas: tuple[PersonaShown, ...], exclusions: tuple[Asked, ...], now: Now
) -> Missing:
    scoring = now.playbook.scoring
    blocked = [f"exclusion: {each.name}" for each in exclusions if each.holds]
    if (out := lead.disqualified) is not None:
        blocked.append(f"disqualified: {out.reason}" + (f", until {out.until:%F}" if out.until else ""))
    elif lead.held is not None:
        blocked.append(f"clicks that may be a machine's, until {lead.held.until:%T} UTC")
    elif lead.cool_until is not None and now.at < lead.cool_until:
        blocked.append(f"cool-down until {lead.cool_until:%F}, unless it asks for sales")
    from_points = {"1": scoring.levels.one, "2": scoring.levels.two}
    ways = []
    for cell in sorted(scoring.qualification.cells):
        grade, level = cell
        short, persona = min(
            (max(0.0, each.thresholds.get(grade, each.points) - each.points), each.name) for each in personas
        )
        lacking = max(0.0, from_points.get(level, points) - points)
        ways.append(WayToMql(cell=cell, persona=persona, fit_points=short, engagement_points=round(lacking, 6)))
    hand_raises = tuple(each.name for each in scoring.qualification.hand_raises)
    return Missing(blocked_by=tuple(blocked), cells=tuple(ways), hand_raises=hand_raises)
