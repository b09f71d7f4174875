"""Plays the quarter: moves the clock from moment to moment, lets happen what is due, and waits until all is handled."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from relevo_local.receiver import Received
from relevo_local.story.journeys import demo
from relevo_local.story.people import Person
from relevo_local.story.plan import Plan
from relevo_local.story.theatre import Theatre
from relevo_local.story.touches import Touch, ask_for_demo
from relevo_local.story.words import QUESTIONS, USER_AGENTS

# The moment, how many of the plan's stops are behind us, and how many webhooks have come.
Progress = Callable[[datetime, int, int], None]


async def play(theatre: Theatre, plan: Plan, today: datetime, progress: Progress) -> None:
    """The whole quarter; at its end the clock shows the real time again."""
    coming = {stop.at: stop.touches for stop in plan.stops}
    done = 0
    while coming:
        moment = min(coming)
        touches = coming.pop(moment)
        now = await theatre.go(moment)
        for later in await _happen(theatre, now, touches):
            if later < today - timedelta(minutes=5):
                coming.setdefault(later, ())
        done += bool(touches)
        progress(now, done, len(theatre.sales.receiver.received))
    await _happen(theatre, await theatre.go(None), ())
    await theatre.settled()


async def _happen(theatre: Theatre, now: datetime, touches: Sequence[Touch]) -> set[datetime]:
    """Promises fall due, reps answer, people come. Returns the moments at which something follows from it."""
    await theatre.promises_caught_up(theatre.sales.ignored, now)
    await theatre.sales.answer(now)
    if touches:
        await theatre.doors.send(touches)
    if touches or theatre.sales.ignored:  # somebody may get a lead; what an answer entails need not be waited for
        await theatre.settled()
    moments = theatre.sales.read(now)
    # One moment for all of a minute, and the earliest after it.
    return {moment.replace(second=0, microsecond=0) + timedelta(minutes=1) for moment in moments}


async def ask_one_by_one(theatre: Theatre, people: Iterable[Person]) -> list[float]:
    """Each asks for a demo when the one before has been heard. Milliseconds from each form to its verified webhook."""
    took = []
    for number, person in enumerate(people):
        form = ask_for_demo(person, datetime.now(UTC), QUESTIONS[number % len(QUESTIONS)], USER_AGENTS[0])
        began = time.perf_counter()
        await theatre.doors.submit(form)
        (webhook,) = await theatre.sales.receiver.until(_is_about(person.email))
        took.append((webhook.at - began) * 1000)
    await _answer_by(theatre, timedelta(minutes=20))  # the quick ones; the others' clocks are left running
    await theatre.settled()
    return took


async def go_on(theatre: Theatre, people: Iterable[Person]) -> None:
    """Twice a minute somebody asks for a demo and a rep answers, so that an open page has news. Never ends."""
    for person in people:
        await asyncio.sleep(20)
        await theatre.doors.send(list(demo(Random(person.visitor), person, (datetime.now(UTC),), 0)))  # noqa: S311
        await asyncio.sleep(10)
        await _answer_by(theatre, timedelta(hours=1))
    await asyncio.Event().wait()


async def _answer_by(theatre: Theatre, patience: timedelta) -> None:
    """Give at once the answers that the reps would give by then."""
    now = datetime.now(UTC)
    theatre.sales.read(now)
    await theatre.sales.answer(now + patience)


def _is_about(email: str) -> Callable[[Received], bool]:
    def wanted(webhook: Received) -> bool:
        return webhook.type == "lead.assigned" and webhook.data["snapshot"]["contact"].get("email") == email

    return wanted
