"""A batch of resolved touchpoints, one after the other: leads absorbed, subjects tied, touchpoints scored. Pure.

A batch is walked through exactly as if each of its touchpoints had come alone, so that what is said of a lead does not
depend on how its touchpoints were cut into batches.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from relevo.events import TouchpointRecorded, uuid7
from relevo.events.identity import STRENGTH, SubjectKind
from relevo.playbook import Company, Playbook, RuleFailed
from scoring import machines
from scoring.companies import Companies, company_of
from scoring.fold import fold
from scoring.identity import Resolution, Resolved
from scoring.lead import Lead, absorb
from scoring.machines import Mail
from scoring.score import Because, Judgement, judge, rebuild

History = Mapping[UUID, Sequence[TouchpointRecorded]]
Subjects = Mapping[UUID, Sequence[tuple[str, SubjectKind]]]


@dataclass(frozen=True, slots=True)
class Identified:
    """A subject joined this lead, from nowhere or from another lead, with these touchpoints."""

    lead: Lead
    subject_id: str
    kind: SubjectKind
    from_lead_id: UUID | None
    touchpoint_ids: tuple[UUID, ...]
    trace: str | None


@dataclass(frozen=True, slots=True)
class Absorbed:
    """A lead that sales had already been given went into this one, or any lead that a person merged into it."""

    survivor: Lead
    lost: Lead
    heard: tuple[TouchpointRecorded, ...]
    trace: str | None
    merge_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Parted:
    """A merge was undone; `heard` are the touchpoints that stay with the survivor."""

    survivor: Lead
    lost: Lead
    heard: tuple[TouchpointRecorded, ...]
    merge_id: UUID


@dataclass(frozen=True, slots=True)
class Judged:
    """Where it qualifies, `heard` are the lead's touchpoints so far: all of them if `complete`, else this batch's."""

    judgement: Judgement
    heard: tuple[TouchpointRecorded, ...]
    complete: bool
    trace: str | None


Said = Identified | Absorbed | Parted | Judged


def needs_history(
    resolution: Resolution, leads: Mapping[UUID, Lead], mails: Iterable[TouchpointRecorded], playbook: Playbook
) -> set[UUID]:
    """The leads whose touchpoints must be at hand: summed under another playbook, one with another from here on, or
    with clicks in `mails` (what was kept of the mails of this batch) that it may prove a machine's."""
    stale = {lead_id for lead_id, lead in leads.items() if lead.version != playbook.version}
    absorbing = {resolved.lead_id for resolved in resolution.touchpoints if resolved.absorbs}
    of_mails = [each for each in resolution.touchpoints if machines.mail_of(each.touchpoint) is not None]
    every = [*mails, *(each.touchpoint for each in of_mails)]
    guilty = machines.found(every)
    clicked = {machines.mail_of(touch) for touch in every if touch.touchpoint_id in guilty and not touch.machine}
    scanned = {each.lead_id for each in of_mails if machines.mail_of(each.touchpoint) in clicked}
    return stale | absorbing | scanned | set(resolution.into)


def companies_met(resolution: Resolution, leads: Mapping[UUID, Lead], ours: Company) -> set[str]:
    """The companies that these leads are of, or will be after these touchpoints, or once summed anew."""
    said = {resolved.touchpoint.company.domain for resolved in resolution.touchpoints}
    are = {company for company in (*said, *map(company_of, leads.values())) if company is not None}
    return are | set(map(ours.main_domain, are))


@dataclass(slots=True)
class Walk:
    """Every lead met, as it now is (absorbed ones are gone); what there is to say, in order (of the standing of leads
    nothing but MQLs, if `mqls_only`); the rules that failed; the clicks that history proved a machine's, with how."""

    playbook: Playbook
    as_of: datetime
    history: History
    leads: dict[UUID, Lead]
    heard: defaultdict[UUID, list[TouchpointRecorded]]
    subjects: defaultdict[UUID, list[tuple[str, SubjectKind]]]
    companies: Companies
    mails: defaultdict[Mail, list[TouchpointRecorded]]
    mqls_only: bool
    said: list[Said] = field(default_factory=list)
    failed: list[RuleFailed] = field(default_factory=list)
    found: dict[UUID, str] = field(default_factory=dict)


def walk(
    resolution: Resolution,
    leads: Mapping[UUID, Lead],
    history: History,
    subjects: Subjects,
    fresh: Set[UUID],
    playbook: Playbook,
    as_of: datetime,
    *,
    mails: Iterable[TouchpointRecorded] = (),
    colleagues: Iterable[tuple[str, UUID, int]] = (),
) -> Walk:
    """`leads` that exist, by id; `history` of those that `needs_history` named, and the `subjects` of absorbed ones, as
    they were before this batch; `fresh`: the touchpoints that were not stored before, the only ones to be scored;
    `mails`: what was kept of the mails they are about; `colleagues`: who of their companies was active when. Takes the
    leads over: their sums are changed in place."""
    way = begin(playbook, as_of)
    way.history, way.leads = history, dict(leads)
    way.heard.update((lead_id, list(touchpoints)) for lead_id, touchpoints in history.items())
    way.subjects.update((lead_id, list(known)) for lead_id, known in subjects.items())
    way.companies.learn(colleagues)
    for touch in mails:
        if (mail := machines.mail_of(touch)) is not None:
            way.mails[mail].append(touch)
    for resolved in resolution.touchpoints:
        step(way, resolved, fresh=resolved.touchpoint.touchpoint_id in fresh)
    return way


