"""Whether the story came out as promised: what is missing, in words. PURE."""

from collections.abc import Iterator

from relevo_local.story.access import SOURCES
from relevo_local.story.cast import Cast
from relevo_local.story.plan import Plan
from relevo_local.story.tally import ACCEPTED, Tally

LEAST_PEOPLE = 300


def missing(tally: Tally, plan: Plan, who: Cast) -> list[str]:
    """Every promise that was not kept; nothing if all were."""
    return [
        *_intake(tally),
        *_assignments(tally, plan),
        *_webhooks(tally),
        *_answers(tally, who),
        *_promises(tally, who),
    ]


def _intake(tally: Tally) -> Iterator[str]:
    people = sum(lead["known_by"] != "anonymous" for lead in tally.leads)
    if people < LEAST_PEOPLE:
        yield f"{people} leads said who they are, fewer than {LEAST_PEOPLE}"
    for source in SOURCES:
        admitted, shown = tally.admitted[source, "accepted"], tally.touchpoints[source]
        if shown == 0:
            yield f"no touchpoint of the source {source} is on a timeline"
        elif shown != admitted:
            yield f"of {source} ingest took {admitted} touchpoints, and the timelines show {shown}"
    for what in ("failed", "refused", "too_fast"):
        if number := sum(n for (_, became), n in tally.admitted.items() if became == what):
            yield f"ingest counts {number} touchpoints as {what}"
    for service, letters in tally.dead.items():
        if letters:
            yield f"{service.lower()} has {letters} dead letters"


def _assignments(tally: Tally, plan: Plan) -> Iterator[str]:
    if tally.funnel["mql"] != len(tally.assignments) or not tally.assignments:
        yield f"{tally.funnel['mql']} MQLs, and {len(tally.assignments)} of them came to sales"
    if waiting := len(tally.of_stage("waiting")):
        yield f"{waiting} leads still wait for a rep"
    owned = [each["lead_id"] for each in tally.of_stage("assigned", "accepted", "contacted", "opportunity")]
    if len(owned) != len(set(owned)):
        yield f"{len(owned) - len(set(owned))} leads belong to two reps at once"
    handed = {each["contact"].get("email") for each in tally.assignments}
    if wrong := len(handed & plan.not_for_sales):
        yield f"{wrong} leads came to sales though the agreement excludes them"


def _webhooks(tally: Tally) -> Iterator[str]:
    due = {(each["assignment_id"], version + 1) for each in tally.assignments for version in range(each["version"])}
    arrived = [(each.data["assignment_id"], each.data["version"]) for each in tally.assigned()]
    if lost := len(due - set(arrived)):
        yield f"{lost} of {len(due)} assignments did not reach their rep by webhook"
    if phantom := len(set(arrived) - due):
        yield f"{phantom} webhooks speak of assignments that handoff does not know"
    if len(arrived) != len(set(arrived)):
        yield f"{len(arrived) - len(set(arrived))} assignments were told under two webhook ids"
    if astray := sum(each.endpoint != each.data["rep"]["id"] for each in tally.assigned()):
        yield f"{astray} webhooks came to another rep's endpoint"
    if tally.forged:
        yield f"{tally.forged} webhooks were refused: their signature did not verify"
    if tally.undelivered:
        yield f"handoff gave up {tally.undelivered} deliveries"


def _answers(tally: Tally, who: Cast) -> Iterator[str]:
    accepted, rejected = tally.of_stage(*ACCEPTED), tally.of_stage("rejected")
    if tally.funnel["sql"] != len(accepted) or not accepted:
        yield f"handoff knows {len(accepted)} accepted leads, the console {tally.funnel['sql']}"
    if not any(each["reason"] and each["rep"]["id"] == who.critic for each in rejected):
        yield f"{who.names[who.critic]} rejected no lead with a reason"
    told = {
        (each.data["assignment_id"], each.data["reason"]) for each in tally.webhooks if each.type == "lead.rejected"
    }
    if untold := {(each["assignment_id"], each["reason"]) for each in rejected} - told:
        yield f"marketing was not told of {len(untold)} rejections and their reasons"
    for stage in ("won", "lost"):
        if not tally.of_stage(stage):
            yield f"no lead was {stage}"


def _promises(tally: Tally, who: Cast) -> Iterator[str]:
    name = who.names[who.silent]
    silent = [each for each in tally.breaches if each["kind"] == "answer" and each["rep"] == who.silent]
    if not silent:
        yield f"{name} stayed silent, and no breach was counted"
    broken = {each["lead_id"] for each in silent}
    warned = {
        each.data["lead_id"] for each in tally.webhooks if each.type == "sla.warned" and each.endpoint == who.silent
    }
    if unwarned := len(broken - warned):
        yield f"{name} was not warned of {unwarned} leads before they breached"
    moved = {each["lead_id"] for each in tally.assignments if each["version"] > 1}
    if stuck := len(broken - moved):
        yield f"{stuck} leads stayed with {name} after the breach"
    if early := sum(each["lateness_seconds"] < 0 or each["fired_at"] < each["due_at"] for each in tally.breaches):
        yield f"{early} breaches were called before they were due"
    if others := sum(each["kind"] == "answer" and each["rep"] != who.silent for each in tally.breaches):
        yield f"{others} answers came late from reps who answer"
