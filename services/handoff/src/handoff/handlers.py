"""Kafka: MQLs go to reps; steps of sla-monitor's ladders are carried out if still due; the erased are forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from handoff import merging, message, queries
from handoff.assignment import Assignment, begin
from handoff.place import Placing, place, relations
from handoff.settings import answers_at
from handoff.settle import Answering, Settled, settle
from handoff.steps import still_due
from relevo.events import Event, LeadErased, LeadMerged, LeadQualified, LeadUnmerged, SlaBreached, SlaWarned
from relevo.events.slas import Step
from relevo.stream import Transaction, on


@on(LeadQualified)
async def assign_leads(tx: Transaction, mqls: Sequence[LeadQualified]) -> list[Event]:
    """To a rep, or into the queue; once per lead and cycle, whatever comes twice."""
    first = {(mql.lead_id, mql.cycle): mql for mql in reversed(mqls)}
    mqls = [mql for mql in mqls if first[mql.lead_id, mql.cycle] is mql]
    await queries.lock_leads(tx, (mql.lead_id for mql in mqls))
    placings: list[Placing] = []
    notices: list[message.Notice] = []
    new = [begin(mql) for mql in mqls]
    found = await relations(tx, new)
    if any(known.lost for known, _ in found):  # a replay of what could not be read: its own half of the merge was later
        new = await merging.moved_on(tx, new)
        found = await relations(tx, new)
    for mql, of, (known, related) in zip(mqls, new, found, strict=True):
        if not known.before:
            placings.append(Placing(of, "qualified", related=related))
            notices.append(message.notice(mql, of, message.qualified(of, tx.playbook)))
    return [event for _, event in await place(tx, placings, notices)]


@on(SlaWarned, SlaBreached)
async def take_steps(tx: Transaction, steps: Sequence[Step]) -> list[Event]:
    """Warn, reassign, accept, fall back: what is still due by now."""
    caused: list[Event] = []
    acting = [step for step in steps if step.do is not None]
    await queries.lock_leads(tx, (step.lead_id for step in acting))  # all of them before any team
    for once in _each_lead_once(acting):
        current = await queries.lock_cycles(tx, once)
        placings: list[Placing] = []
        notices: list[message.Notice] = []
        for key, step in once.items():
            of = current.get(key)
            do = still_due(step, of, tx.playbook.sla.max_reassign)
            if of is None or do is None:
                continue
            match do:
                case "warn_rep" | "warn_manager":
                    notices.append(_warning(tx, of, step, manager=do == "warn_manager"))
                case "accept":
                    settled = await settle(tx, of, Answering("accept", "step", "step", trace=step.trace))
                    caused += settled.events if isinstance(settled, Settled) else ()
                case "reassign":
                    slow = replace(of, reassigned=of.reassigned + 1)
                    placings.append(Placing(slow, "reassign", by="step", trace=step.trace))
                case "fallback":
                    placings.append(Placing(of, "fallback", "manager", by="step", trace=step.trace))
        caused += [event for _, event in await place(tx, placings, notices)]
    return caused


@on(LeadMerged)
async def join_merged(tx: Transaction, halves: Sequence[LeadMerged]) -> list[Event]:
    """Two leads are one person, as soon as both have said so."""
    return [event for merge in await merging.note(tx, halves) for event in await merging.join(tx, merge)]


@on(LeadUnmerged)
async def part_unmerged(tx: Transaction, halves: Sequence[LeadUnmerged]) -> None:
    """Assignments stay with the survivor; the loser's id leads there no more."""
    await merging.forget(tx, halves)


@on(LeadErased)
async def erase(tx: Transaction, erasures: Sequence[LeadErased]) -> None:
    """Assignments, decisions and webhooks of that person go, bodies and all; counters stay, without a person."""
    leads = [erased.lead_id for erased in erasures]
    await queries.lock_leads(tx, leads)
    await queries.erase(tx, leads)


def _each_lead_once(steps: Sequence[Step]) -> Iterator[dict[tuple[UUID, int], Step]]:
    """The steps in rounds, each lead at most once in a round, its steps in order: so that a round can be one batch."""
    left = list(steps)
    while left:
        once: dict[tuple[UUID, int], Step] = {}
        later = [step for step in left if once.setdefault((step.lead_id, step.cycle), step) is not step]
        yield once
        left = later


def _warning(tx: Transaction, of: Assignment, step: Step, *, manager: bool) -> message.Notice:
    team = tx.playbook.routing.team(of.team)
    to = team.manager.id if manager and team is not None else None
    return message.notice(step, of, message.step(of, tx.playbook, step, answers_at()), rep=to)
