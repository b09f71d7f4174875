"""PURE: an event in words, with its reasons, for the timeline."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from console.speech import Speech
from relevo import events as e
from relevo.events import Event
from relevo.events.assignments import Delivery, OfAssignment, Opportunity
from relevo.events.leads import Contribution
from relevo.events.slas import Clock, Step

Tone = Literal["touch", "score", "good", "sales", "clock", "bad", "quiet"]
Names = Mapping[str, str]  # what ids are called: `rep:ana` → Ana Molina, `team:…`, `persona:…`, `rule:…`


@dataclass(frozen=True)
class Reason:
    """One line of why: what counted, with its points where it has some."""

    label: str
    note: str = ""
    points: str = ""
    sum: bool = False


@dataclass(frozen=True)
class Told:
    """What the page shows of one event; `quote`: the person's own words."""

    tone: Tone
    title: str
    lines: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    quote: str = ""
    decision: UUID | None = None
    by: str = ""


def names_in(events: Iterable[Event]) -> dict[str, str]:
    """The reps' names that these events say themselves."""
    return {f"rep:{event.rep.id}": event.rep.name for event in events if isinstance(event, e.LeadAssigned)}


def named(names: Names, kind: str, identifier: str) -> str:
    """What an id of that kind is called; itself where nobody says."""
    return names.get(f"{kind}:{identifier}", identifier)


def tell(event: Event, say: Speech, names: Names) -> Told:
    """`event` in the reader's language."""
    match event:
        case e.TouchpointRecorded():
            return _touchpoint(event, say)
        case e.LeadIdentified() | e.LeadScored() | e.LeadQualified() | e.LeadMerged() | e.LeadUnmerged():
            return _lead(event, say, names)
        case e.LeadWaiting() | e.LeadAssigned():
            return _handed(event, say, names)
        case Delivery():
            return _delivery(event, say)
        case Clock():
            return _clock(event, say, names)
        case OfAssignment():
            return _answer(event, say, names)
        case e.LeadRecycled() | e.LeadDisqualified():
            key = "event.recycled" if isinstance(event, e.LeadRecycled) else "event.disqualified"
            title = say(key, reason=say.word("reason", event.reason))
            lines = (say("until", at=say.when(event.until)),) if event.until else ()
            return Told("quiet", title, lines, by=who(event.by, say, names))
        case e.LeadErased():
            return Told("quiet", say("event.erased"), by=who(event.by, say, names))
    return Told("quiet", event.type)


def who(by: str, say: Speech, names: Names) -> str:
    """The actor of an event: a rep's name, a user's, the system."""
    kind, _, name = by.partition(":")
    return named(names, "rep", name) if name else say.word("by", kind)


def _touchpoint(touch: e.TouchpointRecorded, say: Speech) -> Told:
    what = touch.what
    thing = what.title or what.asset or what.event or what.subject_line or what.form
    title = say.word("touch", touch.touch)
    lines = [what.link or what.url or "", say("touch.by_source", source=touch.source)]
    if touch.campaign.name:
        lines.append(f"{say('fact.campaign')}: {touch.campaign.name}")
    if touch.machine:
        because = touch.machine_because
        lines.append(say("touch.machine_because", because=because) if because else say("touch.machine"))
    fields = tuple(Reason(name, value) for name, value in list(touch.fields.items())[:12])
    return Told(
        "quiet" if touch.machine else "touch",
        f"{title}: {thing}" if thing else title,
        tuple(filter(None, lines)),
        fields,
        quote=what.text or "",
    )


def _lead(
    event: e.LeadIdentified | e.LeadScored | e.LeadQualified | e.LeadMerged | e.LeadUnmerged,
    say: Speech,
    names: Names,
) -> Told:
    match event:
        case e.LeadIdentified():
            kind, moved = say.word("kind", event.subject_kind), len(event.touchpoint_ids)
            key = "event.identified_moved" if moved and event.from_lead_id else "event.identified"
            return Told("quiet", say(key, kind=kind, n=moved))
        case e.LeadScored():
            cell, old = event.new.cell, event.old.cell if event.old else None
            key = "event.scored_first" if old is None else "event.scored" if old != cell else "event.scored_same"
            return Told("score", say(key, old=old, cell=cell), reasons=_contributions(event.reasons, say, names))
        case e.LeadQualified():
            trigger = say(f"trigger.{event.trigger.kind}", name=event.trigger.name)
            return Told("good", say("event.qualified", cell=event.score.cell), (trigger,), _both(event, say, names))
        case e.LeadMerged():
            return Told("quiet", say("event.merged"), by=who(event.by, say, names))
        case e.LeadUnmerged():
            return Told("quiet", say("event.unmerged"), by=who(event.by, say, names))


def _both(event: e.LeadQualified, say: Speech, names: Names) -> tuple[Reason, ...]:
    """Every reason: those of fit with their sum, then those of engagement with theirs."""
    score = event.score
    criteria = [one for one in event.contributions if one.kind == "criterion"]
    signals = [one for one in event.contributions if one.kind == "signal"]
    fit = Reason(say("lead.fit"), score.grade, say.points(score.fit), sum=True)
    engagement = Reason(say("lead.engagement"), str(score.level), say.points(score.engagement), sum=True)
    return (
        *_contributions(criteria, say, names),
        fit,
        *_contributions(signals, say, names),
        engagement,
    )


