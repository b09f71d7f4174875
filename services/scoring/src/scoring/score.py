"""Score = f(touchpoints, playbook, as_of): fold touchpoints into a lead, judge it, say what changed. Pure.

The order of touchpoints, and how they are split into batches, never changes the score at a given moment. It can change
when a lead is judged, since each touchpoint is judged when it arrives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.events.leads import Contribution, Trigger
from relevo.playbook import Playbook, RuleFailed
from scoring import chance, companies, engagement, facts, machines
from scoring.engagement import Decaying, Term
from scoring.fit import fit
from scoring.fold import SETTLED, fold
from scoring.lead import Held, Lead, Standing, Sums, readmit
from scoring.moments import micros, moment
from scoring.rules import Fit, rules_of

Because = Literal["cell", "playbook", "merge", "cool_down"]
LEAST_SHOWN: Final = 1e-6  # points; less is faded away


class Reason(NamedTuple):
    """Of the score: a criterion that holds, or a signal (`kept`) with what it is worth at the moment."""

    kind: Literal["criterion", "signal"]
    id: str
    name: str
    points: float
    persona: str | None = None
    kept: Decaying | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Something to say: another grade or level (`changed`), or qualified now (`trigger`). `lead` is how it then stands,
    `facts` what was then known of it (only where it is qualified)."""

    lead: Lead
    facts: facts.Known
    touchpoint: TouchpointRecorded | None
    old: Standing | None
    new: Standing
    changed: bool
    trigger: Trigger | None
    reasons: list[Reason]
    level_until: datetime | None


def score(
    lead: Lead, touchpoints: Sequence[TouchpointRecorded], playbook: Playbook, as_of: datetime
) -> tuple[Lead, tuple[Judgement, ...], tuple[RuleFailed, ...]]:
    """`lead` after these touchpoints, each folded in and judged as of `as_of`; what there is to say; rules that failed.

    `lead` must have been summed under this playbook (see `rebuild`), and is left as it is.
    """
    lead = replace(lead, sums=lead.sums.copy())
    said: list[Judgement] = []
    failed: list[RuleFailed] = []
    for touch in touchpoints:
        fold(lead, touch, playbook, failed)
        lead, judgement = judge(lead, playbook, as_of, failed, touch=touch)
        if judgement is not None:
            said.append(judgement)
    return lead, tuple(said), tuple(failed)


def rebuild(
    lead: Lead, touchpoints: Iterable[TouchpointRecorded], playbook: Playbook, failed: list[RuleFailed]
) -> Lead:
    """`lead` with all its touchpoints summed again, under this playbook. Nothing is judged.

    They are summed in the order they occurred, so that not even the last digit depends on where they were found.
    """
    lead = replace(lead, version=playbook.version, sums=Sums())
    for touch in sorted(machines.marked(touchpoints), key=by_occurrence):
        fold(lead, touch, playbook, failed)
    facts.restrict(lead.sums.facts, lead.restricted)
    return lead


def by_occurrence(touch: TouchpointRecorded) -> tuple[datetime, UUID]:
    return touch.occurred_at, touch.touchpoint_id


def judge(
    lead: Lead,
    playbook: Playbook,
    as_of: datetime,
    failed: list[RuleFailed],
    *,
    touch: TouchpointRecorded | None = None,
    because: Because = "cell",
    mqls_only: bool = False,
) -> tuple[Lead, Judgement | None]:
    """Where `lead` stands at `as_of`, and what there is to say of it, if anything. `mqls_only`: say nothing of other
    changes, and do not ask what engagement is worth where it makes no MQL."""
    sums = lead.sums
    if mqls_only and lead.qualified_at is not None and lead.disqualified is None and lead.held is None:
        return lead, None
    if sums.fit is None:
        known = facts.variables(sums.facts, lead.known_by, playbook.company)
        sums.fit = fit(known, playbook, failed)
        lead = readmit(lead, as_of)
    elif lead.disqualified is not None:
        lead = readmit(lead, as_of)
    if mqls_only and lead.held is None and not _may_qualify(lead, sums.fit, playbook):
        return lead, None
    read = terms(lead, playbook, as_of)
    points = weigh(lead, playbook, read)
    grade, level = sums.fit.grade, playbook.scoring.levels.level(points)
    old = lead.said
    changed = old is None or old.grade != grade or old.level != level
    kind = _qualifies(lead, f"{grade}{level}", playbook, as_of, because)
    tipped = touch.touchpoint_id if touch is not None else None
    if kind is not None or lead.held is not None:
        lead, kind, tipped = _settle(lead, kind, tipped, read, playbook, as_of)
    if kind is None and (mqls_only or not changed):
        return lead, None
    new = Standing(sums.fit.persona, grade, level, sums.fit.points, points)
    lead = replace(lead, said=new, qualified_at=as_of if kind is not None else lead.qualified_at)
    return lead, Judgement(
        lead=lead,
        facts=dict(sums.facts) if kind is not None else {},
        touchpoint=touch,
        old=old,
        new=new,
        changed=changed,
        trigger=None if kind is None else _trigger(kind, sums, new, playbook, tipped),
        reasons=reasons(lead, playbook, read),
        level_until=engagement.falls_at(read.values(), chance.levels(lead, playbook.scoring), as_of),
    )


def terms(lead: Lead, playbook: Playbook, as_of: datetime) -> dict[str, Term]:
    """What each signal is worth at `as_of`, those of its company last."""
    at = micros(as_of)
    read = engagement.terms(lead.sums.signals, rules_of(playbook).signals, at)
    if lead.sums.company:
        group = companies.terms(lead, playbook.scoring.companies, at)
        read |= {signal: term for signal, (term, _) in group.items()}
    return read


