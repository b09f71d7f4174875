"""Random histories of leads, as data: calendars, policies, what becomes of a lead and when it is heard of.

Whole minutes throughout, over a weekend on which the clocks change.
"""

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BASE = datetime(2026, 3, 28, tzinfo=UTC)  # a Saturday; Europe's clocks change on Sunday at 01:00 UTC
MINUTES = 2 * 24 * 60
HORIZON = 9 * 24 * 60  # by then all that is promised is due

_WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
# name → zone, opening hours, closed parts of days
CALENDARS: dict[str, tuple[str, dict[str, list[str]], list[tuple[date, str, str]]]] = {
    "office": (
        "Europe/Madrid",
        {"sat": ["09:00-14:00", "16:00-19:00"], "sun": ["00:00-06:00", "09:00-13:00"]} | _WEEK,
        [(date(2026, 3, 28), "17:00", "17:30")],
    ),
    "nights": ("Europe/Madrid", {"sat": ["22:00-24:00"], "sun": ["00:00-05:00", "20:00-23:00"]} | _WEEK, []),
    "west": ("Atlantic/Canary", {"sat": ["08:00-20:00"], "sun": ["08:00-20:00"]} | _WEEK, []),
}
TEAMS = {"north": "office", "south": "west"}
REPS = {"ana": "office", "bea": "nights", "dora": "west", "emil": "west", "boss": "office"}


def is_open(name: str, minute: int) -> bool:
    """By the clock on the wall."""
    zone, hours, closed = CALENDARS[name]
    local = (BASE + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))
    clock, today = f"{local:%H:%M}", hours[f"{local:%a}".lower()]
    shut = any(local.date() == day and begin <= clock < end for day, begin, end in closed)
    return not shut and any(span[:5] <= clock < span[6:] for span in today)


OPEN = {name: [is_open(name, minute) for minute in range(HORIZON)] for name in CALENDARS} | {"always": [True] * HORIZON}


