"""Firing over a real PostgreSQL: in due order, never early, each step once, whoever else is at it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sla_monitor.firing import fire_due
from sla_monitor.handlers import keep_clocks

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def told(events: Sequence[Any]) -> list[tuple[str, str, str | None]]:
    """(what, of which clock, what is to be done), in order."""
    return [(event.type.removeprefix("sla.").removesuffix(".v1"), event.kind, event.do) for event in events]


async def test_each_step_fires_at_its_time_and_once(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    said = []
    for quarter in range(4 * 10, 4 * 17):
        now = at(quarter / 4)
        await kept.stop_the_clock(now)
        said += [(now, event) for event in await kept.fire(lead)]
        assert await kept.fire(lead) == []
    assert [(now, event.do) for now, event in said] == [
        (at(12), "warn_rep"), (at(13), "warn_manager"), (at(14), "reassign"), (at(16), "warn_rep"),
    ]  # fmt: skip
    assert all(event.due_at == event.fired_at == now and event.lateness_seconds == 0 for now, event in said)
    breach = said[2][1]
    assert (breach.type, breach.elapsed_seconds, breach.step, breach.version, breach.rep) == (
        "sla.breached.v1", 4 * 3600, 2, 1, "ana",
    )  # fmt: skip
    assert breach.trace is not None
    assert lead.lead_id.hex in breach.trace, "one trace, from the form to the breach"


async def test_ten_days_later_every_step_is_its_own_event_in_due_order(kept, make):
    early, late = make(), make(mql_at=at(11))
    await kept.handle(keep_clocks, early.assigned(at(10)), late.assigned(at(11)))
    await kept.stop_the_clock(at(10, day=10))
    said = await kept.fire(early, late)
    assert told([event for event in said if event.lead_id == early.lead_id]) == [
        ("warned", "answer", "warn_rep"), ("warned", "answer", "warn_manager"), ("breached", "answer", "reassign"),
        ("warned", "first_contact", "warn_rep"), ("breached", "first_contact", "warn_manager"),
    ]  # fmt: skip
    assert [event.due_at for event in said] == sorted(event.due_at for event in said)
    assert len({event.id for event in said}) == len(said) == 10
    rows = await kept.sql("select kind, act, target, rep from breach order by seq")
    assert [tuple(row) for row in rows] == [
        ("answer", "reassign", True, "ana"), ("answer", "reassign", True, "ana"),
        ("first_contact", "warn_manager", True, "ana"), ("first_contact", "warn_manager", True, "ana"),
    ]  # fmt: skip


async def test_a_batch_leaves_later_steps_to_the_next_one(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(20))
    first = await kept.fire(lead, until=at(13))
    assert told(first) == [("warned", "answer", "warn_rep"), ("warned", "answer", "warn_manager")]
    assert {event.fired_at for event in first} == {at(20)}
    assert len(await kept.fire(lead)) == 2, "the breach, and the warning of the other clock"


async def test_an_answered_lead_fires_nothing(kept, lead):
    await kept.handle(keep_clocks, lead.assigned(at(10)), lead.contacted(at(11)))
    await kept.stop_the_clock(at(10, day=30))
    assert await kept.fire(lead) == []


async def test_a_lead_somebody_is_working_at_is_left_to_them(kept, make):
    busy, free = make(), make()
    await kept.handle(keep_clocks, busy.assigned(at(10)), free.assigned(at(10)))
    await kept.stop_the_clock(at(12.5))
    other = await asyncpg.connect(kept.dsn)
    async with other.transaction():
        await other.execute("select 1 from lead where lead_id = $1 for update", busy.lead_id)
        assert [event.lead_id for event in await kept.fire(busy, free)] == [free.lead_id]
    await other.close()
    assert [event.lead_id for event in await kept.fire(busy, free)] == [busy.lead_id]


async def test_many_at_once_fire_each_step_once(kept, make):
    leads = [make() for _ in range(50)]
    await kept.handle(keep_clocks, *(lead.assigned(at(10)) for lead in leads))
    await kept.stop_the_clock(at(14))
    ids = [lead.lead_id for lead in leads]

    async def one() -> list[Any]:
        async with kept.database.transaction() as tx:
            await fire_due(tx, ids, tx.now, lambda of, step: None)
            return list(tx.events)

    said = [event for events in await asyncio.gather(*(one() for _ in range(6))) for event in events]
    said += await kept.fire(*leads)
    assert len(said) == len({event.id for event in said}) == 3 * 50
    assert len(await kept.sql("select 1 from breach")) == 50


@pytest.mark.parametrize("count", [1, 100])
async def test_a_batch_takes_a_fixed_number_of_statements(kept, make, count):
    leads = [make() for _ in range(count)]
    await kept.handle(keep_clocks, *(lead.assigned(at(10)) for lead in leads))
    await kept.stop_the_clock(at(14))
    assert len(await kept.fire(*leads)) == 3 * count
    assert len(kept.statements) == 4, "lock, clocks; clocks, breaches; the outbox is a COPY"


async def test_a_longer_target_that_was_just_agreed_holds_its_step_back(kept, lead, documents):
    await kept.handle(keep_clocks, lead.assigned(at(10)))
    await kept.stop_the_clock(at(14))
    await kept.publish(sla=documents["sla.yaml"].replace("target: 4h", "target: 7h"))
    said = await kept.fire(lead)
    assert [event.type for event in said] == ["sla.started.v1", "sla.warned.v1"]
    assert said[0].due_at == at(17)
    assert (said[1].do, said[1].due_at, said[1].playbook.revision) == ("warn_rep", at(14), 2)


async def test_what_nobody_reckons_any_more_is_told_and_stops_nothing(kept, make, documents):
    lead, other = make(), make()
    await kept.handle(keep_clocks, lead.assigned(at(10), rep="bea"), other.assigned(at(10)))
    await kept.stop_the_clock(at(10, day=1))
    shut = "  - id: mornings\n    zone: UTC\n    closures: [{from: 2026-06-03, to: 2046-12-31}]\n"
    await kept.publish(sla=documents["sla.yaml"].replace("  - id: mornings\n    zone: UTC\n", shut))
    said = await kept.fire(lead, other)
    assert {event.rep for event in said} == {"ana"}
    assert len(said) == 5
    assert {row["rep"] for row in await kept.sql("select rep from clock where problem is not null")} == {"bea"}
