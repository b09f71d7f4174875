"""Shows who gets a lead: relationship, rules, every test of eligibility. Fairness has a file of its own."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace as with_

from handoff.eligible import NEW, TESTS, Lead, RepState, TeamState, anybody, next_chance
from handoff.explain import explained
from handoff.queries import record_of
from handoff.route import RELATIONSHIP, Decision, after, after_turn, route, to_manager
from relevo.playbook import Playbook, load

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lead(playbook: Playbook, number: int | None = None, **values: Any) -> Lead:
    known = {name.replace("__", "."): value for name, value in values.items() if "__" in name}
    more = {name: value for name, value in values.items() if "__" not in name}
    return Lead(UUID(int=number) if number else uuid4(), playbook.activation("mql", known), known, **more)


def decide(playbook: Playbook, of: Lead, **reps: RepState) -> Decision:
    return decide_at(playbook, of, T0, reps)


def decide_at(playbook: Playbook, of: Lead, now: datetime, reps: TeamState) -> Decision:
    found = route(playbook, of, {team.id: reps for team in playbook.routing.teams}, now)
    assert found is not None
    return found


def failed(decision: Decision) -> dict[str, list[str]]:
    return {each.rep: [*each.failed] for each in decision.considered}


def recorded(decision: Decision) -> Any:
    return msgspec.json.decode(record_of(decision))


def test_the_first_rule_that_matches_decides(playbook: Playbook) -> None:
    assert decide(playbook, lead(playbook)).rule == "all"
    to_south = decide(playbook, lead(playbook, lead__country="PT", lead__language="pt"))
    assert (to_south.rule, to_south.team, to_south.rep) == ("portugal", "south", "dora")
    named = decide(playbook, lead(playbook, company__employees=600))
    assert (named.rule, named.team, named.rep, named.priority) == ("big", "north", "ana", 50)
    assert [each.rep for each in named.considered] == ["ana"]


def test_a_named_rep_who_cannot_take_it_makes_it_wait(playbook: Playbook) -> None:
    waits = decide(playbook, lead(playbook, company__employees=600), ana=RepState(away=True))
    assert waits.rep is None
    assert failed(waits) == {"ana": ["away"]}


def test_each_test_of_eligibility(playbook: Playbook, documents: dict[str, str]) -> None:
    strict = load(
        documents
        | {
            "routing.yaml": """
teams:
  - id: team
    name: Team
    manager: {id: boss, name: Boss, email: boss@us.example}
    calendar: office
    reps:
      - {id: tongue, name: T, email: t@us.example, languages: [fr], territories: [es], skills: [big]}
      - {id: land, name: T, email: t@us.example, territories: [PT], skills: [big]}
      - {id: skill, name: T, email: t@us.example}
      - {id: hours, name: T, email: t@us.example, skills: [big], calendar: nights}
      - {id: away, name: T, email: t@us.example, skills: [big]}
      - {id: full, name: T, email: t@us.example, skills: [big], capacity: 5}
      - {id: window, name: T, email: t@us.example, skills: [big], window: {count: 3, per: 1d}}
      - {id: before, name: T, email: t@us.example, skills: [big]}
      - {id: fine, name: T, email: t@us.example, languages: [ES], territories: [ES], skills: [big]}
rules:
  - id: all
    name: All
    when: "true"
    team: team
    needs: {language: lead.language, territory: lead.country, skills: [big]}
