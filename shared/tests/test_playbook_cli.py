"""`relevo playbook check`: every problem by file and line, as text and as JSON; the exit code says if it is sound."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relevo.cli import main
from relevo.playbook import FILES

EXAMPLE = Path(__file__).parents[2] / "deploy" / "playbook"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "playbook"))


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["playbook", "check", *map(str, arguments)])
    return result.exit_code, result.output


def spoil(folder: Path) -> None:
    for file, old, new in (
        ("personas.yaml", "company.machines >= 10", "company.machins >= 10"),
        ("goals.yaml", "measure: won", "mesure: won"),
    ):
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def test_sound(folder: Path) -> None:
    code, output = run(folder)
    assert (code, output.count("\n")) == (0, 1)
    assert output.startswith("the playbook is sound: version ")
    assert "4 personas, 15 signals, 12 reps, 5 routing rules, 4 promises" in output


def test_it_looks_in_deploy_playbook_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parents[1])
    assert run()[0] == 0


def test_each_problem_with_file_line_and_hint(folder: Path) -> None:
    spoil(folder)
    code, output = run(folder)
    assert code == 1
    assert output.splitlines() == [
        f"{folder}/goals.yaml:7: goals[3].measure is missing (every playbook must say it)",
        f"{folder}/goals.yaml:7: unknown key 'mesure' in goals[3] (did you mean 'measure'?)",
        f"{folder}/personas.yaml:{line_of(folder / 'personas.yaml', 'machins')}: "
        "unknown variable 'company.machins' (did you mean 'company.machines'?)",
        "3 problems: mend and check again",
    ]


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_json_is_one_object_and_nothing_else(folder: Path) -> None:
    code, output = run(folder, "--json")
    answer = json.loads(output)
    assert (code, answer["ok"], answer["problems"], answer["warnings"]) == (0, True, [], [])
    assert len(answer["version"]) == 16

    spoil(folder)
    code, output = run(folder, "--json")
    answer = json.loads(output)
    assert (code, answer["ok"], answer["version"]) == (1, False, None)
    assert [(p["file"], p["hint"]) for p in answer["problems"]] == [
        ("goals.yaml", "every playbook must say it"),
        ("goals.yaml", "did you mean 'measure'?"),
        ("personas.yaml", "did you mean 'company.machines'?"),
    ]


def test_doubts_are_shown_and_forgiven(folder: Path) -> None:
    text = (folder / "routing.yaml").read_text(encoding="utf-8")
    (folder / "routing.yaml").write_text(text.replace("mql.cell == 'A1'", "mql.cell == 'A9'"), encoding="utf-8")
    code, output = run(folder)
    assert code == 0
    assert "warning: mql.cell is never 'A9' (known here: A1, A2" in output


def test_no_folder_an_empty_one_and_files_that_are_no_text(tmp_path: Path, folder: Path) -> None:
    code, output = run(tmp_path / "nowhere")
    assert code == 1
    assert output.startswith(f"{tmp_path / 'nowhere'}: there is no such folder")

    (tmp_path / "empty").mkdir()
    code, output = run(tmp_path / "empty")
    assert (code, output.count("this file is missing")) == (1, len(FILES))

    (folder / "goals.yaml").write_bytes("goals: []\n# España".encode("latin-1"))
    (folder / "sla.yaml").write_bytes(b"#" * 3_000_000)
    (folder / "scorring.yml").write_text("")
    code, output = run(folder, "--json")
    assert code == 1
    assert [(p["file"], p["line"], p["message"]) for p in json.loads(output)["problems"]] == [
        ("goals.yaml", 2, "there is a control character, or this is not text"),
        ("scorring.yml", 0, "this file is no part of a playbook"),
        ("sla.yaml", 0, "the file is too long"),
    ]
