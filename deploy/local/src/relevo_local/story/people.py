"""Who comes: companies and their people, drawn from a seed. PURE."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from relevo.playbook.words import fold
from relevo_local.story.words import (
    ERPS,
    FIRST_NAMES,
    LAST_NAMES,
    PLACES,
    SECTOR_WEIGHTS,
    SECTORS,
    TITLES,
    TRADES,
    Place,
)


@dataclass(frozen=True)
class Company:
    name: str
    domain: str
    place: Place
    sector: str
    employees: int
    machines: int
    erp: str


@dataclass(frozen=True)
class Person:
    """`visitor` is the anonymous id in their browser, by which the site knows them before they say who they are."""

    first: str
    last: str
    email: str
    title: str
    phone: str | None
    company: Company
    visitor: str


def people(random: Random) -> Iterator[Person]:
    """One after the other, for ever; one to three of each company. No two share an address."""
    domains: set[str] = set()
    for company in _companies(random, domains):
        taken: set[str] = set()
        for _ in range(random.choices((1, 2, 3), (6, 3, 1))[0]):
            person = _person(random, company)
            if person.email not in taken:
                taken.add(person.email)
                yield person


def at(person: Person, domain: str, name: str, title: str | None = None) -> Person:
    """The same person somewhere else: at a competitor, with a throw-away mailbox, still a student."""
    company = Company(name, domain, person.company.place, "Consultoría", 8, 0, "Otro")
    mailbox = person.email.partition("@")[0]
    return Person(
        person.first,
        person.last,
        f"{mailbox}@{domain}",
        title or person.title,
        person.phone,
        company,
        person.visitor,
    )


def _companies(random: Random, domains: set[str]) -> Iterator[Company]:
    while True:
        trade, family = random.choice(TRADES), random.choice(LAST_NAMES)
        place = random.choices(PLACES, [place.weight for place in PLACES])[0]
        name = random.choice((f"{trade} {family}", f"{trade} {place.town}", f"{family} e Hijos"))
        domain = f"{fold(name).replace(' ', '-')}.example"
        if domain in domains:
            continue
        domains.add(domain)
        employees = random.choice((6, 14, 22, 35, 48, 65, 90, 120, 180, 260, 420, 700))
        yield Company(
            name=name,
            domain=domain,
            place=place,
            sector=random.choices(SECTORS, SECTOR_WEIGHTS)[0],
            employees=employees,
            machines=max(2, employees // random.choice((4, 6, 10))),
            erp=random.choice(ERPS),
        )


def _person(random: Random, company: Company) -> Person:
    small = company.employees < 60
    role = random.choices(tuple(TITLES), (6, 1, 1, 7, 2) if small else (8, 4, 3, 1, 3))[0]
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    mailbox = f"{fold(first)}.{fold(last)}".replace(" ", "")
    return Person(
        first=first,
        last=last,
        email=f"{mailbox}@{company.domain}",
        title=random.choice(TITLES[role]),
        phone=f"+34 555 {random.randrange(1_000_000):06d}" if random.random() < 0.7 else None,  # no number begins so
        company=company,
        visitor=f"{random.getrandbits(64):016x}",
    )
