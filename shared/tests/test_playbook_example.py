"""The example agreement in deploy/playbook is sound, and decides as its comments say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from relevo.calendar import deadline
from relevo.events.vocabulary import TOUCHPOINT_TYPES
from relevo.playbook import FILES, Playbook, attributes, load

FOLDER = Path(__file__).parents[2] / "deploy" / "playbook"
TEXTS = {file: (FOLDER / file).read_text(encoding="utf-8") for file in FILES}
PLAYBOOK = load(TEXTS)


def fits(playbook: Playbook, **values: object) -> dict[str, str]:
    """The grade of each persona, for values such as lead__country."""
    about = playbook.activation("lead", {name.replace("__", "."): value for name, value in values.items()})
    return {
        persona.id: persona.thresholds.grade(sum(c.points for c in persona.criteria if c.when.holds(about)))
        for persona in playbook.personas
    }


def test_it_is_sound_without_doubts() -> None:
    assert PLAYBOOK.warnings == ()
    assert len(PLAYBOOK.personas) == 4
    assert sum(len(team.reps) for team in PLAYBOOK.routing.teams) == 12
    assert len(PLAYBOOK.version) == 16


def test_comments_white_space_and_order_of_keys_leave_the_version_alone() -> None:
    assert load(TEXTS | {"goals.yaml": "# said by both\n\n" + TEXTS["goals.yaml"]}).version == PLAYBOOK.version
    swapped = (
        TEXTS["company.yaml"].replace("name: Forja Software", "").replace("zone:", 'name: "Forja Software"\nzone:')
    )
    assert swapped != TEXTS["company.yaml"]
    assert load(TEXTS | {"company.yaml": swapped}).version == PLAYBOOK.version
    assert load(TEXTS | {"goals.yaml": TEXTS["goals.yaml"].replace("180", "181")}).version != PLAYBOOK.version
    two = TEXTS["scoring.yaml"].replace("cells: [A1, A2, B1]", "cells: [A2, A1, B1]")
    assert load(TEXTS | {"scoring.yaml": two}).version != PLAYBOOK.version


def test_a_plant_manager_is_an_a_and_a_student_excluded() -> None:
    form = {
        "cargo": "Director de Producción",
        "empleados": "51-200",
        "país": "España",
        "sector": "Mecanizado",
        "máquinas": "12",
    }
    lead = attributes(PLAYBOOK.company, form)
    assert lead == {
        "lead.job_title": "Director de Producción",
        "lead.country": "ES",
        "company.employees": 51,
        "company.industry": "Mecanizado",
        "company.machines": 12,
    }
    about = PLAYBOOK.activation("lead", {**lead, "lead.email_domain": "taller.example"})
    grades = {
        p.id: p.thresholds.grade(sum(c.points for c in p.criteria if c.when.holds(about))) for p in PLAYBOOK.personas
    }
    assert grades == {"operations": "A", "it": "C", "finance": "B", "owner": "B"}
    assert [exclusion.id for exclusion in PLAYBOOK.scoring.exclusions if exclusion.when.holds(about)] == []

    assert fits(PLAYBOOK) == {"operations": "C", "it": "C", "finance": "C", "owner": "C"}
    student = PLAYBOOK.activation("lead", {"lead.job_title": "Estudiante de máster", "lead.email_domain": "u.example"})
    assert [e.id for e in PLAYBOOK.scoring.exclusions if e.when.holds(student)] == ["student"]
    nobody = PLAYBOOK.activation("lead", {})
    assert [e.id for e in PLAYBOOK.scoring.exclusions if e.when.holds(nobody)] == ["unreachable"]


def test_signals_are_found_by_type_and_a_demo_request_raises_a_hand() -> None:
    scoring = PLAYBOOK.scoring
    by_type = {touch: [signal.id for signal in scoring.signals_for(touch)] for touch in TOUCHPOINT_TYPES}
    assert by_type["page_viewed"] == ["pricing-page", "product-page", "any-page"]
    assert by_type["email_sent"] == []
    assert sum(map(len, by_type.values())) == len(scoring.signals)
    assert scoring.signals_for("no such type") == ()

    def raised(form: str) -> list[str]:
        touch = PLAYBOOK.activation("touch", {"touch.type": "form_submitted", "touch.form": form})
        return [each.id for each in scoring.hand_raises_for("form_submitted") if each.when and each.when.holds(touch)]

    assert raised("demo") == raised("Solicitar presupuesto") == raised("contact-us") == ["demo-request"]
    assert raised("newsletter") == []
    assert [scoring.levels.level(points) for points in (60, 59.9999999, 59.99, 25, 24, -5)] == [1, 1, 2, 2, 3, 3]


def test_the_first_rule_that_matches_leads_somewhere() -> None:
    def rule(**values: object) -> str:
        about = PLAYBOOK.activation("mql", {name.replace("__", "."): value for name, value in values.items()})
        return next(rule.id for rule in PLAYBOOK.routing.rules if rule.when.holds(about))

    assert rule() == "everybody-else"
    assert rule(lead__country="DE", mql__hand_raise=True) == "abroad"
    assert rule(lead__country="ES", company__employees=900) == "large-accounts"
    assert rule(lead__country="ES", lead__language="ca") == "own-language"
    assert rule(mql__hand_raise=True) == rule(mql__cell="A1") == "hand-raise"


def test_reps_managers_and_their_hours() -> None:
    routing = PLAYBOOK.routing
    team = routing.team("comercial")
    nayra, lucia = routing.rep("nayra-santana"), routing.rep("lucia-ferrer")
    assert team is not None
    assert nayra is not None
    assert lucia is not None
    assert routing.team_of("nayra-santana") is routing.team_of("lucia-ferrer") is team
    assert routing.team_of("hanna-vogel") is routing.team("exportacion")
    assert (routing.team_of("nobody"), routing.rep("nobody"), routing.team("none")) == (None, None, None)
    assert routing.calendar_of(team, nayra) == "canarias"
    assert routing.calendar_of(team, lucia) == "madrid"


def test_an_answer_is_due_after_four_opening_hours_across_lunch_and_night() -> None:
    policy = PLAYBOOK.sla.policies_for("answer")[0]
    assert [(str(step.at), step.do) for step in policy.ladder] == [
        ("50%", "warn_rep"), ("75%", "warn_manager"), ("100%", "reassign"),
    ]  # fmt: skip
    assert (policy.target_of(1), policy.target_of(2)) == (timedelta(hours=4), timedelta(hours=2))
    madrid = PLAYBOOK.sla.calendar("madrid")
    tuesday_noon = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)  # 12:00 in Madrid: two hours to lunch, two after it
    due = [deadline(madrid, tuesday_noon, step.at.of(policy.target)) for step in policy.ladder]
    assert due == [datetime(2026, 3, 10, hour, tzinfo=UTC) for hour in (13, 16, 17)]
    assert PLAYBOOK.sla.policies_for("first_contact")[0].target == timedelta(hours=8)