@dataclass(frozen=True)
class Policy:
    """`least`: of how many employees a lead must speak; times in minutes; `hours`: team, rep, always or a calendar."""

    id: str
    kind: str
    least: int
    target: int
    again: int
    hours: str
    ladder: tuple[tuple[int, str], ...]

    @lru_cache(maxsize=1000)  # noqa: B019  there are a few policies
    def steps(self, goal: int) -> list[tuple[int, int, str | None, str]]:
        """With this target: after how long, which rung, what it does, its name (the n-th of its sort, or target)."""
        rungs = [(after * goal // self.target, do) for after, do in self.ladder]
        found: list[tuple[int, int, str | None, str]] = []
        for index, (after, do) in enumerate(rungs):
            nth = [other for _, other in rungs[: index + 1]].count(do)
            found.append((after, index, do, "target" if after == goal else f"{do}.{nth}"))
        return sorted(found if goal in dict(rungs) else [*found, (goal, len(rungs), None, "target")])


@dataclass(frozen=True)
class Terms:
    """An agreement: of each kind the first policy that holds; how often a step may move a lead on."""

    policies: tuple[Policy, ...]
    most: int


@dataclass(frozen=True)
class Standing:
    """Who has the lead, how often a step moved it on, whether anyone spoke to it."""

    version: int = 0
    rep: str | None = None
    tries: int = 0
    manager: bool = False
    contacted: bool = False


@dataclass(frozen=True)
class Fact:
    """What happened at minute `at`, and when it is heard of."""

    heard: int
    kind: str
    at: int
    version: int = 0
    rep: str | None = None
    team: str = ""
    by_step: bool = False
    manager: bool = False
    onward: bool = False
    employees: int = 0


# --- agreements ---

_ON_THE_WAY = {
    "wait": ["warn_manager"], "answer": ["warn_rep", "warn_manager"],
    "first_contact": ["warn_rep", "warn_manager"], "outcome": ["warn_rep", "warn_manager"],
}  # fmt: skip
_LAST = {"wait": ["fallback"], "answer": ["reassign", "accept"], "first_contact": ["reassign", "warn_rep", ""]}


def terms(chance: random.Random) -> Terms:
    policies = []
    for kind in ("wait", "answer", "first_contact", "outcome"):
        if kind in ("first_contact", "outcome") and chance.random() < 0.2:
            continue
        for number, least in enumerate((50, 0) if chance.random() < 0.5 else (0,)):
            policies.append(_policy(chance, f"{kind.replace('_', '-')}-{number}", kind, least))
    return Terms(tuple(policies), chance.randrange(3))


def _policy(chance: random.Random, name: str, kind: str, least: int) -> Policy:
    target = chance.choice((80, 160, 240, 320))
    shares = sorted(chance.sample((25, 50, 75, 100, 150, 200), chance.randint(1, 4)))
    last = chance.choice(_LAST.get(kind, [""]))
    ladder = [(target * share // 100, chance.choice(_ON_THE_WAY[kind])) for share in shares]
    if last:
        ladder[-1] = (ladder[-1][0], last)
    hours = chance.choice(
        ("team", "always", "office") if kind == "wait" else ("team", "rep", "rep", "always", "nights")
    )
    return Policy(name, kind, least, target, chance.choice((target // 2, 40, 80)), hours, tuple(ladder))


# --- leads ---


def history(chance: random.Random, every: int = 1) -> tuple[int, tuple[Fact, ...]]:
    """When it qualified, and what became of it, in the order it was heard of; at minutes that `every` divides."""
    now = mql = chance.randrange(0, MINUTES // 2)
    facts: list[Fact] = []
    heard, version, employees = now, 0, chance.choice((10, 80))
    answered: dict[int, int] = {}  # since when a version could have been answered
    for _ in range(chance.randint(2, 12)):
        now += chance.choice((0, 5, 20, 60, 200)) + chance.randrange(40)
        fact = _next(chance, now, version, employees, answered)
        if fact.kind == "assigned":
            version = fact.version
            answered[version] = now
        delay = chance.choice((0, 0, 0, chance.randrange(400)))
        heard = max(heard, -(-(now + delay) // every) * every)
        facts.append(replace(fact, heard=heard))
        if chance.random() < 0.1:
            facts.append(facts[-1])  # said again, as after a merge or a replay by hand
        if heard >= MINUTES - every:
            break
    return mql, tuple(fact for fact in facts if fact.heard < MINUTES - every)


def _next(chance: random.Random, now: int, version: int, employees: int, answered: dict[int, int]) -> Fact:
    kind = chance.choice(_KINDS if answered or chance.random() < 0.2 else ("waiting", "assigned", "assigned"))
    by_step = chance.random() < 0.5
    if kind == "assigned":
        manager = chance.random() < 0.1
        who = "boss" if manager else chance.choice(("ana", "bea", "dora", "emil"))
        team = "south" if who in ("dora", "emil") else "north"
        return Fact(0, kind, now, version + 1, who, team, by_step, manager, False, employees)
    if kind in ("recycled", "disqualified"):
        return Fact(0, kind, now)
    if kind == "waiting" or not answered:
        return Fact(0, "waiting", now, team=chance.choice(list(TEAMS)), by_step=by_step, employees=employees)
    # Most speak of the present owner's assignment and of now; some of an earlier one, or of a while ago.
    of = version if chance.random() < 0.85 else chance.choice(list(answered))
    earlier = kind not in ("paused", "resumed") and chance.random() < 0.3
    at = chance.randint(answered[of], now) if earlier else now
    return Fact(0, kind, at, of, onward=kind == "rejected" and chance.random() < 0.4)


_KINDS = tuple(
    "waiting assigned assigned assigned accepted accepted rejected contacted contacted paused paused resumed resumed"
    " resumed opportunity won lost recycled disqualified".split()
)


def timeline(chance: random.Random, of: list[Terms], every: int = 1) -> list[tuple[int, Terms]]:
    """Which agreement holds from which minute on."""
    changes = sorted(chance.sample(range(every, MINUTES - every, every), chance.randrange(4)))
    return [(minute, chance.choice(of)) for minute in (0, *changes)]
