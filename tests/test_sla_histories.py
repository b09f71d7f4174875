"""Random histories through sla-monitor and through a reference that counts minutes: the same events, word for word.

`RELEVO_HISTORIES=10000 make test ARGS=tests/test_sla_histories.py` for many; `RELEVO_SEED` for others than the usual.
"""

import os
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from tests.sla.histories import (
    Said,
    book_of,
    by_core,
    by_minute,
    by_reference,
    documents,
    event_of,
    in_order,
    lead_id,
    moment,
    said_as,
)  # fmt: skip
from tests.sla.world import MINUTES, Fact, Terms, history, terms, timeline

from relevo.testing.kept import Kept, migrated_database
from sla_monitor import queries
from sla_monitor.adoption import take_over
from sla_monitor.firing import fire_due
from sla_monitor.handlers import keep_clocks

MANY = int(os.environ.get("RELEVO_HISTORIES", "0"))
SEED = int(os.environ.get("RELEVO_SEED", "6"))
pytestmark = pytest.mark.timeout(3_600 if MANY else 300)
TOGETHER = 1_000  # histories in one database, under the same agreements


def test_the_core_says_what_the_reference_says() -> None:
    chance = random.Random(SEED)
    pool = [terms(chance) for _ in range(12)]
    books = {each: book_of(each) for each in pool}
    spoken = 0
    for number in range(MANY or 200):
        (mql, facts), agreed = history(chance, 5), timeline(chance, pool, 5)
        expected = by_reference(mql, facts, agreed, 5)
        found = by_core(number, mql, facts, agreed, books, 5)
        assert found == expected, (number, mql, facts, agreed)
        spoken += sum(map(len, expected.values()))
    assert spoken > 10 * (MANY or 200), "histories in which something happens"


async def test_handlers_over_postgresql_say_what_the_reference_says(postgres: str) -> None:
    """All leads of a batch at once, as the consumer and the timer take them; every quarter of an hour."""
    chance = random.Random(SEED + 1)
    async with migrated_database(postgres, "sla_monitor.migrations") as template:
        left = MANY or 40
        while left > 0:
            count = min(left, TOGETHER)
            pool = [terms(chance) for _ in range(4)]
            agreed = timeline(chance, pool, 15)
            leads = [history(chance, 15) for _ in range(count)]
            async with Kept.copied(postgres, template, documents(agreed[0][1])) as kept:
                said = await by_handlers(kept, leads, agreed, 15)
            for number, (mql, facts) in enumerate(leads):
                expected = by_reference(mql, facts, agreed, 15)
                assert said[lead_id(number)] == expected, (number, mql, facts, agreed)
            left -= count


async def by_handlers(
    kept: Kept, leads: Sequence[tuple[int, Sequence[Fact]]], agreed: Sequence[tuple[int, Terms]], every: int
) -> dict[UUID, dict[int, Said]]:
    """What is said of each lead at each minute."""
    found: dict[UUID, dict[int, Said]] = defaultdict(dict)
    known: dict[UUID, tuple[Any, ...]] = {}
    heard: dict[int, list[tuple[int, int, Fact]]] = defaultdict(list)
    for number, (mql, facts) in enumerate(leads):
        for minute, together in by_minute(facts).items():
            heard[minute] += [(number, mql, fact) for fact in together]
    changes = dict(agreed[1:])
    for minute in range(0, MINUTES, every):
        await kept.stop_the_clock(moment(minute))
        events: list[Any] = []
        if minute in changes:
            await kept.publish(sla=documents(changes[minute])["sla.yaml"])
            events += await kept.said(_take_all_over)
        if minute in heard:
            events += await kept.handle(keep_clocks, *(event_of(*each) for each in heard[minute]))
        events += await kept.said(_fire_all)
        said: dict[UUID, list[Any]] = defaultdict(list)
        for event in events:
            said[event.lead_id].append(event)
        for lead, own in said.items():
            found[lead][minute] = in_order(said_as(own, known))
    return found


async def _take_all_over(tx: Any) -> None:
    keys = await queries.stale(tx, TOGETHER * 4)
    await queries.lock_free(tx, (lead for lead, _ in keys))
    await take_over(tx, keys)


async def _fire_all(tx: Any) -> None:
    due, _ = await queries.due(tx, None, TOGETHER * 4)
    if due:
        await fire_due(tx, {each.lead_id for each in due}, tx.now, lambda of, step: None)
