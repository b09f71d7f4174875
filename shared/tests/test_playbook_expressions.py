"""Conditions: true, false or failed; what fails never holds, and says where and why without a personal value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.playbook import Condition, PlaybookError, RuleFailed, language
from relevo.playbook.text import Written
from relevo.playbook.variables import CONTEXTS, Context, Variable
from relevo.playbook.words import fold, mentions

OWN = (
    Variable("lead.budget", "double", "own field"),
    Variable("lead.tags", "list", "own field", default=("new",)),
    Variable("company.machines", "int", "own field"),
    Variable("company.erp", "string", "own field", default="unknown"),
)
LANGUAGE = language(OWN)


def verdict(source: str, values: dict[str, object] | None = None, context: Context = "lead") -> bool | RuleFailed:
    condition = LANGUAGE.compile(context, source, "scoring.yaml", 12)
    return condition.holds(LANGUAGE.activation(context, values or {}))


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("lead.country == 'ES'", {"lead.country": "ES"}),
        ("lead.country in ['ES', 'PT'] && !lead.free_mail", {"lead.country": "PT"}),
        ("company.employees >= 50 && company.employees < 1000", {"company.employees": 50}),
        ("lead.budget > 1000.0", {"lead.budget": 2000}),  # a whole number is a double too
        ("'steel' in lead.tags", {"lead.tags": ["steel", "tubes"]}),
        ("lead.tags == ['new'] && company.erp == 'unknown'", {}),  # own defaults
        ("lead.job_title.mentions('direccion')", {"lead.job_title": "DIRECCIÓN Técnica"}),
        ("lead.job_title.mentions(['compras', 'cto'])", {"lead.job_title": "Jefe/a de Compras"}),
        ("lead.job_title.matches('(?i)director')", {"lead.job_title": "Director"}),
        ("lead.email_domain.endsWith('.es')", {"lead.email_domain": "uno.es"}),
        ("size(lead.job_title) > 3 // with a comment", {"lead.job_title": "CEO!"}),
        ("lead.country == ''\n  && lead.language == ''", {}),
    ],
)
def test_holds(source: str, values: dict[str, object]) -> None:
    assert verdict(source, values) is True
    assert verdict(f"!({source.split('//')[0]})", values) is False


def test_every_variable_of_every_context_has_its_default() -> None:
    empty = {"string": "''", "int": "0", "double": "0.0", "bool": "false", "list": "[]", "map": "{}"}
    for context, variables in CONTEXTS.items():
        for variable in variables:
            expected = "'3'" if variable.name == "mql.engagement" else empty[variable.type]
            assert verdict(f"{variable.name} == {expected}", context=context) is True, variable.name


def test_touch_conditions() -> None:
    touch: dict[str, object] = {
        "touch.type": "form_submitted",
        "touch.path": "/precios",
        "touch.fields": {"plan": "pro"},
    }
    assert verdict("touch.path.startsWith('/precios') && touch.fields['plan'] == 'pro'", touch, "touch") is True
    assert verdict("touch.fields.plan == 'pro' && 'plan' in touch.fields", touch, "touch") is True
    assert verdict("has(touch.fields.budget) && touch.fields.budget == 'x'", touch, "touch") is False


FAILING = [
    ("touch", "touch.fields['SECRET'] == 'x'", {}, 'there is no field "SECRET"'),  # the playbook's own word
    ("touch", "touch.fields[touch.form] == 'x'", {"touch.form": "Ana López"}, "there is no field …"),
    ("lead", "100 / company.employees > 1", {"company.employees": 0}, "divide by zero"),
    ("lead", "int(lead.job_title) > 1", {"lead.job_title": "Ana López"}, "cannot convert string to int"),
    ("lead", "lead.tags[7] == 'x'", {}, "Index error: index=7 size=1"),
    ("lead", "'x'.matches(lead.job_title)", {"lead.job_title": "(Ana"}, "invalid regular expression"),
    ("lead", "9223372036854775807 + company.employees > 0", {"company.employees": 1}, "integer overflow"),
    ("lead", "dyn(lead.job_title)", {"lead.job_title": "Ana López"}, "the result is string, not true or false"),
    ("lead", "dyn(company.employees)", {"company.employees": 1}, "the result is int, not true or false"),
    ("lead", "dyn(lead.job_title) > 1", {"lead.job_title": "Ana"}, "No matching overloads found : _>_(string, int64)"),
    (
        "lead",
        "timestamp(lead.job_title) < timestamp('2026-01-01T00:00:00Z')",
        {},
        "String to Timestamp conversion failed",
    ),
]


@pytest.mark.parametrize(("context", "source", "values", "message"), FAILING, ids=[f"{f[1]}" for f in FAILING])
def test_what_cannot_be_answered_is_failed_and_never_true(
    context: Context, source: str, values: dict[str, object], message: str
) -> None:
    failed = verdict(source, values, context)
    assert failed == RuleFailed("scoring.yaml", 12, message)
    assert not failed
    assert "Ana" not in str(failed)
    assert isinstance(verdict(f"!({source})" if "dyn(" not in source else source, values, context), RuleFailed)


def test_an_error_that_decides_nothing_is_none() -> None:
    """CEL's && and || look at both sides: a false one settles an &&, whatever the other does."""
    assert verdict("1 / company.employees > 0 && false") is False
    assert verdict("1 / company.employees > 0 || true") is True
    assert isinstance(verdict("1 / company.employees > 0 || false"), RuleFailed)