def begin(playbook: Playbook, as_of: datetime, *, mqls_only: bool = False) -> Walk:
    """A walk that has met nobody yet."""
    lists = defaultdict[UUID, list[TouchpointRecorded]], defaultdict[UUID, list[tuple[str, SubjectKind]]]
    companies = Companies(playbook.scoring.companies)
    return Walk(playbook, as_of, {}, {}, lists[0](list), lists[1](list), companies, defaultdict(list), mqls_only)


def step(way: Walk, resolved: Resolved, *, fresh: bool) -> None:
    """One touchpoint; if it is not `fresh`, it was scored before, and only whose it is may be news."""
    touch = resolved.touchpoint
    lead = _lead(way, resolved)
    if resolved.absorbs:
        lead = _take_in(way, lead, resolved)
    if resolved.tied or resolved.shared:
        _identify(way, lead, resolved)
    if fresh:
        if (mail := machines.mail_of(touch)) is not None:
            touch, lead = _look_at_mail(way, lead, touch, mail)
        way.heard[lead.lead_id].append(touch)
        fold(lead, touch, way.playbook, way.failed)
        lead = say(way, lead, touch.trace, "cell", touch)
    elif resolved.absorbs:
        lead = say(way, lead, touch.trace, "merge")
    way.leads[lead.lead_id] = lead


def _look_at_mail(way: Walk, lead: Lead, touch: TouchpointRecorded, mail: Mail) -> tuple[TouchpointRecorded, Lead]:
    """The touchpoint, marked where a machine made it; the lead, summed again without clicks this one proves guilty."""
    before = way.mails[mail]
    guilty = machines.found([*before, touch])
    proved = {each.touchpoint_id for each in before if not each.machine and each.touchpoint_id in guilty}
    way.found |= {each.touchpoint_id: guilty[each.touchpoint_id] for each in (*before, touch)
                  if not each.machine and each.touchpoint_id in guilty}  # fmt: skip
    touch = machines.mark(touch, guilty.get(touch.touchpoint_id))
    way.mails[mail] = [machines.mark(each, guilty.get(each.touchpoint_id)) for each in (*before, touch)]
    if proved:
        heard = [machines.mark(each, guilty.get(each.touchpoint_id)) for each in way.heard[lead.lead_id]]
        way.heard[lead.lead_id] = heard
        lead = rebuild(lead, heard, way.playbook, way.failed)
    return touch, lead


def _identify(way: Walk, lead: Lead, resolved: Resolved) -> None:
    """Subjects that join the lead; a touchpoint that also names somebody else's is named with the first of them."""
    touch = resolved.touchpoint
    named = (touch.touchpoint_id,) if resolved.shared else ()
    for subject in resolved.tied or touch.subjects[:1]:
        way.said.append(Identified(lead, subject.subject_id, subject.kind, None, named, touch.trace))
        named = ()
    way.subjects[lead.lead_id] += ((subject.subject_id, subject.kind) for subject in resolved.tied)


def _lead(way: Walk, resolved: Resolved) -> Lead:
    """The touchpoint's lead, new if need be, summed under this playbook, known by the strongest subject seen."""
    kind = resolved.touchpoint.subjects[0].kind
    lead = way.leads.get(resolved.lead_id) or Lead(resolved.lead_id, kind, way.playbook.version)
    if lead.version != way.playbook.version:
        lead = rebuild(lead, way.heard[lead.lead_id], way.playbook, way.failed)
        lead = say(way, lead, resolved.touchpoint.trace, "playbook")
    if STRENGTH[kind] < STRENGTH[lead.known_by]:
        lead = replace(lead, known_by=kind)
        lead.sums.fit = None  # `lead.identified` may have changed
    return lead


def _take_in(way: Walk, lead: Lead, resolved: Resolved) -> Lead:
    """Other leads go into this one with all their subjects and touchpoints, and it is summed again."""
    trace = resolved.touchpoint.trace
    with_sales = []
    for lost_id in resolved.absorbs:
        lost = way.leads.pop(lost_id, None) or Lead(lost_id, "anonymous", way.playbook.version)
        way.companies.leave(lost_id)
        ids: defaultdict[str, list[UUID]] = defaultdict(list)
        for touch in way.heard[lost_id]:
            ids[touch.subjects[0].subject_id].append(touch.touchpoint_id)
        way.heard[lead.lead_id] += way.heard.pop(lost_id)
        lead = absorb(lead, lost)
        for subject_id, kind in sorted(way.subjects.pop(lost_id, ())):
            way.said.append(Identified(lead, subject_id, kind, lost_id, tuple(ids[subject_id]), trace))
            way.subjects[lead.lead_id].append((subject_id, kind))
        if lost.qualified_at is not None:
            with_sales.append(lost)
    lead = rebuild(lead, way.heard[lead.lead_id], way.playbook, way.failed)
    if with_sales:
        then = replace(lead, sums=lead.sums.copy())  # later touchpoints of this batch are not to be seen in it
        way.said += (Absorbed(then, lost, tuple(way.heard[lead.lead_id]), trace) for lost in with_sales)
    return lead


def say(way: Walk, lead: Lead, trace: str | None, because: Because, touch: TouchpointRecorded | None = None) -> Lead:
    """Judge the lead as of now, and say what changed."""
    if way.playbook.scoring.companies:
        lead.sums.company = way.companies.of(lead)
    lead, judgement = judge(
        lead, way.playbook, way.as_of, way.failed, touch=touch, because=because, mqls_only=way.mqls_only
    )
    if judgement is not None:
        heard = tuple(way.heard[lead.lead_id]) if judgement.trigger is not None else ()
        way.said.append(Judged(judgement, heard, lead.lead_id in way.history, trace))
    return lead
