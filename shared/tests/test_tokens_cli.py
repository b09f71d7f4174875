"""`relevo tokens`: what services take by their own reading of the file, rotated with an overlap, never written down."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from relevo.cli.tokens import tokens
from relevo.service.tokens import Tokens


def run(file: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(tokens, [*arguments, "--file", str(file)])
    assert result.exit_code == code, result.output
    return result.output


def token_of(file: Path, *arguments: str) -> str:
    return str(json.loads(run(file, *arguments, "--json"))["token"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def test_an_added_token_opens_what_it_is_for(file: Path) -> None:
    manager = token_of(file, "add", "ana@forja.es", "--scope", "read", "--scope", "manage", "--role", "manager")
    rep = token_of(file, "add", "rep-7", "--scope", "answer", "--rep", "r7", "--expires", "90d")
    service = Tokens(file)
    ana, seven = service.find(manager), service.find(rep)
    assert ana is not None
    assert seven is not None
    assert (ana.name, ana.scopes, ana.role, ana.expires) == ("ana@forja.es", {"read", "manage"}, "manager", None)
    assert (seven.rep, seven.scopes, seven.expires is None) == ("r7", {"answer"}, False)
    assert service.find(manager + "x") is None
    assert manager not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_rotated_token_works_beside_the_old_one_for_a_while(file: Path) -> None:
    service = Tokens(file)
    old = token_of(file, "add", "console", "--scope", "act-for")
    token_of(file, "add", "crm", "--scope", "answer")
    new = token_of(file, "rotate", "console", "--overlap", "12h")
    assert service.find(old) is not None
    newest = token_of(file, "rotate", "console", "--overlap", "0m")
    assert [service.find(token) is not None for token in (old, new, newest)] == [False, False, True]
    found = service.find(newest)
    assert found is not None
    assert (found.scopes, found.expires) == ({"act-for"}, None)
    last = token_of(file, "rotate", "console")
    named = [entry for entry in yaml.safe_load(file.read_text())["tokens"] if entry["name"] == "console"]
    assert len(named) == 2, "those that have expired are not kept"
    assert service.find(newest) is not None
    assert service.find(last) is not None


def test_listed_and_removed(file: Path) -> None:
    token = token_of(file, "add", "crm", "--scope", "answer")
    token_of(file, "add", "ci", "--scope", "touchpoints", "--expires", "0m")
    listed = json.loads(run(file, "list", "--json"))["tokens"]
    assert [(entry["name"], entry["works"]) for entry in listed] == [("crm", True), ("ci", False)]
    assert "has expired" in run(file, "list")
    assert "add it anew" in run(file, "rotate", "ci", code=1)
    run(file, "remove", "crm")
    assert Tokens(file).find(token) is None
    assert "crm" in file.with_name("tokens.yaml~").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "ana garcía", "--scope", "read"), "letters, digits"),
        (("add", "crm", "--scope", "read"), "rotate"),
        (("add", "x", "--scope", "raed"), "there are read,"),
        (("add", "x", "--scope", "answer", "--rep", "r1", "--role", "admin"), "that rep alone"),
        (("add", "x", "--scope", "act-for", "--rep", "r1"), "that rep alone"),
        (("add", "x", "--scope", "read", "--expires", "tomorrow"), "30m, 12h or 7d"),
        (("rotate", "gone"), "it has crm"),
        (("rotate", "crm", "--overlap", "soon"), "30m, 12h or 7d"),
        (("remove", "gone"), "it has crm"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(file: Path, arguments: tuple[str, ...], said: str) -> None:
    run(file, "add", "crm", "--scope", "answer")
    before = file.read_bytes()
    assert said in run(file, *arguments, code=1)
    assert file.read_bytes() == before


def test_a_file_that_is_no_list_of_tokens_is_left_alone(file: Path) -> None:
    for text in ("tokens: [", "- a\n", "tokens: {a: 1}\n"):
        file.write_text(text)
        assert "mend it first" in run(file, "add", "crm", "--scope", "read", code=1)
        assert file.read_text() == text
