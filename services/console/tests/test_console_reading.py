"""Shows the read model: the same in whatever order topics arrive, touchpoints filed before and after they are known."""

import random
from collections import defaultdict
from datetime import timedelta

from sqlalchemy import text

from console import board, queries

_TABLES = ("lead", "trip", "clock", "subject")


async def state(console) -> dict[str, list]:
    """Every row of the read models, and where each event is filed."""
    async with console.service.transaction() as tx:
        rows = {}
        for table in _TABLES:
            found = await tx.execute(text(f"select to_jsonb(t) from {table} as t order by 1"))
            rows[table] = list(found.scalars())
        rows["event"] = (await tx.execute(text("select id, lead_id from event order by id"))).all()
    return rows


def interleaved(rng: random.Random, events: list) -> list:
    """Any order that keeps each topic's own."""
    topics = defaultdict(list)
    for event in events:
        topics[event.topic.name].append(event)
    order = [name for name, queue in topics.items() for _ in queue]
    rng.shuffle(order)
    return [topics[name].pop(0) for name in order]


def life(story) -> list:
    one = story()
    events = [*one.to_rep(), one.delivered(), one.sla_breached()]
    events += [one.assigned("reassign", "jon", "Jon Etxeberria"), one.sla_started(), one.accepted(), one.sla_met()]
    events += [one.contacted(), one.sla_met("first_contact"), one.opened(), one.recycled()]
    one.cycle, one.version = 2, 0
    return [*events, one.touch(known=True), one.scored("A", 1), one.qualified(), one.waiting(), one.sla_started("wait")]


async def test_the_order_between_topics_does_not_matter(opened, story):
    told = life(story)
    straight = await opened()
    await straight.hear(*told)
    expected = await state(straight)
    assert [lead["stage"] for lead in expected["lead"]] == ["mql"]
    assert sorted((trip["cycle"], trip["stage"], trip["rep"]) for trip in expected["trip"]) == [
        (1, "recycled", "jon"),
        (2, "mql", None),
    ]
    assert sorted((c["kind"], c["over"]) for c in expected["clock"]) == [
        ("answer", True), ("answer", True), ("first_contact", True), ("wait", False)]  # fmt: skip
    for seed in range(8):
        rng = random.Random(seed)
        other = await opened()
        queue = interleaved(rng, told)
        while queue:
            size = rng.randint(1, 5)
            await other.hear(*queue[:size])
            queue = queue[size:]
        assert await state(other) == expected, f"seed {seed}"


async def test_a_batch_costs_a_fixed_number_of_statements(console, story, statements):
    few, many = [story() for _ in range(2)], [story() for _ in range(60)]
    with statements() as first:
        await console.hear(*(event for one in few for event in one.to_rep()))
    with statements() as second:
        await console.hear(*(event for one in many for event in one.to_rep()))
    assert len(first) == len(second) == 15


async def test_touchpoints_are_filed_before_and_after_their_lead_is_known(console, story):
    one = story()
    early = [one.touch(), one.touch()]
    await console.hear(*early)
    async with console.service.transaction() as tx:
        assert await queries.timeline(tx, one.lead_id, None, 10) == []
    await console.hear(one.identified(one.visitor, "anonymous"))
    late = one.touch()
    await console.hear(late)
    async with console.service.transaction() as tx:
        found = await queries.timeline(tx, one.lead_id, None, 10)
    assert [entry.event.id for entry in found if entry.event.type.startswith("touch")] == [
        late.id,
        early[1].id,
        early[0].id,
    ]


async def test_a_moved_subject_takes_its_touchpoints_and_an_emptied_lead_disappears(console, story):
    visitor, person = story(), story()
    person.visitor = visitor.visitor
    touch = visitor.touch()
    await console.hear(touch, visitor.identified(visitor.visitor, "anonymous"), visitor.scored("C", 3))
    await console.hear(person.touch("form_submitted", known=True), person.identified())
    async with console.service.transaction() as tx:
        assert {card.lead_id for card in await board.newest_leads(tx, 10)} == {visitor.lead_id, person.lead_id}
    person.at = visitor.at + timedelta(minutes=9)
    moved = person.identified(person.visitor, "anonymous", from_lead_id=visitor.lead_id, touchpoint_ids=(touch.id,))
    await console.hear(moved)
    async with console.service.transaction() as tx:
        assert [card.lead_id for card in await board.newest_leads(tx, 10)] == [person.lead_id]
        found = await queries.timeline(tx, person.lead_id, None, 10)
        assert touch.id in [entry.event.id for entry in found]
        assert (await board.funnel(tx, None)).steps[0].count == 1


async def test_a_named_touchpoint_goes_where_it_was_named_whatever_its_subject_says(console, story):
    one, other = story(), story()
    touch = one.touch(known=True)
    await console.hear(other.identified(touchpoint_ids=(touch.id,)))
    await console.hear(one.identified(), touch)
    async with console.service.transaction() as tx:
        assert touch.id in [entry.event.id for entry in await queries.timeline(tx, other.lead_id, None, 10)]