def _contributions(contributions: Iterable[Contribution], say: Speech, names: Names) -> tuple[Reason, ...]:
    def note(one: Contribution) -> str:
        if one.kind == "criterion":
            return named(names, "persona", one.persona) if one.persona else ""
        return say("points.signal_one") if one.touchpoints == 1 else say("points.signal", n=one.touchpoints)

    return tuple(Reason(one.name, note(one), say.points(one.points)) for one in contributions)


def _handed(event: e.LeadWaiting | e.LeadAssigned, say: Speech, names: Names) -> Told:
    if isinstance(event, e.LeadWaiting):
        failed = tuple(
            Reason(named(names, "rep", one.rep), f"{say.word('failed', one.test)}: {one.because}")
            for one in event.failed
        )
        title = say("event.waiting", team=named(names, "team", event.team), position=event.position)
        return Told("clock", title, reasons=failed)
    lines = [say(f"because.{event.because}", rule=named(names, "rule", event.rule))]
    if event.previous_rep:
        lines.append(say("event.previous", rep=named(names, "rep", event.previous_rep)))
    if event.version > 1:
        lines.append(say("event.version", version=event.version))
    key = "event.assigned_manager" if event.manager else "event.assigned"
    by = who(event.by, say, names) if event.by != "system" else ""
    return Told("sales", say(key, rep=event.rep.name), tuple(lines), decision=event.decision_id, by=by)


def _answer(event: OfAssignment, say: Speech, names: Names) -> Told:
    rep = named(names, "rep", event.rep)
    by = who(event.by, say, names) if event.by != f"rep:{event.rep}" else ""
    match event:
        case e.LeadAccepted():
            return Told(
                "good",
                say("event.accepted", rep=rep),
                (_channel(event.channel, say),),
                by=by,
            )
        case e.LeadRejected():
            lines = [
                say.word("consequence", event.consequence),
                _channel(event.channel, say),
            ]
            if event.until:
                lines.insert(1, say("until", at=say.when(event.until)))
            title = say("event.rejected", rep=rep, reason=say.word("reason", event.reason))
            return Told("bad", title, tuple(lines), quote=event.note or "", by=by)
        case e.LeadContacted():
            title = say("event.contacted", rep=rep)
            return Told("sales", title, (_channel(event.channel, say),), by=by)
        case e.LeadPaused():
            return Told("clock", say("event.paused", reason=event.reason), by=by)
        case e.LeadResumed():
            return Told("clock", say("event.resumed", reason=event.reason), by=by)
        case Opportunity():
            return _opportunity(event, say, by)
    return Told("sales", event.type, by=by)


def _channel(channel: str, say: Speech) -> str:
    return say("event.channel", channel=say.word("channel", channel))


def _opportunity(event: Opportunity, say: Speech, by: str) -> Told:
    lines = []
    if event.amount is not None:
        lines.append(say("event.worth", amount=say.number(float(event.amount), 2), currency=event.currency or ""))
    if event.reason:
        lines.append(say.word("reason", event.reason))
    match event:
        case e.OpportunityWon():
            return Told("good", say("event.won"), tuple(lines), by=by)
        case e.OpportunityLost():
            return Told("bad", say("event.lost"), tuple(lines), by=by)
    return Told("sales", say("event.opened"), tuple(lines), by=by)


def _delivery(event: Delivery, say: Speech) -> Told:
    if isinstance(event, e.DeliveryMade):
        lines = (say("event.tries", tries=event.tries, status=event.status), *_endpoint(event))
        return Told("quiet", say("event.delivered"), lines)
    reason = event.reason if isinstance(event, e.DeliveryFailed) else ""
    lines = (say("event.tries_failed", tries=event.tries), *_endpoint(event))
    return Told("bad", say("event.undelivered", reason=reason), lines)


def _endpoint(event: Delivery) -> tuple[str, ...]:
    """The endpoint, where it has a name that says something to people."""
    try:
        UUID(event.endpoint)
    except ValueError:
        return (event.endpoint,)
    return ()


def _clock(event: Clock, say: Speech, names: Names) -> Told:
    clock = say.word("clock", event.kind)
    owner = (named(names, "rep", event.rep),) if event.rep else ()
    match event:
        case e.SlaStarted():
            due = say("sla.due", at=say.when(event.due_at), policy=event.policy)
            return Told("clock", say("event.sla_started", clock=clock), (*owner, due))
        case Step():
            lines = [*owner, say("sla.elapsed", span=say.span(event.elapsed_seconds), policy=event.policy)]
            if event.do:
                lines.append(say(f"do.{event.do}"))
            if event.late_because:
                lines.append(say("sla.late_because", because=event.late_because))
            broken = isinstance(event, e.SlaBreached)
            title = say("event.sla_breached" if broken else "event.sla_warned", clock=clock)
            return Told("bad" if broken else "clock", title, tuple(lines))
        case e.SlaMet():
            lines = [*owner, say("sla.elapsed", span=say.span(event.elapsed_seconds), policy=event.policy)]
            title = say("event.sla_met_late" if event.late else "event.sla_met", clock=clock)
            return Told("clock" if event.late else "good", title, tuple(lines))
        case e.SlaCorrected():
            acted = say("sla.acted", at=say.when(event.acted_at))
            return Told("good", say("event.sla_corrected", clock=clock), (acted,))
    return Told("clock", clock, owner)
