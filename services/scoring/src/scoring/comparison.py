"""What two playbooks make of the same history, side by side, and what sales later said of those leads. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from scoring.simulation import Difference, Example, Mql, Recorded, Row, Share, Side, Simulation, Told, Verdict, Week

EXAMPLES: Final = 10


def compare(
    shares: Sequence[Share],
    versions: tuple[str, str],
    since: datetime,
    until: datetime,
    monday: Callable[..., datetime],
) -> Simulation:
    """`monday(moment)`: when that moment's week began, where the company is."""
    said = {lead_id: verdict for share in shares for lead_id, verdict in share.verdicts.items()}
    sides = []
    for number, version in enumerate(versions):
        items = sorted(
            (each for share in shares for each in (share.current, share.candidate)[number]),
            key=lambda each: (each.at, each.lead_id),
        )
        sides.append(_side(version, items, said, sum(share.failed[number] for share in shares), since, until, monday))
    current, candidate = sides
    return Simulation(
        since=since,
        until=until,
        leads=sum(share.leads for share in shares),
        touchpoints=sum(share.touchpoints for share in shares),
        recorded=_recorded([each for share in shares for each in share.told], current.items),
        current=current,
        candidate=candidate,
        gained=_difference(candidate.items, current.items, said),
        lost=_difference(current.items, candidate.items, said),
    )


def _side(
    version: str,
    items: Sequence[Mql],
    said: Mapping[UUID, Verdict],
    failed: int,
    since: datetime,
    until: datetime,
    monday: Callable[[datetime], datetime],
) -> Side:
    leads = {each.lead_id for each in items}
    judged = [said[lead_id] for lead_id in leads if lead_id in said]
    accepted, won = (
        {i for i, verdict in said.items() if verdict in wanted} for wanted in (("accepted", "won"), ("won",))
    )
    weeks = Counter(monday(each.at) for each in items)
    return Side(
        version=version,
        mqls=len(items),
        weeks=tuple(Week(monday=each, mqls=weeks[each]) for each in sorted({*weeks, monday(since), monday(until)})),
        hand_raises=sum(each.trigger.kind == "hand_raise" for each in items),
        judged=len(judged),
        precision=_share(len(judged) - judged.count("rejected"), len(judged)),
        precision_won=_share(judged.count("won"), len(judged)),
        recall=_share(len(accepted & leads), len(accepted)),
        recall_won=_share(len(won & leads), len(won)),
        personas=_rows(items, said, lambda each: each.persona or "–"),
        sources=_rows(items, said, lambda each: each.snapshot.first_source or "–"),
        failed_rules=failed,
        items=tuple(items),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _rows(items: Iterable[Mql], said: Mapping[UUID, Verdict], by: Callable[[Mql], str]) -> tuple[Row, ...]:
    found: defaultdict[str, list[Verdict | None]] = defaultdict(list)
    for each in items:
        found[by(each)].append(said.get(each.lead_id))
    rows = (
        Row(
            name=name,
            mqls=len(verdicts),
            won=verdicts.count("won"),
            accepted=verdicts.count("won") + verdicts.count("accepted"),
            rejected=verdicts.count("rejected"),
        )
        for name, verdicts in found.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.mqls, row.name)))


def _recorded(told: Sequence[Told], replayed: Sequence[Mql]) -> Recorded:
    def key(each: Told | Mql) -> tuple[UUID, int, str, str, str, UUID | None]:
        trigger = each.trigger
        return each.lead_id, each.cycle, each.cell, trigger.kind, trigger.id, trigger.touchpoint_id

    then, now = Counter(map(key, told)), Counter(map(key, replayed))  # leads merged since may share a key
    return Recorded(
        mqls=len(told),
        reproduced=(then & now).total(),
        missing=tuple(sorted({lead_id for lead_id, *_ in then - now})[:EXAMPLES]),
        extra=tuple(sorted({lead_id for lead_id, *_ in now - then})[:EXAMPLES]),
    )


def _difference(here: Sequence[Mql], there: Sequence[Mql], said: Mapping[UUID, Verdict]) -> Difference:
    """Leads that are an MQL `here` and not `there`."""
    known = {each.lead_id for each in there}
    only = {each.lead_id: each for each in here if each.lead_id not in known}
    verdicts = [said.get(lead_id) for lead_id in only]
    return Difference(
        leads=len(only),
        accepted=verdicts.count("accepted") + verdicts.count("won"),
        rejected=verdicts.count("rejected"),
        examples=tuple(_example(each, said) for each in list(only.values())[:EXAMPLES]),
    )


def _example(each: Mql, said: Mapping[UUID, Verdict]) -> Example:
    weightiest = sorted(each.reasons, key=lambda reason: -abs(reason.points))[:3]
    return Example(
        lead_id=each.lead_id,
        at=each.at,
        cell=each.cell,
        persona=each.persona,
        source=each.snapshot.first_source,
        trigger=each.trigger.name,
        because=tuple(f"{reason.name} {reason.points:+.3g}" for reason in weightiest),
        verdict=said.get(each.lead_id),
    )
