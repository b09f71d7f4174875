"""What one touchpoint adds to a lead: facts, points, a raised hand. Pure."""

from datetime import timedelta
from typing import Final

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook, RuleFailed
from scoring import engagement, facts, machines
from scoring.companies import DAY
from scoring.lead import Click, HandRaise, Lead
from scoring.moments import micros
from scoring.rules import REMEMBERED, About, Asked, Fed, rules_of
from scoring.touches import VARIABLES

AHEAD: Final = timedelta(minutes=5)  # ingest lets no clock run further ahead; against that of year 9999 all else is old
SETTLED: Final = machines.SETTLED // timedelta(microseconds=1)


def fold(lead: Lead, touch: TouchpointRecorded, playbook: Playbook, failed: list[RuleFailed]) -> None:
    """Take one touchpoint into `lead.sums`, in place. Machine touchpoints, and those from before this cycle, feed no
    signal and raise no hand; facts are kept from every cycle."""
    sums, at = lead.sums, micros(min(touch.occurred_at, touch.received_at + AHEAD))
    if facts.learn(sums.facts, touch, at, playbook.company):
        sums.fit = None
    if touch.machine:
        return
    if sums.active is None or at >= sums.active + DAY:
        sums.active = at - at % DAY
    if lead.cycle_from is not None and touch.occurred_at <= lead.cycle_from:
        return
    asked = rules_of(playbook).about_touches.get(touch.touch)
    if asked is None:
        return
    fed = _fed_by(touch, asked, playbook, failed)
    for signal in fed.signals:
        sums.signals[signal.id] = engagement.add(sums.signals.get(signal.id), signal.points, signal.half_life, at)
    if touch.touch == "email_clicked" and machines.mail_of(touch) is not None:
        gave = tuple((each.id, each.points) for each in fed.signals)
        newest = max(at, sums.clicks[-1].at if sums.clicks else at)
        sums.clicks = tuple(sorted(each for each in (*sums.clicks, Click(at, gave)) if each.at > newest - SETTLED))
    for hand_raise in fed.hand_raises:
        raised = HandRaise(at, str(touch.touchpoint_id), hand_raise)
        sums.hand_raise = raised if sums.hand_raise is None else max(sums.hand_raise, raised)


def _fed_by(touch: TouchpointRecorded, asked: Asked, playbook: Playbook, failed: list[RuleFailed]) -> Fed:
    """The signals and hand-raises whose conditions hold. A condition that fails counts as not holding, and is appended
    to `failed`."""
    key = tuple([VARIABLES[name](touch) for name in asked.names])
    try:
        if (known := asked.fed.get(key)) is not None:
            return known
        remember = True
    except TypeError:  # a map: `touch.fields` is hardly ever the same again
        remember = False
    about = About(playbook, "touch", dict(zip(asked.names, key, strict=True)))
    spoilt: list[RuleFailed] = []
    found = Fed(
        tuple(signal for signal in asked.signals if signal.rule.holds(about, spoilt)),
        tuple(id_ for id_, rule in asked.hand_raises if rule.holds(about, spoilt)),
    )
    if spoilt:
        failed += spoilt
    elif remember:
        if len(asked.fed) >= REMEMBERED:
            asked.fed.clear()
        asked.fed[key] = found
    return found
