"""`relevo import`: encodings, delimiters, what columns mean, and rows as touchpoints."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relevo.cli import main
from relevo.cli.leads_file import Unreadable, look, touchpoint

SPANISH = (
    "Correo electrónico;Nombre;Apellidos;Teléfono;Empresa;Página web;Empleados;País;Acepto comunicaciones;utm_source;"
    "gclid;Contraseña;Fecha;Comentarios\n"
    "ana@empresa.es;Ana;García;600 123 456;Empresa SL;https://empresa.es;120;ES;sí;feria;g1;secreto;2026-03-02;¿Precio?\n"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    file = path / "leads.csv"
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_a_file_is_read_as_it_was_written(tmp_path: Path, encoding: str, delimiter: str) -> None:
    table = look(write(tmp_path, SPANISH.replace(";", delimiter), encoding))
    assert (table.delimiter, table.rows) == (delimiter, 1)
    assert table.encoding == ("cp1252" if encoding == "cp1252" else "utf-8-sig")
    assert table.columns.names[0] == "Correo electrónico"
    (row,) = table.read()
    assert touchpoint(table.columns, row, "imported") == {
        "type": "imported",
        "id": row.event_id,
        "email": "ana@empresa.es",
        "first_name": "Ana",
        "last_name": "García",
        "phone": "600 123 456",
        "company": {"name": "Empresa SL", "domain": "https://empresa.es"},
        "consent": {"basis": "consent"},
        "text": "¿Precio?",
        "fields": {"Empleados": "120", "País": "ES", "Fecha": "2026-03-02"},
        "campaign": {"source": "feria", "ad_ids": {"gclid": "g1"}},
    }


def test_what_columns_mean_may_be_said(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b,Email,when\nx@empresa.es,42,y@empresa.es,02/03/2026\n")
    table = look(file, mapping={"a": "email", "b": "user_id", "when": "occurred_at"})
    assert [table.columns.becomes(name) for name in table.columns.names] == [
        "email",
        "user_id",
        "field: Email",
        "occurred_at",
    ]
    (row,) = table.read()
    body = touchpoint(table.columns, row, "call", "%d/%m/%Y")
    assert (body["email"], body["user_id"], body["occurred_at"]) == ("x@empresa.es", "42", "2026-03-02T00:00:00+00:00")
    with pytest.raises(ValueError, match="--date-format"):
        touchpoint(table.columns, row, "call")
    assert look(file, mapping={"Email": ""}).columns.becomes("Email") == "field: Email"
    for wrong in ({"c": "email"}, {"a": "mail"}):
        with pytest.raises(Unreadable):
            look(file, mapping=wrong)


def test_an_e_mail_is_known_by_its_looks_where_its_column_has_no_telling_name(tmp_path: Path) -> None:
    table = look(write(tmp_path, "who,what\nana@empresa.es,x\n"))
    assert table.columns.meaning == {"who": "email"}


def test_an_id_of_the_rows_own_is_taken_only_where_it_is_said_to_be_one(tmp_path: Path) -> None:
    file = write(tmp_path, "email,event_id\na@b.es,webinar\nb@b.es,webinar\n")

    def ids(mapping: dict[str, str]) -> list[str]:
        table = look(file, mapping=mapping)
        return [touchpoint(table.columns, row, "event_attended")["id"] for row in table.read()]

    assert len(set(ids({}))) == 2
    assert ids({"event_id": "event_id"}) == ["webinar", "webinar"]


def test_odd_rows_and_headers(tmp_path: Path) -> None:
    text = 'email,email,,\n\n a@b.es ,"x\ny"\n,,,\n"b@b.es","c ""d""",e,f,g\nc@b.es\n'
    table = look(write(tmp_path, text))
    assert table.columns.names == ("email", "email (2)", "column 3", "column 4")
    rows = list(table.read())
    assert (table.rows, [row.line for row in rows]) == (3, [4, 6, 7])
    assert touchpoint(table.columns, rows[0], "imported")["fields"] == {"email (2)": "x\ny"}
    with pytest.raises(ValueError, match="1 cells more"):
        touchpoint(table.columns, rows[1], "imported")
    assert touchpoint(table.columns, rows[2], "imported")["email"] == "c@b.es"


def test_a_row_has_one_id_wherever_it_stands_in_its_file(tmp_path: Path) -> None:
    def ids(text: str, name: str = "leads.csv") -> list[str]:
        (tmp_path / name).write_text(text)
        return [row.event_id for row in look(tmp_path / name).read()]

    one, two = ids("email\na@b.es\nb@b.es\n")
    assert ids("email\na@b.es\nb@b.es\n") == [one, two]
    assert ids("email\nnew@b.es\nb@b.es\na@b.es\n")[1:] == [two, one]
    assert ids("email\na@b.es\na@b.es\n")[0] == one
    assert len(set(ids("email\na@b.es\na@b.es\n"))) == 2
    assert ids("email\na@b.es\n", "march.csv") != [one]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"", [], "the file is empty"),
        (b"email\n\xff\xfe\n", ["--encoding", "utf-8"], "the file is not utf-8"),
        (b"email\n", ["--encoding", "klingon"], "no such encoding"),
        (b"email\n", ["--map", "nothing"], "write --map COLUMN=MEANING"),
        (b"email\n", ["--map", "x=email"], "there is no column 'x'"),
        (b"email\n", ["--type", "fax"], "fax is no type of touchpoint"),
        (b"email\n", ["--delimiter", "::"], "a delimiter is one character"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, content: bytes, options: list[str], said: str) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(content)
    result = CliRunner().invoke(main, ["import", str(file), "--key", "k", "--preview", *options])
    assert (result.exit_code, said in result.output) == (1, True), result.output


def test_the_preview_sends_nothing_and_shows_what_becomes_of_each_column(tmp_path: Path) -> None:
    file = write(tmp_path, SPANISH)
    nowhere = ["--key", "k", "--url", "http://127.0.0.1:9", "--preview"]
    shown = CliRunner().invoke(main, ["import", str(file), *nowhere], terminal_width=200)
    assert shown.exit_code == 0
    told = json.loads(CliRunner().invoke(main, ["import", str(file), *nowhere, "--json"]).stdout)
    assert (told["rows"], told["encoding"], told["delimiter"]) == (1, "utf-8-sig", ";")
    becomes = told["columns"]
    assert (becomes["Correo electrónico"], becomes["Nombre"], becomes["Apellidos"]) == ("email", "name", "last_name")
    assert (becomes["Empleados"], becomes["utm_source"]) == ("field: Empleados", "campaign: source")
    assert becomes["Contraseña"] is None
    assert list(tmp_path.iterdir()) == [file]
