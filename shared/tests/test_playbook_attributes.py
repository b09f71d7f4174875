"""Form fields become typed facts: which field fills what is company.yaml's, and no input makes it raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.playbook import Company, attributes
from relevo.playbook.attributes import parse

COMPANY = Company.model_validate(
    {
        "name": "Uno",
        "zone": "Europe/Madrid",
        "currency": "EUR",
        "fields": {
            "lead.job_title": {"from": ["cargo", "job_title"]},
            "lead.country": {"from": ["país", "country"], "values": {"España": "ES", "Reino Unido": "GB"}},
            "lead.language": {"from": ["idioma", "locale"]},
            "company.employees": {"from": ["nº empleados", "employees"], "values": {"Autónomo": 1}},
            "company.is_customer": {"from": ["cliente"]},
            "company.revenue": {"type": "double", "from": ["facturacion"]},
            "lead.tags": {"type": "list", "from": ["intereses"]},
            "company.erp": {"type": "string", "default": "unknown", "from": ["erp"]},
        },
    }
)


def test_names_of_fields_are_met_however_they_are_written() -> None:
    for name in ("job_title", "Job title", "jobTitle", "JOB-TITLE", " job  title "):
        assert attributes(COMPANY, {name: "CEO"}) == {"lead.job_title": "CEO"}
    for name in ("Nº Empleados", "n_empleados", "Nº. empleados", "nº-empleados[]"):
        found = attributes(COMPANY, {name: "12"})
        assert found == ({"company.employees": 12} if "º" in name else {}), name


def test_the_first_source_that_can_be_read_counts() -> None:
    fields = {"nº empleados": "muchos", "employees": "51-200", "cargo": "  ", "job_title": " Jefa   de compras "}
    assert attributes(COMPANY, fields) == {"company.employees": 51, "lead.job_title": "Jefa de compras"}


def test_spellings_countries_and_languages() -> None:
    assert attributes(COMPANY, {"pais": "ESPANA"}) == {"lead.country": "ES"}
    assert attributes(COMPANY, {"country": "reino  unido"}) == {"lead.country": "GB"}
    assert attributes(COMPANY, {"country": "pt"}) == {"lead.country": "PT"}
    assert attributes(COMPANY, {"country": "Atlantis"}) == {"lead.country": "Atlantis"}
    assert attributes(COMPANY, {"locale": "es-ES"}) == {"lead.language": "es"}
    assert attributes(COMPANY, {"idioma": "CA"}) == {"lead.language": "ca"}
    assert attributes(COMPANY, {"nº empleados": "autonomo"}) == {"company.employees": 1}
    assert attributes(COMPANY, {"cliente": "Sí", "intereses": "tubos; chapa, , perfiles"}) == {
        "company.is_customer": True,
        "lead.tags": ("tubos", "chapa", "perfiles"),
    }


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("120", 120), ("51-200", 51), ("51 – 200 empleados", 51), ("200+", 200), ("> 200", 200), ("más de 500", 500),
        ("1.000", 1000), ("1,000", 1000), ("1 000", 1000), ("1\u00a0000", 1000), ("12.500", 12500),
        ("1.234.567", 1234567), ("1.000-5.000", 1000), ("10 mil", 10000), ("10k", 10000), ("2 millones", 2_000_000),
        ("250.", 250), ("unos 30, creo", 30), ("", None), ("muchos", None), ("1.2.3", None), ("-", None), ("９", None),
        ("9" * 40, None), ("-5", -5), ("v2", None),
    ],
)  # fmt: skip
def test_whole_numbers_as_people_write_them(written: str, whole: int | None) -> None:
    assert parse("int", written) == whole


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1.000,50", 1000.5), ("1,000.50", 1000.5), ("1,5", 1.5), ("1.5", 1.5), ("0.500", 0.5), ("1.000 €", 1000.0),
        ("1,5 M", 1_500_000.0), ("1.234.567,8", 1234567.8), ("€ 300", 300.0),
    ],
)  # fmt: skip
def test_numbers_with_decimals(written: str, number: float) -> None:
    assert parse("double", written) == pytest.approx(number)


def test_yes_and_no() -> None:
    assert [parse("bool", text) for text in ("sí", "Yes", "1", "on", "TRUE", "x")] == [True] * 6
    assert [parse("bool", text) for text in ("no", "0", "off", "False")] == [False] * 4
    assert [parse("bool", text) for text in ("", "quizá", "2")] == [None] * 3


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["cargo", "país", "empleados", "nº empleados", "facturacion", "erp"]), st.text()),
        st.one_of(st.text(), st.text("0123456789.,- kmM%€", max_size=60), st.none(), st.integers(), st.floats()),
    )
)
def test_never_raises_and_types_are_right(fields: dict[str, object]) -> None:
    kinds = {"company.employees": int, "company.revenue": float, "company.is_customer": bool, "lead.tags": tuple}
    for name, value in attributes(COMPANY, fields).items():
        assert type(value) is kinds.get(name, str)
