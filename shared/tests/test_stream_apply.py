"""A chunk takes effect once, in order; a poison record is found by halving and costs the others nothing."""

import asyncio
from itertools import pairwise

import pytest

from relevo.stream import dead
from relevo.stream.apply import Applied, apply
from relevo.stream.handlers import index
from relevo.stream.kafka import Record
from relevo.testing.crash import Killed, killed_at_every_await
from relevo.testing.ledger import Ledger, erased, record, records


async def run(ledger: Ledger, chunk: list[Record], limit: dead.Limit | None = None) -> Applied:
    return await apply(ledger.database, index([ledger.handler]), chunk, limit or dead.Limit())


async def test_effects_once_however_often_the_records_come(ledger: Ledger) -> None:
    batch = records(20)
    first = await run(ledger, batch)
    again = await run(ledger, [*batch[5:], record(erased(20), 20)])
    assert (first.effects, again.effects) == (20, 1)
    assert await ledger.numbers() == list(range(21))
    outbox = await ledger.rows(
        "select (convert_from(value, 'utf8')::jsonb->>'actual')::float::int as n from outbox order by id"
    )
    assert [row["n"] for row in outbox] == list(range(21))


async def test_second_copy_of_an_id_in_one_chunk_is_dropped(ledger: Ledger) -> None:
    event = erased(1)
    applied = await run(ledger, [record(event, 0), record(event, 1)])
    assert applied.effects == 1
    assert await ledger.numbers() == [1]


@pytest.mark.parametrize("poison", [{0}, {250}, {499}, {0, 499}, {123, 124}, {7, 391}])
async def test_poison_among_500(ledger: Ledger, poison: set[int]) -> None:
    ledger.poison = poison
    applied = await run(ledger, records(500))
    assert (applied.effects, applied.buried) == (500 - len(poison), len(poison))
    assert applied.transactions <= 50, applied.transactions
    effects = await ledger.numbers()
    assert effects == [n for n in range(500) if n not in poison]  # and in order
    letters = await dead.listed(ledger.database)
    assert [letter.offset for letter in letters] == sorted(poison)
    assert all(letter.tries == 3 and "ValueError" in letter.error for letter in letters)


async def test_unreadable_records_are_buried_without_halving(ledger: Ledger) -> None:
    batch = records(10)
    batch[3] = record(erased(3), 3, value=b"{not json")
    batch[7] = Record(batch[7].topic, 0, 7, None, (("ce_type", b"lead.erased.v1"),), b"{}")
    applied = await run(ledger, batch)
    assert (applied.effects, applied.buried, applied.transactions) == (8, 2, 1)
    assert await ledger.numbers() == [0, 1, 2, 4, 5, 6, 8, 9]


async def test_unknown_types_are_skipped_but_the_position_moves(ledger: Ledger) -> None:
    unknown = Record("privacy", 0, 41, None, (("ce_type", b"lead.sung_to.v1"),), b"{}")
    applied = await run(ledger, [unknown])
    assert (applied.effects, applied.buried) == (0, 0)
    (position,) = await ledger.rows("select topic, partition, next_offset from position")
    assert tuple(position) == ("privacy", 0, 42)


async def test_the_limit_stops_before_a_bad_deploy_buries_the_stream(ledger: Ledger) -> None:
    ledger.poison = set(range(500))
    with pytest.raises(dead.TooManyDeadLetters, match="nothing is lost"):
        await run(ledger, records(500))
    letters = await dead.listed(ledger.database)
    assert [letter.offset for letter in letters] == list(range(50))  # the first fifty, in order, and no more


def test_good_and_bad_in_turn_are_not_in_a_row() -> None:
    limit = dead.Limit(in_a_row=3, at_least=20)
    limit.check([True, False, True, True, True, False])
    limit.count([True, False, True, True, True, False])
    limit.check([True, True, True])
    limit.count([False, True, True])
    with pytest.raises(dead.TooManyDeadLetters, match="4 records in a row"):
        limit.check([True, True])
    limit.check([True, False])
    with pytest.raises(dead.TooManyDeadLetters, match="7 of 20"):
        limit.check([True, *[False] * 10])


async def test_replay_handles_the_record_here_and_drop_forgets_it(ledger: Ledger) -> None:
    ledger.poison = {1, 2}
    await run(ledger, records(4))
    one, two = await dead.listed(ledger.database)
    with pytest.raises(ValueError, match="poison"):
        await dead.replay(ledger.database, index([ledger.handler]), one.id)
    assert len(await dead.listed(ledger.database)) == 2  # it failed again: kept
    ledger.poison = set()
    await dead.replay(ledger.database, index([ledger.handler]), one.id)
    await dead.drop(ledger.database, two.id)
    assert await dead.listed(ledger.database) == []
    assert await ledger.numbers() == [0, 3, 1]


async def test_order_of_handler_calls_is_offset_order(ledger: Ledger) -> None:
    ledger.poison = {100}
    await run(ledger, records(200))
    effective = [numbers for numbers in ledger.calls if 100 not in numbers]
    assert all(a[-1] < b[0] for a, b in pairwise(effective))


@pytest.mark.parametrize("by", [Killed, asyncio.CancelledError])
async def test_a_chunk_with_poison_killed_at_every_await(ledger: Ledger, by: type[BaseException]) -> None:
    batch = records(300)
    start, end = 0, 0

    async def before() -> None:
        nonlocal start, end
        await work()  # what the life before left
        start, end = end, end + 3
        ledger.poison.add(end - 2)

    async def work() -> None:
        if start < end:
            limit = dead.Limit(in_a_row=1_000, at_least=1_000)
            await run(ledger, batch[start:end], limit)

    lives = await killed_at_every_await(work, before=before, by=by)
    assert lives > 30
    assert await ledger.numbers() == [n for n in range(end) if n not in ledger.poison]
    assert [letter.offset for letter in await dead.listed(ledger.database)] == sorted(ledger.poison)
    assert len(await ledger.rows("select 1 from outbox")) == end - len(ledger.poison)