def test_endless_work_is_cut_off() -> None:
    hundred = "[" + ",".join(["1"] * 100) + "]"
    with pytest.raises(PlaybookError, match="the condition cannot be read"):
        LANGUAGE.compile("lead", "(" * 100 + "true" + ")" * 100)
    with pytest.raises(PlaybookError, match="too long"):
        LANGUAGE.compile("lead", "true" + " && true" * 1000)
    loops = f"{hundred}.all(a, {hundred}.all(b, {hundred}.all(c, a + b + c > 0)))"
    failed = verdict(loops)
    assert isinstance(failed, RuleFailed)
    assert failed.message == "Iteration budget exceeded"
    evil = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')"  # linear in RE2
    assert verdict(evil) is False


def test_values_that_do_not_fit_are_the_default_and_strange_names_nothing() -> None:
    values: dict[str, object] = {
        "lead.country": 7.5, "lead.free_mail": "true", "company.employees": "120", "lead.budget": float("nan"),
        "lead.tags": "steel", "company.erp": None, "lead.colour": "red", "company.machines": 2**70,
    }  # fmt: skip
    assert (
        verdict(
            "lead.country == '' && !lead.free_mail && company.employees == 0 && lead.budget == 0.0"
            " && lead.tags == ['new'] && company.erp == 'unknown' && company.machines == 0",
            values,
        )
        is True
    )
    assert verdict("mql.engagement == '1'", {"mql.engagement": 1}, "mql") is True


@given(
    st.dictionaries(
        st.sampled_from([variable.name for variable in (*CONTEXTS["mql"], *OWN)]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.binary()),
    )
)
def test_no_value_makes_a_condition_crash(values: dict[str, object]) -> None:
    about = LANGUAGE.activation("mql", values)
    for source in (
        "lead.job_title.mentions('compras') || company.employees > 3",
        "lead.budget >= 1.0 && !lead.free_mail",
        "lead.tags.exists(tag, tag == 'x') && mql.priority > 3",
        "100 / company.employees > 3",
    ):
        assert isinstance(LANGUAGE.compile("mql", source).holds(about), bool | RuleFailed)


def test_one_activation_serves_many_conditions_and_only_of_its_context() -> None:
    about = LANGUAGE.activation("lead", {"lead.country": "ES"})
    spain, abroad = LANGUAGE.compile("lead", "lead.country == 'ES'"), LANGUAGE.compile("lead", "lead.country != 'ES'")
    assert [condition.holds(about) for condition in (spain, abroad, spain)] == [True, False, True]
    with pytest.raises(ValueError, match="about touch was asked with values of lead"):
        LANGUAGE.compile("touch", "true").holds(about)


def test_a_condition_is_its_context_and_source_and_shows_no_values() -> None:
    first, second = LANGUAGE.compile("lead", "true", "a.yaml", 1), LANGUAGE.compile("lead", " true ", "b.yaml", 2)
    assert first == second
    assert len({first, second}) == 1
    assert isinstance(first, Condition)
    assert "ES" not in repr(LANGUAGE.activation("lead", {"lead.country": "ES"}))


def test_lines_of_a_block_are_counted_within_it() -> None:
    source = Written.at("lead.country == 'ES'\n&& lead.contry == 'ES'\n&& lead.regon == ''\n", 40, block=True)
    with pytest.raises(PlaybookError) as error:
        LANGUAGE.compile("lead", source, "personas.yaml")
    assert [(p.line, p.message, p.hint) for p in error.value.problems] == [
        (41, "unknown variable 'lead.contry'", "did you mean 'lead.country'?"),
        (42, "unknown variable 'lead.regon'", "did you mean 'lead.region'?"),
    ]


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("Directora de Producción", "produccion", True),
        ("Directora de Producción", "DIRECTOR", True),
        ("Subdirector", "director", False),
        ("Director de contacto", "cto", False),
        ("CTO / socio", "cto", True),
        ("Responsable I.T.", "it", False),
        ("Responsable IT", "it", True),
        ("Director General", "director general", True),
        ("General director", "director general", False),
        ("demo_request-2026", "demo", True),
        ("", "x", False),
        ("x", "", False),
        ("x", "¿?", False),
    ],
)
def test_mentions(text: str, word: str, found: bool) -> None:
    assert mentions(text, word) is found


@given(st.text(), st.text())
def test_folding_twice_changes_nothing_and_mentions_never_raises(text: str, word: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert isinstance(mentions(text, word), bool)


def test_what_conditions_ask_about_is_enough_to_answer_them():
    known = language()
    conditions = [
        known.compile("mql", source)
        for source in (
            "company . employees >= 50 && lead.country in ['ES', 'PT']",
            "mql.cell == 'A1' // and nothing of lead.region",
            "lead.job_title.mentions('cto')",
            "true",
        )
    ]
    asked = known.asked(conditions)
    assert asked == {"company.employees", "lead.country", "mql.cell", "lead.job_title"}
    values = {
        "company.employees": 80,
        "lead.country": "ES",
        "mql.cell": "A1",
        "lead.job_title": "CTO",
        "lead.region": "x",
    }
    whole, part = known.activation("mql", values), known.activation("mql", values, asked)
    assert [each.holds(part) for each in conditions] == [each.holds(whole) for each in conditions] == [True] * 4
    nothing = known.activation("mql", {}, asked)
    assert [each.holds(nothing) for each in conditions] == [False, False, False, True], "defaults are there, too"
