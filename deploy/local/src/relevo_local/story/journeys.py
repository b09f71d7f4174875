"""What people do over a quarter: some ask for a demo at once, most read first, some only look. PURE."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

from relevo_local.story import touches
from relevo_local.story.people import Person
from relevo_local.story.touches import Campaign, Touch
from relevo_local.story.words import GUIDES, OTHER_PAGES, PRICES, PRODUCT_PAGES, QUESTIONS, USER_AGENTS, Page

Stops = Sequence[datetime]  # when the clock stops; whatever a person does belongs to one of them

SEARCH_ADS: Campaign = {"source": "google", "medium": "cpc", "campaign": "planificacion-produccion"}
LINKED_IN: Campaign = {"source": "linkedin", "medium": "paid-social", "campaign": "jefes-de-produccion"}
MAILINGS = ("El taller que dejó de planificar en Excel", "Siete pasos para cumplir plazos", "Así se conecta con su ERP")
SCANNER = "Barracuda Sentinel (EE)"  # a mail gateway, which follows every link before the person sees the message


def demo(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Comes by an advertisement or a search, looks at prices, asks for a demo: at once, or at a second visit."""
    agent, campaign = _agent(random), random.choice((SEARCH_ADS, LINKED_IN, None, None))
    asks = _within(stops, begin + random.choice((0, 0, 1, 3)))
    if asks > begin:
        yield from _visit(random, person, stops[begin], _pages(random, 2), agent, campaign)
        campaign = None
    yield from _visit(random, person, stops[asks], [*_pages(random, random.randint(1, 3)), PRICES], agent, campaign)
    yield touches.ask_for_demo(person, stops[asks], random.choice(QUESTIONS), agent)


def reader(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Subscribes or takes a guide, gets our mailings, comes back or not; the keenest ask for a demo in the end."""
    agent, keen = _agent(random), random.random()
    if keen < 0.55:
        yield touches.subscribe(person, stops[begin], agent)
    else:
        guide = random.choice(GUIDES)
        came_by = random.choice((LINKED_IN, None))
        yield from _visit(random, person, stops[begin], [random.choice(OTHER_PAGES), guide], agent, came_by)
        yield touches.ask_for_guide(person, stops[begin], guide, agent)
        if keen > 0.7 and begin + 1 < len(stops):
            yield touches.download(person, stops[begin + 1] - timedelta(minutes=random.randint(20, 90)), guide)
    mailings = range(begin + 2, len(stops), 3)[: len(MAILINGS)]
    for number, stop in enumerate(mailings):
        yield from _mailing(random, person, stops[stop], number, keen, agent)
    if keen > 0.8 and len(mailings) == len(MAILINGS):
        back = _within(stops, mailings[-1] + 1)
        yield from _visit(random, person, stops[back], [*_pages(random, 2), PRICES], agent)
        saved = random.randrange(5, 60) * 1000
        yield touches.track(person, stops[back] - timedelta(minutes=1), "Calculadora usada", agent, ahorro_anual=saved)
        if keen > 0.93:
            yield touches.ask_for_demo(person, stops[_within(stops, back + 1)], random.choice(QUESTIONS), agent)


def fair_visitor(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Registers for the fair, comes to our stand or not; some book a meeting there, some visit the site afterwards.

    `begin` is the stop at the end of the fair.
    """
    yield touches.fair(person, stops[begin - 3] - timedelta(minutes=random.randint(5, 120)), "event_registered")
    if random.random() < 0.25:
        return
    yield touches.fair(person, stops[begin] - timedelta(minutes=random.randint(30, 180)), "event_attended")
    if random.random() < 0.15:
        yield touches.fair(person, stops[begin] - timedelta(minutes=random.randint(2, 25)), "meeting_booked")
    elif random.random() < 0.5:
        agent, back = _agent(random), _within(stops, begin + random.randint(1, 6))
        yield touches.identify(person, stops[back] - timedelta(minutes=26), agent)  # by the link in our thank-you note
        yield from _visit(random, person, stops[back], _pages(random, 3), agent)


def existing_customer(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Is in accounting's import from the first day on; some look at prices all the same, some even ask for a demo."""
    yield touches.customer(person, stops[0] - timedelta(minutes=30))
    if random.random() < 0.3:
        yield from demo(random, person, stops, begin)


def stranger(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Looks at a few pages and never says who it is."""
    yield from _visit(random, person, stops[begin], _pages(random, random.randint(1, 4)), _agent(random), SEARCH_ADS)


def scanned(random: Random, person: Person, stops: Stops, begin: int) -> Iterator[Touch]:
    """Gets our mailing behind a mail gateway, which clicks every link: no interest of anybody's."""
    yield touches.subscribe(person, stops[begin], _agent(random))
    sent, mailing = stops[_within(stops, begin + 1)] - timedelta(minutes=140), "boletin-1"
    yield touches.mail(person, sent, "delivered", mailing, MAILINGS[0])
    for seconds, link in enumerate(PRODUCT_PAGES):
        at = sent + timedelta(seconds=1 + seconds / 4)
        yield touches.mail(person, at, "clicked", mailing, MAILINGS[0], link=link.url, user_agent=SCANNER)


def _mailing(random: Random, person: Person, stop: datetime, number: int, keen: float, agent: str) -> Iterator[Touch]:
    """One message of ours, two hours and a half before the stop, and what became of it."""
    sent, mailing, subject = stop - timedelta(minutes=150), f"boletin-{number + 1}", MAILINGS[number]
    if number == 0 and keen < 0.03:
        yield touches.mail(person, sent, "bounced", mailing, subject)
        return
    yield touches.mail(person, sent, "delivered", mailing, subject)
    if random.random() > 0.25 + 0.6 * keen:
        return
    opened = sent + timedelta(minutes=random.randint(3, 90))
    yield touches.mail(person, opened, "opened", mailing, subject)
    if number == len(MAILINGS) - 1 and keen < 0.1:
        yield touches.mail(person, opened + timedelta(minutes=1), "unsubscribed", mailing, subject)
    elif random.random() < 0.1 + 0.5 * keen:
        seen = random.choice(PRODUCT_PAGES)
        clicked = opened + timedelta(minutes=2)
        came_by = {"source": "boletin", "medium": "email", "campaign": mailing}
        yield touches.mail(person, clicked, "clicked", mailing, subject, link=seen.url)
        yield touches.page(person, clicked + timedelta(seconds=4), seen, agent, came_by)


def _visit(
    random: Random, person: Person, stop: datetime, pages: Sequence[Page], agent: str, campaign: Campaign | None = None
) -> Iterator[Touch]:
    """Some pages within the half hour before the stop; the first one tells where the visit came from."""
    at = stop - timedelta(minutes=25)
    for number, seen in enumerate(pages):
        yield touches.page(person, at, seen, agent, campaign if number == 0 else None)
        at += timedelta(seconds=random.randint(20, 240))


def _pages(random: Random, count: int) -> list[Page]:
    return [random.choice(OTHER_PAGES) if random.random() < 0.4 else random.choice(PRODUCT_PAGES) for _ in range(count)]


def _agent(random: Random) -> str:
    return random.choice(USER_AGENTS)


def _within(stops: Stops, index: int) -> int:
    return min(index, len(stops) - 1)