""",
            "sla.yaml": documents["sla.yaml"].replace(
                "policies:", '  - {id: nights, zone: Europe/Madrid, hours: {mon: ["22:00-24:00"]}}\npolicies:'
            ),
        }
    )
    who = lead(strict, lead__language="es", lead__country="ES", owners=frozenset({"before"}))
    state = {
        "away": RepState(away=True, away_until=T0 + HOUR),
        "full": RepState(open_leads=5),
        "window": RepState(taken=3),
    }
    found = decide(strict, who, **state)
    assert found.rep == "fine"
    assert failed(found) == {
        "tongue": ["language"], "land": ["territory"], "skill": ["skill"], "hours": ["hours"], "away": ["away"],
        "full": ["capacity"], "window": ["window"], "before": ["earlier_owner"], "fine": [],
    }  # fmt: skip
    because = {test: why for each in found.considered for test, why in each.failed.items()}
    assert set(because) == set(TESTS)
    assert because["hours"] == "closed until 2026-03-02T21:00Z"
    assert because["away"] == "away until 2026-03-02T10:00Z"
    assert because["capacity"] == "5 open leads of 5"
    assert because["window"] == "3 of 3 within 1d"


def test_a_lead_that_does_not_say_its_language_can_go_to_anybody(playbook: Playbook) -> None:
    assert all(not each.failed for each in decide(playbook, lead(playbook, lead__language="")).considered)


def test_outside_hours_it_waits_or_is_assigned_as_the_team_says(playbook: Playbook, documents: dict[str, str]) -> None:
    night = T0 + 12 * HOUR
    waits = decide_at(playbook, lead(playbook), night, {})
    assert waits.rep is None
    assert {tuple(tests) for tests in failed(waits).values()} == {("hours",)}
    north = playbook.routing.team("north")
    assert north is not None
    assert not anybody(playbook, north, {}, night)
    assert next_chance(playbook, north, {}, night) == datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
    routing = documents["routing.yaml"].replace("calendar: office", "calendar: office\n    outside_hours: assign")
    assigns = load(documents | {"routing.yaml": routing})
    assert decide_at(assigns, lead(assigns), night, {}).rep is not None


def test_the_related_rep_goes_first_and_leaves_it_to_the_rules_when_unable(playbook: Playbook) -> None:
    customer = lead(playbook, lead__country="PT", related=("gone", "bea"))
    found = decide(playbook, customer)
    assert (found.rule, found.team, found.rep) == (RELATIONSHIP, "north", "bea")
    ruled = decide(playbook, customer, bea=RepState(away=True))
    assert (ruled.rule, ruled.team, ruled.rep) == ("portugal", "south", "dora")


def test_an_excluded_team_is_passed_over(playbook: Playbook) -> None:
    portuguese = lead(playbook, lead__country="PT", not_teams=frozenset({"south"}))
    assert decide(playbook, portuguese).rule == "all"
    nowhere = lead(playbook, not_teams=frozenset({"south", "north"}))
    assert route(playbook, nowhere, {}, T0) is None


def in_turn(documents: dict[str, str]) -> Playbook:
    routing = documents["routing.yaml"].replace('when: "true", team: north', 'when: "true", teams: [north, south]')
    return load(documents | {"routing.yaml": routing})


def test_teams_take_turns_of_what_they_can_take_and_their_reps_share_their_own(documents: dict[str, str]) -> None:
    book = in_turn(documents)
    states: dict[str, TeamState] = {}
    got: list[str] = []
    for number in range(1, 61):
        full = 20 < number <= 30  # then only north can
        south = states.get("south", {})
        states["south"] = {**south, "dora": with_(south.get("dora", NEW), open_leads=0, taken=0)}
        if full:
            states["south"] = {"dora": with_(states["south"]["dora"], open_leads=2)}
        found = route(book, lead(book, number), states, T0 + number * HOUR / 60)
        assert found is not None
        states[found.team] = after(states.get(found.team, {}), found, T0 + number * HOUR / 60)
        states["rule:all"] = after_turn(states.get("rule:all", {}), found, T0 + number * HOUR / 60)
        got.append(found.team)
    assert all({one, other} == {"north", "south"} for one, other in zip(got[:20:2], got[1:20:2], strict=True))
    assert got[20:30] == ["north"] * 10
    assert Counter(got[30:]) == {"north": 15, "south": 15}, "what only one could take is nobody's debt"
    assert [states["rule:all"][team].target for team in ("north", "south")] == [pytest.approx(35), pytest.approx(25)]
    assert {rep: each.assigned for rep, each in states["north"].items()} in (
        {"ana": 12, "bea": 12, "carl": 11}, {"ana": 12, "bea": 11, "carl": 12}, {"ana": 11, "bea": 12, "carl": 12},
    )  # fmt: skip


def test_a_lead_that_no_team_can_take_waits_for_one_of_them_always_the_same(documents: dict[str, str]) -> None:
    book = in_turn(documents)
    nobody = {name: RepState(away=True) for name in ("ana", "bea", "carl", "dora")}
    waits = [decide(book, lead(book, number), **nobody) for number in range(1, 41)]
    assert {each.rep for each in waits} == {None}
    assert {each.team for each in waits} == {"north", "south"}
    assert [each.team for each in waits] == [decide(book, lead(book, n), **nobody).team for n in range(1, 41)]
    assert all(len(each.considered) + len(each.passed_over) == 4 for each in waits)
    assert after_turn({}, waits[0], T0) == {}, "it counts when it is given away"
    (left,) = {decide(book, lead(book, n, not_teams=frozenset({"north"}))).team for n in range(1, 9)}
    assert left == "south"


def test_the_explanation_names_the_turn_and_the_reps_whose_turn_it_was_not(documents: dict[str, str]) -> None:
    book = in_turn(documents)
    states = {"rule:all": {"north": RepState(3, 2.5), "south": RepState(2, 2.5)}, "north": {"ana": RepState(away=True)}}
    found = route(book, lead(book), states, T0)
    assert found is not None
    row = {"rep": found.rep, "team": found.team, "record": recorded(found), "revision": 1, "playbook_version": "x"}
    told = explained(row)
    assert told["turn"] == [
        {"team": "north", "chosen": False, "able": True, "assigned": 3, "target": 3.0, "shortfall": 0.0},
        {"team": "south", "chosen": True, "able": True, "assigned": 2, "target": 3.0, "shortfall": 1.0},
    ]
    assert {each["rep"]: each["to_get_it"] for each in told["reps"]} == {
        "dora": None,
        "ana": "pass: away (away); and be of south: it was its turn",
        "bea": "be of south: it was its turn",
        "carl": "be of south: it was its turn",
    }


def test_largest_shortfall_then_weight_then_wait_then_a_stable_hash(
    playbook: Playbook, documents: dict[str, str]
) -> None:
    behind = decide(playbook, lead(playbook), ana=RepState(3, 3.0), bea=RepState(2, 2.5), carl=RepState(3, 2.5))
    assert behind.rep == "bea"
    heavy = load(
        documents | {"routing.yaml": documents["routing.yaml"].replace("name: Carl,", "name: Carl, weight: 2,")}
    )
    level = {"ana": RepState(1, 0.75), "bea": RepState(1, 0.75), "carl": RepState(1, 0.5)}
    assert decide(heavy, lead(heavy), **level).rep == "carl"
    waited = {name: RepState(1, 1.0, T0 - hours * HOUR) for name, hours in (("ana", 1), ("bea", 3), ("carl", 2))}
    assert decide(playbook, lead(playbook), **waited).rep == "bea"
    assert decide(playbook, lead(playbook), **(waited | {"carl": RepState(1, 1.0)})).rep == "carl"
    chosen = {number: decide(playbook, lead(playbook, number)).rep for number in range(1, 60)}
    assert set(chosen.values()) == {"ana", "bea", "carl"}
    assert chosen == {number: decide(playbook, lead(playbook, number)).rep for number in range(1, 60)}


def test_a_rule_that_gives_no_answer_is_told_and_never_matches(documents: dict[str, str]) -> None:
    odd = documents["routing.yaml"].replace("company.employees >= 500", "1000 / company.employees < 2")
    broken = load(documents | {"routing.yaml": odd})
    found = decide(broken, lead(broken))
    assert found.rule == "all"
    assert len(found.failed_rules) == 1
    assert found.failed_rules[0].startswith("routing.yaml:17: rule failed")


def test_the_manager_takes_it_without_tests_and_without_a_shortfall(playbook: Playbook) -> None:
    north = playbook.routing.team("north")
    assert north is not None
    state = after({"boss": RepState(4, 4.0)}, to_manager(north, "all", 10), T0)
    assert (state["boss"].assigned, state["boss"].target) == (5, 5.0)


def test_the_explanation_names_every_test_of_every_rep_and_what_would_have_to_change(playbook: Playbook) -> None:
    found = decide(playbook, lead(playbook), ana=RepState(1, 0.5), bea=RepState(0, 0.5), carl=RepState(away=True))
    row = {"rep": found.rep, "team": found.team, "record": recorded(found), "revision": 1, "playbook_version": "x"}
    reps = {each["rep"]: each for each in explained(row)["reps"]}
    assert reps["bea"]["chosen"]
    assert reps["bea"]["to_get_it"] is None
    assert reps["ana"]["to_get_it"] == "be 1 of a lead further behind one's share: bea was"
    assert reps["carl"]["to_get_it"] == "pass: away (away)"
    assert [test["test"] for test in reps["carl"]["tests"] if not test["passed"]] == ["away"]
    assert all(len(each["tests"]) == len(TESTS) for each in reps.values())
