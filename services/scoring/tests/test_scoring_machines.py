"""Clicks that only history proves a machine's: found in any order, unscored again, and no MQL by them meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevo.events import Event, LeadQualified, LeadScored, TouchpointRecorded
from relevo.playbook import Playbook
from scoring import machines
from scoring.handlers import score_touchpoints
from scoring.lead import Lead
from scoring.rescore import judge_overdue
from scoring.score import judge, rebuild

Touch = Callable[..., TouchpointRecorded]
ANA = "ana@acme.example"
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def click(make: Touch, seconds: float, link: str = "/a", message: str | None = "m1", **more: Any) -> TouchpointRecorded:
    at = more.pop("now", NOW) + timedelta(seconds=seconds)
    return make("email_clicked", who=ANA, at=at, message=message, link=link, **more)


def delivered(make: Touch, seconds: float, message: str = "m1", now: datetime = NOW) -> TouchpointRecorded:
    return make("email_delivered", who=ANA, at=now + timedelta(seconds=seconds), message=message)


@pytest.mark.parametrize(
    ("clicks", "guilty"),
    [
        ([(0, "/a"), (2, "/b"), (5, "/c")], [0, 1, 2]),
        ([(0, "/a"), (2, "/b"), (5.1, "/c")], []),
        ([(0, "/a"), (1, "/a"), (2, "/a"), (3, "/b")], []),  # two links only, however often
        ([(0, "/a"), (3, "/b"), (4, "/c"), (9, "/d"), (30, "/e")], [0, 1, 2]),
        ([(0, "/a"), (3, "/b"), (4, "/c"), (8, "/d"), (8.5, "/c")], [0, 1, 2, 3]),
    ],
)
def test_three_links_of_one_message_within_five_seconds(make: Touch, clicks: Any, guilty: list[int]) -> None:
    made = [click(make, seconds, link) for seconds, link in clicks]
    found = machines.found(made)
    assert [number for number, each in enumerate(made) if each.touchpoint_id in found] == guilty
    assert set(found.values()) <= {machines.MANY_LINKS}


def test_links_of_different_messages_or_of_none_prove_nothing(make: Touch) -> None:
    assert not machines.found([click(make, n, f"/{n}", f"m{n}") for n in range(4)])
    assert not machines.found([click(make, n, f"/{n}", None) for n in range(4)])


@pytest.mark.parametrize(("seconds", "guilty"), [(-3600, True), (0, True), (2, True), (2.1, False), (60, False)])
def test_a_click_before_delivery_or_just_after_it(make: Touch, seconds: float, guilty: bool) -> None:
    one = click(make, seconds)
    found = machines.found([one, delivered(make, 0)])
    assert found == ({one.touchpoint_id: machines.BEFORE_DELIVERY} if guilty else {})


steps = st.lists(
    st.tuples(
        st.sampled_from(["click", "click", "click", "delivered", "page_viewed", "form_submitted"]),
        st.integers(0, 12),
        st.sampled_from(["/a", "/b", "/c", "/d"]),
        st.sampled_from(["m1", "m2"]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=40)
@given(steps, st.randoms())
def test_the_score_does_not_depend_on_when_the_proof_came(
    playbook: Playbook, make: Touch, memory: Any, story: list[Any], dice: Any
) -> None:
    touchpoints = []
    for kind, seconds, link, message in story:
        if kind == "click":
            touchpoints.append(click(make, seconds, link, message))
        elif kind == "delivered":
            touchpoints.append(delivered(make, seconds, message))
        else:
            touchpoints.append(make(kind, who=ANA, at=NOW, fields=GOOD))
    as_of = NOW + timedelta(seconds=30)
    new = Lead(uuid4(), "email", playbook.version)

    def standing(lead: Lead) -> Any:
        said = judge(replace(lead, said=None, qualified_at=None), playbook, as_of, [])[1]
        assert said is not None
        return said.new.cell, pytest.approx(said.new.engagement, abs=1.1e-6)

    expected = standing(rebuild(new, touchpoints, playbook, []))
    kept = memory(playbook, as_of)
    mixed = list(touchpoints)
    dice.shuffle(mixed)
    while mixed:
        size = dice.randint(1, 4)
        kept.take_in(mixed[:size])
        mixed = mixed[size:]
    (lead,) = kept.leads.values()
    assert standing(lead) == expected


def of(kind: type[Event], said: Sequence[Event]) -> list[Any]:
    return [event for event in said if isinstance(event, kind)]


async def marks(kept: Any) -> dict[UUID, str]:
    return dict(await kept.sql("select touchpoint_id, found from touchpoint where found is not null"))


async def test_marking_takes_the_points_away_again(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    (first,) = of(
        LeadScored,
        await kept.handle(score_touchpoints, *(click(make, -60 + n, f"/{n}", now=now) for n in range(2))),
    )[-1:]
    assert first.new.cell == "C2"  # 8 + 8
    (fell,) = await kept.handle(score_touchpoints, click(make, -57, "/3", now=now))
    assert (fell.new.cell, fell.new.engagement) == ("C3", 0)
    assert len(await marks(kept)) == 3
    assert set((await marks(kept)).values()) == {machines.MANY_LINKS}


async def test_an_mql_that_rests_on_young_clicks_waits_until_they_are_ten_seconds_old(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    form = make("imported", who=ANA, at=now, fields=GOOD)
    clicks = [click(make, -1, "/a", now=now), click(make, 0, "/b", now=now)]
    said = await kept.handle(score_touchpoints, form, *clicks)
    assert [each.new.cell for each in of(LeadScored, said)] == ["A3", "A2"]
    assert not of(LeadQualified, said)
    assert (await kept.sql("select due_at from lead")) == [(now + timedelta(seconds=9),)]
    await kept.travel(timedelta(seconds=8))
    assert await kept.said(judge_overdue) == []
    await kept.travel(timedelta(seconds=1))
    assert await kept.said(judge_overdue) == []  # one click is old enough, and not enough: now it waits for the other
    await kept.travel(timedelta(seconds=1))
    (mql,) = of(LeadQualified, await kept.said(judge_overdue))
    assert (mql.trigger.kind, mql.trigger.touchpoint_id) == ("cell", clicks[1].touchpoint_id)
    assert await kept.said(judge_overdue) == []


async def test_it_is_none_if_they_prove_a_machines(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    form = make("imported", who=ANA, at=now, fields=GOOD)
    await kept.handle(score_touchpoints, form, click(make, -1, "/a", now=now), click(make, 0, "/b", now=now))
    (fell,) = await kept.handle(score_touchpoints, click(make, 1, "/c", now=now))
    assert (fell.old.cell, fell.new.cell) == ("A2", "A3")
    await kept.travel(timedelta(minutes=1))
    assert await kept.said(judge_overdue) == []
    assert await kept.sql("select due_at from lead") == [(None,)]


async def test_a_hand_raise_waits_for_nobody(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    demo = make("form_submitted", who=ANA, at=now, form="demo", fields=GOOD)
    said = await kept.handle(score_touchpoints, click(make, 0, now=now), demo)
    assert [mql.trigger.kind for mql in of(LeadQualified, said)] == ["hand_raise"]


async def test_a_rescore_finds_the_same(kept: Any, make: Touch) -> None:
    now = await kept.stop_the_clock()
    await kept.handle(score_touchpoints, *(click(make, n, f"/{n}", now=now) for n in range(3)))
    before = await kept.sql("select sums::text from lead")
    await kept.publish(scoring=kept.documents["scoring.yaml"].replace("points: 20,", "points: 21,"))
    assert await kept.said(judge_overdue) == []
    assert await kept.sql("select sums::text from lead") == before