async def test_funnel_counts_the_stages_reached(console, story):
    stories = [story() for _ in range(5)]
    for reached, one in enumerate(stories):
        events = [one.identified(), one.qualified(), one.assigned(), one.accepted(), one.opened(), one.won()]
        await console.hear(*events[: reached + 2])
    async with console.service.transaction() as tx:
        funnel = await board.funnel(tx, None)
        assert [(step.stage, step.count) for step in funnel.steps] == [
            ("lead", 5),
            ("mql", 5),
            ("sql_candidate", 4),
            ("sql", 3),
            ("opportunity", 2),
            ("customer", 1),
        ]
        assert funnel.steps[2].after == timedelta(minutes=1)
        assert (await board.funnel(tx, stories[0].at + timedelta(days=1))).steps[0].count == 0


async def test_a_breach_that_is_taken_back_is_no_breach(console, story):
    one = story()
    await console.hear(*one.to_rep())
    breach = one.sla_breached()
    await console.hear(breach)
    async with console.service.transaction() as tx:
        assert [promise.clock.lead_id for promise in await board.latest_breaches(tx, 5)] == [one.lead_id]
    await console.hear(one.sla_corrected(breach), one.sla_met())
    async with console.service.transaction() as tx:
        assert await board.latest_breaches(tx, 5) == []
        assert [promise.clock.kind for promise in await board.running_clocks(tx, 5)] == ["first_contact"]


async def test_the_timeline_is_in_order_and_pages_without_gaps(console, story):
    one = story()
    told = one.to_rep()
    instant = one.at + timedelta(hours=1)
    same = [event.model_copy(update={"at": instant}) for event in (one.scored(), one.qualified(), one.sla_met())]
    await console.hear(*reversed(told))
    await console.hear(same[2])
    await console.hear(*same[:2])
    async with console.service.transaction() as tx:
        whole = await queries.timeline(tx, one.lead_id, None, 100)
        pages, cursor = [], None
        while page := await queries.timeline(tx, one.lead_id, cursor, 3):
            pages += page
            cursor = (page[-1].at, page[-1].rank, page[-1].seq)
    assert pages == whole
    assert [entry.at for entry in whole] == sorted((entry.at for entry in whole), reverse=True)
    assert len(whole) == len(told) + 3
    effect_above_cause = ["sla.met.v1", "lead.qualified.v1", "lead.scored.v1"]
    assert [entry.event.type for entry in whole[:3]] == effect_above_cause


async def test_a_merged_lead_shows_under_its_survivor(console, story):
    winner, loser = story(), story(name="Ana G.", company="Acme", email="ana.g@acme.es")
    await console.hear(*winner.to_rep())
    await console.hear(*loser.to_rep())
    await console.hear(loser.merged(winner, loser.lead_id), loser.merged(winner, winner.lead_id))
    async with console.service.transaction() as tx:
        assert [card.lead_id for card in await board.newest_leads(tx, 5)] == [winner.lead_id]
        assert {p.clock.lead_id for p in await board.running_clocks(tx, 9)} == {winner.lead_id}
        merged = await queries.timeline(tx, winner.lead_id, None, 100)
    assert len(merged) == 20


async def test_names_are_found_without_case_and_accents(console, story):
    await console.hear(*story(name="Íñigo Peñalver", company="Aceites 100%").to_rep())
    await console.hear(*story(name="Anna Weber", company="Weber GmbH", email="anna@weber.de").to_rep())
    async with console.service.transaction() as tx:

        async def names(words):
            return [card.told("name") for card in await board.search(tx, words, 10)]

        assert await names("inigo") == ["Íñigo Peñalver"]
        assert await names("PENALVER aceites") == ["Íñigo Peñalver"]
        assert await names("100%") == ["Íñigo Peñalver"]
        assert await names("@weber.de") == ["Anna Weber"]
        assert await names("%") == ["Íñigo Peñalver"]
        assert await names("_") == await names("   ") == []


async def test_an_erased_person_is_gone_and_stays_gone(console, story):
    one, other = story(), story(name="Otra", company="Otra SL", email="x@otra.es")
    told = one.to_rep()
    await console.hear(*told)
    await console.hear(*other.to_rep())
    straggler = one.touch(known=True)
    gone = one.erased()
    await console.hear(gone)
    await console.hear(straggler, one.accepted())
    async with console.service.transaction() as tx:
        kept = await tx.execute(text("select type, data from event where lead_id = :id or subject_id = any(:subjects)"),
                                {"id": one.lead_id, "subjects": [one.subject, one.visitor]})  # fmt: skip
        assert [(row.type, sorted(row.data)) for row in kept] == [
            ("lead.erased.v1", ["at", "by", "lead_id", "received_before"])
        ]
        for table in ("lead", "trip", "clock", "subject"):
            assert (
                await tx.execute(text(f"select count(*) from {table} where lead_id = :id"), {"id": one.lead_id})
            ).scalar() == 0
        assert (await queries.erased(tx, one.lead_id))[1] == "user:admin"
        assert [card.lead_id for card in await board.newest_leads(tx, 5)] == [other.lead_id]
    again = one.touch(known=True)
    newcomer = story()
    newcomer.subject = one.subject
    newcomer.at = one.at
    await console.hear(again, newcomer.identified())
    async with console.service.transaction() as tx:
        assert again.id in [entry.event.id for entry in await queries.timeline(tx, newcomer.lead_id, None, 9)]
