"""What a rep makes of a lead, and when they say so. PURE: by seed, person and version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from relevo_local.story.words import AMOUNTS

FORGOTTEN = 0.04  # of the leads nobody thinks of again after the first call
LOST_BECAUSE = ("sin presupuesto este año", "eligió a otro proveedor", "no contesta")


@dataclass(frozen=True)
class Reply:
    """At this moment the rep posts `body` to the URL that the webhook gave for `act`."""

    at: datetime
    act: str
    body: Mapping[str, Any] = field(default_factory=dict)


def replies(seed: int, lead: Mapping[str, Any], at: datetime, *, rejects: bool) -> Sequence[Reply]:
    """What becomes of an assignment (the webhook's data) that came at `at`: answered within the hour, as agreed."""
    random = Random(f"{seed}/{lead['snapshot']['contact'].get('email')}/{lead['version']}")  # noqa: S311 - no secret
    first = at + timedelta(minutes=random.randint(5, 40))
    if rejects:
        return [Reply(first, "reject", {"reason": _reason(random, lead)})]
    return [*_contact(random, first), *_deal(random, first)]


def _reason(random: Random, lead: Mapping[str, Any]) -> str:
    if lead["cell"].startswith("C"):
        return "wrong_size" if lead["snapshot"]["company"].get("employees", 0) < 20 else "wrong_role"
    return random.choice(("no_need_now", "unresponsive"))


def _contact(random: Random, first: datetime) -> Sequence[Reply]:
    if random.random() < 0.5:
        return [Reply(first, "contacted")]
    later = timedelta(minutes=5) if random.random() < 0.8 else timedelta(hours=4)
    return [Reply(first, "accept"), Reply(first + later, "contacted")]


def _deal(random: Random, first: datetime) -> Sequence[Reply]:
    then, chance = first + timedelta(days=random.randint(2, 14)), random.random()
    if chance < FORGOTTEN:
        return []
    if chance < 0.45:
        return [Reply(then, "lost", {"reason": random.choice(LOST_BECAUSE)})]
    amount = {"amount": str(random.choice(AMOUNTS)), "currency": "EUR"}
    opened = Reply(then, "opportunity", amount)
    end, chance = then + timedelta(days=random.randint(5, 30)), random.random()
    if chance < 0.45:
        return [opened, Reply(end, "won", amount)]
    if chance < 0.7:
        return [opened, Reply(end, "lost", {"reason": random.choice(LOST_BECAUSE)})]
    return [opened]
