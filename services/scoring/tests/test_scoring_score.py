"""The score is a function of touchpoints, playbook and moment; reasons add up; an MQL comes once per cycle."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevo.events import LeadDisqualified, LeadRecycled, PlaybookStamp, TouchpointRecorded
from relevo.playbook import Playbook, load
from scoring import facts
from scoring.fit import fit
from scoring.lead import Lead, disqualify, recycle
from scoring.rules import rules_of
from scoring.score import Judgement, contribution, judge, rebuild, score, weightiest

Touch = Callable[..., TouchpointRecorded]
ANA = "ana@acme.example"
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}  # 30 + 20, + 5 for the company mail = 55: an A
DAY = timedelta(days=1)
STAMP = PlaybookStamp(revision=1, version="0" * 16)


def new(playbook: Playbook, known_by: Any = "email") -> Lead:
    return Lead(uuid4(), known_by, playbook.version)


def standing(lead: Lead, playbook: Playbook, as_of: datetime) -> tuple[str, float, float]:
    """(cell, fit, engagement) at a moment."""
    said = judge(replace(lead, said=None), playbook, as_of, [])[1]
    assert said is not None
    return said.new.cell, said.new.fit, said.new.engagement


def triggers(said: Sequence[Judgement]) -> list[str]:
    return [f"{each.trigger.kind}:{each.trigger.id}" for each in said if each.trigger is not None]


def test_by_hand(playbook: Playbook, make: Touch) -> None:
    t0 = make().occurred_at
    touchpoints = [
        make("page_viewed", who=ANA, at=t0 - 5 * DAY, path="/prices"),  # page 4 → 2, prices 10 → 5: level 3
        make("page_viewed", who=ANA, at=t0, path="/"),  # page 4: 11 in all, level 2
        make("form_submitted", who=ANA, at=t0 - 10 * DAY, fields=GOOD),  # form 20 → 10: 21 in all, and a grade A
    ]
    lead, said, failed = score(new(playbook), touchpoints, playbook, t0)
    assert not failed
    assert [(each.old.cell if each.old else None, each.new.cell) for each in said] == [
        (None, "C3"),
        ("C3", "C2"),
        ("C2", "A2"),
    ]
    assert standing(lead, playbook, t0) == ("A2", 55, 21)
    assert standing(lead, playbook, t0 + 5 * DAY) == ("A2", 55, round(5.5 + 10 / 2**0.5, 6))
    assert standing(lead, playbook, t0 + 30 * DAY)[0] == "A3"
    assert triggers(said) == ["cell:A2"]
    trigger = said[-1].trigger
    assert trigger is not None
    assert trigger.touchpoint_id == touchpoints[2].touchpoint_id


def test_every_reason_and_they_add_up(playbook: Playbook, make: Touch) -> None:
    t0 = make().occurred_at
    touchpoints = [
        make("page_viewed", who=ANA, at=t0, path="/prices"),
        make("page_viewed", who=ANA, at=t0, path="/prices"),
        make("form_submitted", who=ANA, at=t0, fields=GOOD),
    ]
    _, said, _ = score(new(playbook), touchpoints, playbook, t0)
    contributions = [contribution(reason) for reason in said[-1].reasons]
    reasons = {(each.kind, each.id): (each.points, each.touchpoints) for each in contributions}
    assert reasons == {
        ("criterion", "role"): (30, 0),
        ("criterion", "size"): (20, 0),
        ("criterion", "mail"): (5, 0),
        ("signal", "form"): (20, 1),
        ("signal", "page"): (8, 2),
        ("signal", "prices"): (20, 2),
    }
    assert said[-1].new.fit == 55
    assert said[-1].new.engagement == 48
    assert [each.id for each in weightiest(said[-1].reasons, 2)] == ["role", "size"]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[int]]:
    """What somebody does, and another order to hear of it in."""
    minutes = st.integers(-60 * 24 * 60, 0)
    kinds = st.sampled_from(["page_viewed", "form_submitted", "email_clicked", "email_unsubscribed", "email_bounced"])
    fields = st.sampled_from([{}, GOOD, {"cargo": "Owner"}, {"cargo": "Owner", "empleados": "3"}, {"pais": "es"}])
    step = st.fixed_dictionaries(
        {
            "what": kinds,
            "at": minutes,
            "path": st.sampled_from([None, "/", "/prices"]),
            "fields": fields,
            "machine": st.booleans(),
        }
    )
    steps = draw(st.lists(step, min_size=1, max_size=12))
    return steps, draw(st.permutations(range(len(steps))))


def told(make: Touch, steps: Sequence[dict[str, Any]]) -> list[TouchpointRecorded]:
    now = make().occurred_at
    return [
        make(
            step["what"],
            who=ANA,
            at=now + timedelta(minutes=step["at"]),
            name=str(number),
            path=step["path"],
            fields=step["fields"],
            machine=step["machine"],
        )
        for number, step in enumerate(steps)
    ]


@settings(max_examples=60)
@given(stories())
def test_any_order_gives_the_same_score(
    playbook: Playbook, make: Touch, story: tuple[list[dict[str, Any]], list[int]]
) -> None:
    steps, order = story
    touchpoints = told(make, steps)
    lead = new(playbook)
    now = make().occurred_at + DAY
    one, _, _ = score(lead, touchpoints, playbook, now)
    other, _, _ = score(lead, [touchpoints[index] for index in order], playbook, now)
    assert standing(one, playbook, now) == standing(other, playbook, now)
    assert one.sums.facts == other.sums.facts
    assert one.sums.hand_raise == other.sums.hand_raise
    again = rebuild(one, touchpoints, playbook, [])
    assert standing(again, playbook, now) == standing(one, playbook, now)


@settings(max_examples=60)
@given(stories(), st.data())
def test_any_splitting_says_the_same(
    playbook: Playbook, make: Touch, story: tuple[list[dict[str, Any]], list[int]], data: st.DataObject
) -> None:
    touchpoints = told(make, story[0])
    now = make().occurred_at
    lead = new(playbook)
    whole, said, _ = score(lead, touchpoints, playbook, now)
    cut = data.draw(st.integers(0, len(touchpoints)))
    first, said_first, _ = score(lead, touchpoints[:cut], playbook, now)
    second, said_second, _ = score(first, touchpoints[cut:], playbook, now)
    assert second == whole
    assert [(each.old, each.new, each.trigger, each.reasons) for each in said] == [
        (each.old, each.new, each.trigger, each.reasons) for each in (*said_first, *said_second)
    ]


def test_the_input_is_left_as_it_is(playbook: Playbook, make: Touch) -> None:
    lead = new(playbook)
    score(lead, [make("form_submitted", who=ANA, fields=GOOD)], playbook, make().occurred_at)
    assert lead == replace(new(playbook), lead_id=lead.lead_id)


def test_a_hand_raise_qualifies_whatever_the_cell(playbook: Playbook, make: Touch) -> None:
    demo = make("form_submitted", who=ANA, form="demo")
    _, said, _ = score(new(playbook), [demo], playbook, demo.occurred_at)
    assert triggers(said) == ["hand_raise:demo"]
    trigger = said[0].trigger
    assert trigger is not None
    assert (trigger.name, trigger.touchpoint_id) == ("Asks for a demo", demo.touchpoint_id)


def test_once_per_cycle(playbook: Playbook, make: Touch) -> None:
    demo = make("form_submitted", who=ANA, form="demo", fields=GOOD)
    _, said, _ = score(new(playbook), [demo, demo, demo], playbook, demo.occurred_at)
    assert triggers(said) == ["hand_raise:demo"]


@pytest.mark.parametrize(
    "spoils",
    [
        {"what": "page_viewed", "who": "ana@us.example"},
        {"what": "email_unsubscribed", "who": ANA},
    ],
)
def test_an_exclusion_blocks_even_a_hand_raise(playbook: Playbook, make: Touch, spoils: dict[str, Any]) -> None:
    demo = make("form_submitted", who=spoils["who"], form="demo", fields=GOOD)
    _, said, _ = score(new(playbook), [make(**spoils), demo], playbook, demo.occurred_at)
    assert triggers(said) == []


def test_somebody_who_asked_before_they_could_be_reached_is_qualified_when_they_can(
    playbook: Playbook, make: Touch
) -> None:
    now = make().occurred_at
    lead, said, _ = score(new(playbook, "anonymous"), [make("form_submitted", form="demo")], playbook, now)
    assert triggers(said) == []
    _, said, _ = score(lead, [make("form_submitted", who=ANA)], playbook, now)
    assert triggers(said) == ["hand_raise:demo"]


def test_machines_are_never_scored_but_an_unsubscription_counts(playbook: Playbook, make: Touch) -> None:
    now = make().occurred_at
    machine: dict[str, Any] = {"who": ANA, "machine": True, "fields": GOOD}
    lead, said, _ = score(
        new(playbook),
        [make("email_clicked", **machine), make("form_submitted", form="demo", **machine)],
        playbook,
        now,
    )
    assert triggers(said) == []
    assert standing(lead, playbook, now) == ("C3", 5, 0)  # the address itself is known: company mail
    lead, _, _ = score(lead, [make("email_unsubscribed", **machine)], playbook, now)
    assert facts.value_of(lead.sums.facts, "unsubscribed")


def test_consent_given_later_lifts_an_unsubscription_but_an_old_one_repeated_does_not(
    playbook: Playbook, make: Touch
) -> None:
    now = make().occurred_at
    gone = make("email_unsubscribed", who=ANA, at=now)

    def after(consent_at: datetime | None) -> Any:
        consent = {"basis": "consent", "at": consent_at}
        touchpoints = [gone, make("form_submitted", who=ANA, at=now + 2 * DAY, consent=consent)]
        lead, _, _ = score(new(playbook), touchpoints, playbook, now + 2 * DAY)
        return facts.value_of(lead.sums.facts, "unsubscribed")

    assert after(now + DAY) is False
    assert after(now - DAY) is True
    assert after(None) is True


def test_an_address_that_answers_again_is_no_longer_bounced(playbook: Playbook, make: Touch) -> None:
    now = make().occurred_at
    bounced, replied = make("email_bounced", who=ANA, at=now), make("email_replied", who=ANA, at=now + DAY)
    for order in ([bounced, replied], [replied, bounced]):
        lead, _, _ = score(new(playbook), order, playbook, now + DAY)
        assert facts.value_of(lead.sums.facts, "bounced") is False


def test_the_next_cycle_counts_from_its_start_and_cools_down(playbook: Playbook, make: Touch) -> None:
    now = make().occurred_at
    first = make("form_submitted", who=ANA, at=now, fields=GOOD)
    lead, said, _ = score(new(playbook), [first], playbook, now)
    assert triggers(said) == ["cell:A2"]

    back = LeadRecycled(
        at=now + DAY,
        by="system",
        lead_id=lead.lead_id,
        cycle=1,
        playbook=STAMP,
        from_stage="sql",
        reason="no_need_now",
        until=now + 30 * DAY,
    )
    lead = rebuild(recycle(lead, back), [first], playbook, [])
    assert (lead.cycle, lead.qualified_at, lead.due_at(now)) == (2, None, now + 30 * DAY)
    assert standing(lead, playbook, now + DAY) == ("A3", 55, 0)  # fit stays, interest starts again
    assert recycle(lead, back) is lead  # heard twice

    second = make("form_submitted", who=ANA, at=now + 2 * DAY)
    cooling, said, _ = score(lead, [second], playbook, now + 2 * DAY)
    assert triggers(said) == []
    asks = make("form_submitted", who=ANA, at=now + 3 * DAY, form="demo")
    _, said, _ = score(cooling, [asks], playbook, now + 3 * DAY)
    assert triggers(said) == ["hand_raise:demo"]

    hot = [make("form_submitted", who=ANA, at=now + 29 * DAY) for _ in range(2)]
    waiting, said, _ = score(lead, hot, playbook, now + 29 * DAY)
    assert triggers(said) == []
    _, judgement = judge(waiting, playbook, now + 30 * DAY, [], because="cool_down")
    assert judgement is not None
    assert triggers([judgement]) == ["cool_down:A2"]


def test_a_disqualified_lead_is_looked_at_again_when_the_fact_in_question_changes(
    playbook: Playbook, make: Touch
) -> None:
    now = make().occurred_at
    first = make("form_submitted", who=ANA, at=now, fields=GOOD)
    lead, _, _ = score(new(playbook), [first], playbook, now)
    out = LeadDisqualified(
        at=now + DAY,
        by="rep:ana",
        lead_id=lead.lead_id,
        cycle=1,
        playbook=STAMP,
        from_stage="sql_candidate",
        reason="wrong_size",
    )
    lead = rebuild(disqualify(lead, out), [first], playbook, [])
    same = make("form_submitted", who=ANA, at=now + 2 * DAY, form="demo", fields=GOOD)
    lead, said, _ = score(lead, [same], playbook, now + 2 * DAY)
    assert triggers(said) == []
    assert lead.cycle == 1
    grown = make("form_submitted", who=ANA, at=now + 3 * DAY, fields={"empleados": "300"})
    lead, said, _ = score(lead, [grown], playbook, now + 3 * DAY)
    assert triggers(said) == ["hand_raise:demo"]
    assert lead.cycle == 2


def test_a_rule_that_fails_counts_as_not_holding_and_says_where(documents: dict[str, str], make: Touch) -> None:
    broken = documents["scoring.yaml"].replace("touch.path == '/prices'", "touch.fields['budget'] == 'high'")
    playbook = load(documents | {"scoring.yaml": broken})
    touchpoint = make("page_viewed", who=ANA, path="/prices")
    lead, _, failed = score(new(playbook), [touchpoint], playbook, touchpoint.occurred_at)
    assert standing(lead, playbook, touchpoint.occurred_at) == ("C3", 5, 4)
    assert [(each.file, each.line) for each in failed] == [("scoring.yaml", 5)]


def test_the_newest_word_counts_whichever_came_first(playbook: Playbook, make: Touch) -> None:
    now = make().occurred_at
    older = make("form_submitted", who=ANA, at=now - DAY, fields={"cargo": "Owner"})
    newer = make("form_submitted", who=ANA, at=now, fields={"cargo": "Head of operations"})
    for order in ([older, newer], [newer, older]):
        lead, _, _ = score(new(playbook), order, playbook, now)
        assert facts.contact(lead.sums.facts).job_title == "Head of operations"
        assert standing(lead, playbook, now)[1] == 35


def test_touchpoints_from_2000_and_from_tomorrow_do_no_harm(playbook: Playbook, make: Touch) -> None:
    now = make().occurred_at
    ancient = make("form_submitted", who=ANA, at=now.replace(year=2000))
    ahead = make("form_submitted", who=ANA, at=now + DAY)
    for order in ([ancient, ahead], [ahead, ancient]):
        lead, _, _ = score(new(playbook), order, playbook, now)
        assert standing(lead, playbook, now) == ("C2", 5, 20)


def test_playbooks_that_ask_the_same_about_leads_remember_fits_together(documents: dict[str, str]) -> None:
    signals = documents["scoring.yaml"].replace("points: 20, half_life: 10d", "points: 21, half_life: 9d")
    one, other = load(documents), load(documents | {"scoring.yaml": signals})
    assert one.version != other.version
    assert rules_of(one).fits is rules_of(other).fits


@pytest.mark.parametrize(
    ("file", "was", "now"),
    [
        ("personas.yaml", "points: 30}", "points: 31}"),
        ("personas.yaml", "{A: 50, B: 20}", "{A: 51, B: 20}"),
        ("personas.yaml", "mentions(['operations'])", "mentions(['owner'])"),
        ("scoring.yaml", "exclusions:", "exclusions:\n  - {id: all, name: Everybody, when: 'true'}"),
        ("company.yaml", "{type: int, ", "{type: int, default: -1000, "),
    ],
)
def test_a_playbook_that_asks_something_else_about_leads_has_fits_of_its_own(
    documents: dict[str, str], file: str, was: str, now: str
) -> None:
    personas = documents["personas.yaml"].replace("company.employees >=", "company.employees + company.machines >=")
    before = documents | {"personas.yaml": personas}
    after = before | {file: before[file].replace(was, now)}
    lead = {"lead.job_title": "Head of operations", "lead.has_phone": True, "company.employees": 60}
    first, then = fit(lead, load(before), []), fit(lead, load(after), [])
    assert (first.grade, first.points, first.excluded) == ("A", 50, ())
    assert then != first
