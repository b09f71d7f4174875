"""The quarter that is played: when the clock stops, and what has happened by then. PURE: same seed, same plan."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

from relevo.calendar import Calendar, next_opening
from relevo_local.story import journeys
from relevo_local.story.journeys import Stops
from relevo_local.story.people import Person, at, people
from relevo_local.story.touches import Touch

QUARTER = timedelta(days=91)
SILENT_FROM = 0.5  # of the stops: from then on one rep answers nothing

DEMOS, READERS, FAIR_VISITORS, CUSTOMERS, STRANGERS, SCANNED = 60, 165, 50, 24, 30, 5
ODD_ONES = (  # who asks for a demo, and is no lead for sales: our agreement says why
    ("forjasoftware.example", "Forja Software", None),
    ("planificador.example", "Planificador", None),
    ("tallerplus.example", "TallerPlus", None),
    ("mailinator.com", "Yo", None),
    ("escuelatecnica.example", "Escuela Técnica", "Estudiante de ingeniería"),
    ("escuelatecnica.example", "Escuela Técnica", "Becaria de producción"),
)


@dataclass(frozen=True)
class Stop:
    """A moment at which the clock stands still, and what happened since the one before, oldest first."""

    at: datetime
    touches: tuple[Touch, ...]


@dataclass(frozen=True)
class Plan:
    seed: int
    stops: tuple[Stop, ...]
    silent_from: datetime
    guests: tuple[Person, ...]  # who come when the story has arrived at today
    not_for_sales: frozenset[str]  # addresses of those whom the agreement excludes, whatever they ask for


def plan(seed: int, today: datetime, hours: Calendar, zone: ZoneInfo, guests: int) -> Plan:
    """A quarter that ends before `today`. `hours` are those of the sales team: the clock stops while it is open."""
    random = Random(seed)  # noqa: S311 - a story, no secret
    stops = tuple(_moments(random, today, hours, zone))
    crowd = people(random)
    customers = [next(crowd) for _ in range(CUSTOMERS)]
    odd_ones = [at(next(crowd), domain, company, title) for domain, company, title in ODD_ONES]
    done = sorted(_quarter(random, crowd, stops, customers, odd_ones), key=lambda touch: touch.at)
    by_stop: list[list[Touch]] = [[] for _ in stops]
    for touch in done:
        by_stop[bisect_left(stops, touch.at)].append(touch)
    return Plan(
        seed=seed,
        stops=tuple(Stop(moment, tuple(then)) for moment, then in zip(stops, by_stop, strict=True)),
        silent_from=stops[int(len(stops) * SILENT_FROM)],
        guests=tuple(islice(crowd, guests)),
        not_for_sales=frozenset(person.email for person in (*customers, *odd_ones)),
    )


def _moments(random: Random, today: datetime, hours: Calendar, zone: ZoneInfo) -> Iterator[datetime]:
    """A moment in the morning of two working days in five of the quarter; never are more than two left out in a row."""
    day = (today - QUARTER).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    left_out = 0
    while (midnight := day) < today - timedelta(days=1):
        day = (midnight + timedelta(days=1, hours=3)).replace(hour=0)  # the next midnight, whatever the clocks do
        opening = next_opening(hours, midnight)
        if opening >= day:
            continue
        left_out = left_out + 1 if left_out < 2 and random.random() < 0.8 else 0
        if not left_out:
            yield opening + timedelta(minutes=random.randint(60, 150), seconds=random.randrange(60))


def _quarter(
    random: Random, crowd: Iterator[Person], stops: Stops, customers: Sequence[Person], odd_ones: Sequence[Person]
) -> Iterator[Touch]:
    for journey, those in (
        (journeys.existing_customer, customers),
        (journeys.demo, [*odd_ones, *islice(crowd, DEMOS)]),
        (journeys.reader, islice(crowd, READERS)),
        (journeys.stranger, islice(crowd, STRANGERS)),
        (journeys.scanned, islice(crowd, SCANNED)),
    ):
        for person in those:
            yield from journey(random, person, stops, _begin(random, stops))
    fair = len(stops) // 2
    for person in islice(crowd, FAIR_VISITORS):
        yield from journeys.fair_visitor(random, person, stops, fair + random.randint(0, 1))


def _begin(random: Random, stops: Sequence[datetime]) -> int:
    """The stop at which somebody first comes; a few more towards the end, as business grows."""
    return int(len(stops) * random.random() ** 0.85)
