"""What scoring does when something happened: thin, no decisions."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from prometheus_client import Counter

from relevo.events import (
    Event,
    LeadAssigned,
    LeadDisqualified,
    LeadErased,
    LeadRecycled,
    TouchpointRecorded,
)
from relevo.events.leads import PastOwner
from relevo.playbook import RuleFailed
from relevo.stream import Transaction, on
from scoring import around, queries, ties, whose
from scoring.batch import Judged, Said, companies_met, needs_history, walk
from scoring.companies import Companies, company_of
from scoring.kept import KINDS, Outcome, keep_mqls, keep_outcomes
from scoring.lead import REBUILD, Lead, disqualify, owned, recycle, settle
from scoring.score import Because, judge, rebuild
from scoring.tell import SHOWN, Now, events, incomplete

log = logging.getLogger(__name__)

FAILED_RULES = Counter("relevo_scoring_failed_rules", "Conditions that could not be answered", ["file", "line"])


@on(TouchpointRecorded)
async def score_touchpoints(tx: Transaction, touchpoints: Sequence[TouchpointRecorded]) -> Sequence[Event]:
    """Whose they are, what they are worth, who is qualified by them."""
    return await take_in(tx, touchpoints)


async def take_in(tx: Transaction, touchpoints: Sequence[TouchpointRecorded], *, wait: bool = True) -> list[Event]:
    """Four statements for a batch in which nobody is new: places, locks, touchpoints, leads (and a COPY of the outbox),
    and one for the colleagues if the playbook asks for them; up to nine more where subjects are new, leads are stale or
    go into others, mails are clicked, a company stirs, or somebody is qualified."""
    found = await whose.decide(tx, touchpoints, wait=wait)
    resolution, into = found.resolution, found.resolution.into
    kept = [(each.touchpoint, into.get(each.lead_id, each.lead_id)) for each in resolution.touchpoints]
    batch = [touch.touchpoint_id for touch, _ in kept]
    fresh, now = await queries.store(tx, kept)
    playbook, met = tx.playbook, resolution.leads | into.keys()
    mails = await around.mails(tx, met, [touch for touch, _ in kept])
    history = await queries.history(tx, needs_history(resolution, found.leads, mails, playbook), without=batch)
    subjects = await ties.subjects_of(tx, into.keys())
    colleagues = await around.colleagues(tx, companies_met(resolution, found.leads, playbook.company), playbook)
    way = walk(resolution, found.leads, history, subjects, fresh, playbook, now, mails=mails, colleagues=colleagues)
    recent = await queries.recent(tx, incomplete(way.said), SHOWN, without=batch)
    await ties.move(tx, into)
    await queries.save(tx, [way.leads[lead_id] for lead_id in dict.fromkeys(lead_id for _, lead_id in kept)], now)
    await around.mark(tx, way.found)
    await around.due_again(tx, way.companies.changed)
    count_failures(way.failed)
    told = events(way.said, recent, Now(now, tx.stamp, tx.playbook))
    await keep_mqls(tx, told)
    return told


@on(LeadAssigned, *KINDS)
async def learn_outcomes(tx: Transaction, outcomes: Sequence[LeadAssigned | Outcome]) -> Sequence[Event]:
    """Who owned the lead; what sales says of it; whether its trip is over. A cycle that ends or begins changes which
    signals count, so the lead is summed again from its touchpoints."""
    where, before = await ties.lock_current(tx, {outcome.lead_id for outcome in outcomes})
    await keep_outcomes(
        tx, [each for each in outcomes if not isinstance(each, LeadAssigned) and where[each.lead_id] in before]
    )
    leads = dict(before)
    for outcome in outcomes:
        lead_id = where[outcome.lead_id]
        if lead_id in leads:  # else it was erased
            leads[lead_id] = _after(leads[lead_id], outcome)
    changed = {lead_id: lead for lead_id, lead in leads.items() if lead is not before[lead_id]}
    again = {lead_id: lead for lead_id, lead in changed.items() if lead.version == REBUILD}
    await queries.save(tx, [lead for lead_id, lead in changed.items() if lead_id not in again], tx.now)
    return await judge_again(tx, again, {where[outcome.lead_id]: outcome.trace for outcome in outcomes})


def _after(lead: Lead, outcome: LeadAssigned | Outcome) -> Lead:
    match outcome:
        case LeadAssigned():
            return owned(lead, PastOwner(rep=outcome.rep.id, team=outcome.team, cycle=outcome.cycle))
        case LeadRecycled():
            return recycle(lead, outcome)
        case LeadDisqualified():
            return disqualify(lead, outcome)
    return settle(lead)


async def judge_again(
    tx: Transaction,
    leads: Mapping[UUID, Lead],
    traces: Mapping[UUID, str | None] | None = None,
    because: Because = "cool_down",
) -> list[Event]:
    """Judge locked leads though no touchpoint came; stale ones are summed again first. Saves them."""
    if not leads:
        return []
    playbook, now, failed = tx.playbook, await queries.moment(tx), list[RuleFailed]()
    history = await queries.history(tx, [i for i, lead in leads.items() if lead.version != playbook.version])
    of_company = await _companies(tx, leads.values())
    said: list[Said] = []
    after: list[Lead] = []
    for lead_id, lead in leads.items():
        why: Because = because
        if lead.version != playbook.version:
            why = "playbook" if lead.version else because
            lead = rebuild(lead, history[lead_id], playbook, failed)
        lead.sums.company = of_company.of(lead)
        lead, judgement = judge(lead, playbook, now, failed, because=why)
        after.append(lead)
        if judgement is not None:
            trace = (traces or {}).get(lead_id)
            said.append(Judged(judgement, tuple(history.get(lead_id, ())), lead_id in history, trace))
    recent = await queries.recent(tx, incomplete(said), SHOWN)
    await queries.save(tx, after, now)
    await around.due_again(tx, of_company.changed)  # by a new playbook it may be of another company
    count_failures(failed)
    told = events(said, recent, Now(now, tx.stamp, playbook))
    await keep_mqls(tx, told)
    return told


async def with_colleagues(tx: Transaction, lead: Lead) -> Lead:
    """The lead, with when the people of its company were last active."""
    lead.sums.company = (await _companies(tx, [lead])).of(lead)
    return lead


async def _companies(tx: Transaction, leads: Iterable[Lead]) -> Companies:
    known = {company for lead in leads if (company := company_of(lead)) is not None}
    known |= set(map(tx.playbook.company.main_domain, known))
    companies = Companies(tx.playbook.scoring.companies)
    companies.learn(await around.colleagues(tx, known, tx.playbook))
    return companies


@on(LeadErased)
async def erase(tx: Transaction, erasures: Sequence[LeadErased]) -> Sequence[Event]:
    """Delete the lead and what was received before, keep a tombstone per subject. What was received since belongs to a
    new lead, and is taken in as if it came now."""
    subjects = {subject: erased.received_before for erased in erasures for subject in erased.subject_ids}
    await ties.claim_tombstones(tx, subjects)
    where, _ = await ties.lock_current(tx, {erased.lead_id for erased in erasures})
    before = {where[erased.lead_id]: erased.received_before for erased in erasures}
    since = await ties.erase(tx, before, subjects)
    return await take_in(tx, since, wait=False) if since else []


def count_failures(failed: Iterable[RuleFailed]) -> None:
    """A rule that fails counts as not holding: nothing stops, and its author can see it."""
    lines: dict[tuple[str, int], str] = {}
    for failure in failed:
        FAILED_RULES.labels(failure.file, str(failure.line)).inc()
        lines[failure.file, failure.line] = failure.message
    for (file, line), message in lines.items():
        log.warning("rule failed", extra={"file": file, "line": line, "because": message})