def weigh(lead: Lead, playbook: Playbook, read: Mapping[str, Term]) -> float:
    """Engagement: the sum of the signals, and what the learnt score adds."""
    points = engagement.total(read.values())
    return points if lead.chance is None else round(points + chance.adds(lead, playbook.scoring, points), 6)


Kind = Because | Literal["hand_raise"]


def _settle(
    lead: Lead, kind: Kind | None, tipped: UUID | None, read: Mapping[str, Term], playbook: Playbook, as_of: datetime
) -> tuple[Lead, Kind | None, UUID | None]:
    """An MQL that rests on clicks which may yet prove a machine's waits until they are old enough. Then it is one by
    the touchpoint that tipped it, though none comes at that moment."""
    held = lead.held
    if held is not None and kind is not None and tipped is None:
        kind, tipped = ("cell" if kind != "hand_raise" else kind), held.touchpoint_id
    until = _unsettled(lead, read, playbook, as_of) if kind not in (None, "hand_raise") else None
    if until is not None:
        return replace(lead, held=Held(until, tipped)), None, None
    return (lead if held is None else replace(lead, held=None)), kind, tipped


def _unsettled(lead: Lead, read: Mapping[str, Term], playbook: Playbook, as_of: datetime) -> datetime | None:
    """Until when to wait, where it is no MQL without the clicks that are too young; else None."""
    now, sums = micros(as_of), lead.sums
    young = [click for click in sums.clicks if click.at > now - SETTLED]
    if not young or sums.fit is None:
        return None
    without = dict(read)
    for click in young:
        for signal, points in click.points:
            if (term := without.get(signal)) is not None:
                lasting = points * engagement.faded(click.at, now, term.half_life)
                without[signal] = term._replace(value=term.value - lasting)
    level = playbook.scoring.levels.level(engagement.total(without.values()))
    if f"{sums.fit.grade}{level}" in playbook.scoring.qualification.cells:
        return None
    return moment(young[0].at + SETTLED)


def _stays_out(lead: Lead, fit: Fit) -> bool:
    """Sales has it already in this cycle, or it is disqualified or excluded: whatever its score, it is no MQL now."""
    return lead.qualified_at is not None or lead.disqualified is not None or bool(fit.excluded)


def _may_qualify(lead: Lead, fit: Fit, playbook: Playbook) -> bool:
    """Whether it would be an MQL if only its level were high enough."""
    if _stays_out(lead, fit):
        return False
    grades = [cell[0] for cell in playbook.scoring.qualification.cells]
    return lead.sums.hand_raise is not None or fit.grade in grades


def _qualifies(lead: Lead, cell: str, playbook: Playbook, as_of: datetime, because: Because) -> Kind | None:
    """Once per cycle: a hand-raise, or a cell of the agreement outside of the cool-down; and no exclusion."""
    sums = lead.sums
    assert sums.fit is not None
    if _stays_out(lead, sums.fit):
        return None
    if sums.hand_raise is not None:
        return "hand_raise"
    cooling = lead.cool_until is not None and as_of < lead.cool_until
    return because if cell in playbook.scoring.qualification.cells and not cooling else None


def _trigger(kind: Kind, sums: Sums, new: Standing, playbook: Playbook, tipped: UUID | None) -> Trigger:
    if kind != "hand_raise":
        return Trigger(kind=kind, id=new.cell, name=new.cell, touchpoint_id=tipped)
    raised = sums.hand_raise
    assert raised is not None
    rules = playbook.scoring.qualification.hand_raises
    name = next((rule.name for rule in rules if rule.id == raised.rule), raised.rule)
    return Trigger.model_validate(
        {"kind": kind, "id": raised.rule, "name": name, "touchpoint_id": raised.touchpoint_id}
    )


def reasons(lead: Lead, playbook: Playbook, read: Mapping[str, Term]) -> list[Reason]:
    """The best persona's criteria that hold; then of engagement the signals, the company's, the learnt score."""
    found: list[Reason] = []
    sums = lead.sums
    persona = playbook.persona(sums.fit.persona or "") if sums.fit is not None else None
    if persona is not None and sums.fit is not None:
        held = sums.fit.held
        found += [Reason("criterion", c.id, c.name, c.points, persona.id) for c in persona.criteria if c.id in held]
    for signal in playbook.scoring.signals:
        if (term := read.get(signal.id)) is not None and abs(points := term.now) >= LEAST_SHOWN:
            found.append(Reason("signal", signal.id, signal.name, points, None, sums.signals[signal.id]))
    for group in playbook.scoring.companies:
        if (term := read.get(group.id)) is not None and abs(points := term.now) >= LEAST_SHOWN:
            at = companies.since(group, sums.company)
            kept = Decaying(group.points, at, 0) if at is not None else None
            found.append(Reason("signal", group.id, group.name, points, None, kept))
    if abs(points := chance.adds(lead, playbook.scoring, engagement.total(read.values()))) >= LEAST_SHOWN:
        found.append(Reason("signal", chance.ID, f"Learnt score: a chance of {lead.chance:.0%}", points))
    return found


def contribution(reason: Reason) -> Contribution:
    kept = reason.kept
    return Contribution(
        kind=reason.kind,
        id=reason.id,
        name=reason.name,
        points=round(reason.points, 6),
        persona=reason.persona,
        touchpoints=kept.touchpoints if kept is not None else 0,
        last_at=moment(kept.at) if kept is not None else None,
    )


def weightiest(reasons: Iterable[Reason], at_most: int = 5) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -abs(reason.points))[:at_most]
