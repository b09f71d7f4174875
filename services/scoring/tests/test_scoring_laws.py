"""What may never matter: the order of touchpoints, how they are cut into batches, who else is in a batch, bad input."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook, load
from scoring.engagement import Decaying
from scoring.lead import Lead
from scoring.score import judge, rebuild, score

Touch = Callable[..., TouchpointRecorded]
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, TEN_YEARS = 3_600, 3_650 * 86_400
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
PEOPLE = ["ana@acme.example", "bea@acme.example", "u:carl", "a:visitor"]

moments = st.integers(0, 9_558).map(lambda days: NOW + timedelta(days=1 - days))  # from 2000 to tomorrow
recent = st.integers(0, 60 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
steps = st.fixed_dictionaries(
    {
        "what": st.sampled_from(["page_viewed", "form_submitted", "email_clicked", "email_unsubscribed", "imported"]),
        "at": recent | moments,
        "path": st.sampled_from([None, "/", "/prices"]),
        "form": st.sampled_from([None, None, "demo"]),
        "fields": st.sampled_from([{}, {}, GOOD, {"cargo": "Owner"}, {"empleados": "3"}]),
        "machine": st.sampled_from([False, False, False, True]),
        "consent": st.sampled_from([None, None, {"basis": "none"}, {"basis": "consent", "at": NOW}]),
    }
)
half_lives = st.lists(st.integers(HOUR, TEN_YEARS), min_size=5, max_size=5)


def fading(playbook: Playbook, seconds: Sequence[int]) -> Playbook:
    """The playbook with these half-lives."""
    signals = tuple(
        signal.model_copy(update={"half_life": timedelta(seconds=each)})
        for signal, each in zip(playbook.scoring.signals, seconds, strict=True)
    )
    return replace(playbook, scoring=playbook.scoring.model_copy(update={"signals": signals}))


def told(make: Touch, story: Sequence[dict[str, Any]], who: str = PEOPLE[0]) -> list[TouchpointRecorded]:
    return [make(who=who, name=f"{who}{number}", **step) for number, step in enumerate(story)]


def standing(lead: Lead, playbook: Playbook, as_of: datetime) -> tuple[str, float, Any]:
    _, said = judge(replace(lead, said=None), playbook, as_of, [])
    assert said is not None
    return said.new.cell, said.new.fit, pytest.approx(said.new.engagement, abs=1.1e-6)


def cut(touchpoints: Sequence[TouchpointRecorded], cuts: Sequence[int]) -> list[Sequence[TouchpointRecorded]]:
    edges = [0, *sorted(min(each, len(touchpoints)) for each in cuts), len(touchpoints)]
    return [touchpoints[a:b] for a, b in pairwise(edges)]


@settings(max_examples=80)
@given(st.lists(steps, min_size=1, max_size=12), half_lives, st.lists(st.integers(0, 12), max_size=3), st.randoms())
def test_any_permutation_and_any_splitting_give_the_same_score(
    playbook: Playbook, make: Touch, story: list[dict[str, Any]], seconds: list[int], cuts: list[int], dice: Any
) -> None:
    playbook = fading(playbook, seconds)
    touchpoints = told(make, story)
    lead = Lead(uuid4(), "email", playbook.version)
    one, _, _ = score(lead, touchpoints, playbook, NOW)
    mixed = list(touchpoints)
    dice.shuffle(mixed)
    other = lead
    for batch in cut(mixed, cuts):
        other, _, _ = score(other, batch, playbook, NOW)
    for as_of in (NOW, NOW + timedelta(days=40)):
        assert standing(one, playbook, as_of) == standing(other, playbook, as_of)
    assert one.sums.facts == other.sums.facts
    assert one.sums.hand_raise == other.sums.hand_raise


@settings(max_examples=60)
@given(st.lists(steps, min_size=1, max_size=12), half_lives)
def test_rescoring_with_the_same_playbook_changes_nothing(
    playbook: Playbook, make: Touch, story: list[dict[str, Any]], seconds: list[int]
) -> None:
    playbook = fading(playbook, seconds)
    touchpoints = told(make, story)
    lead, _, _ = score(Lead(uuid4(), "email", playbook.version), touchpoints, playbook, NOW)
    again = rebuild(lead, touchpoints, playbook, [])
    assert standing(again, playbook, NOW) == standing(lead, playbook, NOW)
    after, said = judge(again, playbook, NOW, [], because="playbook")
    assert said is None
    assert after.qualified_at == lead.qualified_at


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), steps), min_size=1, max_size=30),
    half_lives,
    st.lists(st.integers(0, 30), max_size=6),
    st.randoms(),
)
def test_batches_and_company_in_them_do_not_matter_while_each_lead_keeps_its_order(
    playbook: Playbook, make: Touch, memory: Any, story: list[Any], seconds: list[int], cuts: list[int], dice: Any
) -> None:
    playbook = fading(playbook, seconds)
    queues = {who: told(make, [step for whose, step in story if whose == who], who) for who in PEOPLE}
    singly, together = memory(playbook, NOW), memory(playbook, NOW)
    for touchpoints in queues.values():
        for touch in touchpoints:
            singly.take_in([touch])
    mixed = []
    while left := [queue for queue in queues.values() if queue]:
        mixed.append(dice.choice(left).pop(0))
    for batch in cut(mixed, cuts):
        together.take_in(batch)
    assert together.said == singly.said
    assert sum(map(len, singly.said.values())) > 0


def test_what_a_clock_gone_mad_dates_into_the_future_counts_as_when_it_was_received(
    playbook: Playbook, make: Touch
) -> None:
    mad = make("form_submitted", who=PEOPLE[0], at=NOW.replace(year=9999), received_at=NOW)
    sane = make("form_submitted", who=PEOPLE[0], at=NOW, received_at=NOW)
    for order in ([mad, sane], [sane, mad]):
        lead, _, _ = score(Lead(uuid4(), "email", playbook.version), order, playbook, NOW)
        assert standing(lead, playbook, NOW) == ("C2", 5, pytest.approx(40, abs=0.01))  # none drowns the other
        assert standing(lead, playbook, NOW + timedelta(days=10)) == ("C2", 5, pytest.approx(20, abs=0.01))


def test_what_happened_in_the_year_one_is_worth_nothing_and_harms_nothing(playbook: Playbook, make: Touch) -> None:
    ancient = make("form_submitted", who=PEOPLE[0], at=datetime(1, 1, 1, tzinfo=UTC), fields=GOOD)
    for order in ([ancient, make(who=PEOPLE[0], at=NOW)], [make(who=PEOPLE[0], at=NOW), ancient]):
        lead, _, _ = score(Lead(uuid4(), "email", playbook.version), order, playbook, NOW)
        assert standing(lead, playbook, NOW) == ("A3", 55, 4)


def test_points_may_be_lost_below_nothing_and_no_further_than_the_cap(playbook: Playbook, make: Touch) -> None:
    gone = [make("email_unsubscribed", who=PEOPLE[0], at=NOW) for _ in range(5)]
    lead, said, _ = score(Lead(uuid4(), "email", playbook.version), gone, playbook, NOW)
    assert standing(lead, playbook, NOW) == ("C3", 5, -15)
    assert all(each.level_until is None for each in said)


def test_a_signal_the_playbook_no_longer_knows_counts_for_nothing(playbook: Playbook, make: Touch) -> None:
    lead, _, _ = score(Lead(uuid4(), "email", playbook.version), [make(who=PEOPLE[0], at=NOW)], playbook, NOW)
    lead.sums.signals["of-another-day"] = Decaying(1e9, 0, 7)
    assert standing(lead, playbook, NOW) == ("C3", 5, 4)
    after, _, _ = score(lead, [make("form_submitted", who=PEOPLE[0], at=NOW)], playbook, NOW)
    assert standing(after, playbook, NOW) == ("C2", 5, 24)


def test_a_rule_that_fails_for_one_touchpoint_fails_each_time_and_spoils_no_other(
    documents: dict[str, str], make: Touch
) -> None:
    """What touchpoints feed is remembered by their values, but never where a rule could not be answered."""
    rule = "100 / size(touch.title) > 5"  # nothing can be divided by an empty title
    broken = load(documents | {"scoring.yaml": documents["scoring.yaml"].replace("touch.path == '/prices'", rule)})
    titles = ["Prices", "", "Prices", "", "Terms and conditions of everything we sell"]
    touches = [
        each.model_copy(update={"what": each.what.model_copy(update={"title": title})})
        for title, each in zip(titles, told(make, [{"what": "page_viewed", "at": NOW}] * 5), strict=True)
    ]
    lead, _, failed = score(Lead(uuid4(), "email", broken.version), touches, broken, NOW)
    assert [(each.file, each.line) for each in failed] == [("scoring.yaml", 5)] * 2
    assert {name: kept.touchpoints for name, kept in lead.sums.signals.items()} == {"page": 5, "prices": 2}
