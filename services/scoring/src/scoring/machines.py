"""Clicks that only history proves to be a machine's. Pure.

A mail scanner follows every link of a message at once, or follows one before the message has even arrived. One click
alone says neither; so each mail is looked at with all we know of it. What proves a click guilty only ever grows, so the
order of arrival does not matter.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from relevo.events import TouchpointRecorded

LINKS: Final = 3  # distinct links of one message …
AT_ONCE: Final = timedelta(seconds=5)  # … within
TOO_SOON: Final = timedelta(seconds=2)  # after delivery: nobody opens, reads and clicks as fast
SETTLED: Final = timedelta(seconds=10)  # a click this old has either been joined by its like or is a person's

MANY_LINKS: Final = "three links of one message within 5 seconds"
BEFORE_DELIVERY: Final = "clicked before the message was delivered, or within 2 seconds"

Mail = tuple[str, str]  # whose mailbox (subject id), which message

TYPES: Final = ("email_clicked", "email_delivered")


def mail_of(touch: TouchpointRecorded) -> Mail | None:
    """The mail whose clicks this touchpoint says something of."""
    if touch.touch not in TYPES or touch.what.message_id is None:
        return None
    return touch.subjects[0].subject_id, touch.what.message_id


def found(touchpoints: Iterable[TouchpointRecorded]) -> dict[UUID, str]:
    """The clicks among these that a machine made, by touchpoint id, each with how we know."""
    mails: defaultdict[Mail, list[TouchpointRecorded]] = defaultdict(list)
    for touch in touchpoints:
        if touch.touch in TYPES and (mail := mail_of(touch)) is not None:
            mails[mail].append(touch)
    guilty: dict[UUID, str] = {}
    for each in mails.values():
        guilty |= _of_one_mail(each)
    return guilty


def _of_one_mail(touchpoints: Sequence[TouchpointRecorded]) -> dict[UUID, str]:
    clicks = sorted((t for t in touchpoints if t.touch == "email_clicked"), key=lambda t: t.occurred_at)
    delivered = max((t.occurred_at for t in touchpoints if t.touch == "email_delivered"), default=None)
    guilty: dict[UUID, str] = {}
    if delivered is not None:
        soon = (click for click in clicks if click.occurred_at <= delivered + TOO_SOON)
        guilty |= {click.touchpoint_id: BEFORE_DELIVERY for click in soon}
    first = done = 0
    links: Counter[str | None] = Counter()
    for last, click in enumerate(clicks):
        links[click.what.link] += 1
        while click.occurred_at - clicks[first].occurred_at > AT_ONCE:
            links[clicks[first].what.link] -= 1
            first += 1
        links = +links  # without those that are no longer in sight
        if len(links.keys() - {None}) >= LINKS:
            guilty |= {each.touchpoint_id: MANY_LINKS for each in clicks[max(first, done) : last + 1]}
            done = last + 1
    return guilty


def marked(touchpoints: Iterable[TouchpointRecorded]) -> list[TouchpointRecorded]:
    """These touchpoints, with the machine's clicks among them marked."""
    every = list(touchpoints)
    guilty = found(every)
    return [mark(touch, guilty.get(touch.touchpoint_id)) for touch in every] if guilty else every


def mark(touch: TouchpointRecorded, because: str | None) -> TouchpointRecorded:
    if because is None or touch.machine:
        return touch
    return touch.model_copy(update={"machine": True, "machine_because": because})
