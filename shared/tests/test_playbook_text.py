"""YAML as people and attackers write it: read with lines, within bounds, or refused with a line; never a crash."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.playbook import FILES, PlaybookError, Problem, load
from relevo.playbook.text import MAX_CHARACTERS, Written, read


def refused(text: str) -> Problem:
    with pytest.raises(PlaybookError) as error:
        read("x.yaml", text)
    (problem,) = error.value.problems
    assert problem.file == "x.yaml"
    return problem


def test_data_and_lines() -> None:
    document = read("x.yaml", "a: 1\nb:\n  - c: [x, y]\n    d: |\n      one\n      two\n  - e\n")
    assert document.data == {"a": 1, "b": [{"c": ["x", "y"], "d": "one\ntwo\n"}, "e"]}
    assert [document.line(path) for path in [("a",), ("b",), ("b", 0, "c", 1), ("b", 0, "d"), ("b", 1)]] == [
        1,
        2,
        3,
        4,
        7,
    ]
    assert document.line(("b", 1, "not", "there")) == 7
    block = document.data["b"][0]["d"]
    assert isinstance(block, Written)
    assert (block.line, block.block) == (5, True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"), ("NO", "NO"), ("on", "on"), ("true", True), ("False", False), ("null", None), ("", None),
        ("09:00", "09:00"), ("2026-12-24", "2026-12-24"), ("1_000", "1_000"), ("0x10", "0x10"), ("010", 10),
        ("-3", -3), ("2.5", 2.5), ("1e3", 1000.0), (".nan", ".nan"), ("'3'", "3"), ('"true"', "true"),
        ("9" * 40, "9" * 40), ("14d", "14d"), ("50%", "50%"),
    ],
)  # fmt: skip
def test_scalars_are_what_they_look_like_today(written: str, meant: object) -> None:
    """YAML 1.1 would read `NO` as false, `09:00` as 540 and `on:` as the key true."""
    value = read("x.yaml", f"on: {written}").data["on"]
    assert value == meant
    assert isinstance(value, str) == isinstance(meant, str)


def test_anchors_are_expanded_and_lines_stay_near() -> None:
    document = read("x.yaml", "one: &hours [a, b]\ntwo: *hours\n")
    assert document.data == {"one": ["a", "b"], "two": ["a", "b"]}
    assert document.line(("two", 1)) == 2


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("a: 1\na: 2\n", 2, "'a' is written twice", "the first is on line 1"),
        ("a: {b: 1, 'b': 2}\n", 1, "'b' is written twice", "keep one"),
        ("a:\n\tb: 1\n", 2, "this is not YAML", "not with tabs"),
        ("a: [1, 2\nb: 3\n", 2, "this is not YAML", "check indentation"),
        ("a: 'x\n", 2, "this is not YAML", "check indentation"),
        ("a: *nobody\n", 1, "*nobody stands for nothing", "define it above"),
        ("a: &a [*a]\n", 1, "*a stands for nothing", "define it above"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tags (!…) are not used here", "remove the tag"),
        ("a: !secret x\n", 1, "tags (!…) are not used here", "remove the tag"),
        ("? [a, b]\n: c\n", 1, "a key must be plain text", "check the braces"),
        ("a: 1\n---\nb: 2\n", 2, "a second document starts here", "remove the line with ---"),
        ("a: 1\nb: \x00\n", 2, "there is a control character", "UTF-8"),
        ("a: 1\n\nb: \ud800\n", 3, "there is a control character", "UTF-8"),
        ("a: \x1b[31m\n", 1, "there is a control character", "UTF-8"),
        ("[" * 30 + "]" * 30, 1, "this is nested too deeply", "at most 24 levels"),
        ("a: " + "[" * 100_000, 1, "this is nested too deeply", "at most 24 levels"),
        ("- {" * 20_000, 1, "", ""),
        (LAUGHS, 5, "there is too much in this file", "at most 20000 values"),
        ("- x\n" * 20_001, 20_000, "there is too much in this file", "at most 20000 values"),
        ("x" * (MAX_CHARACTERS + 1), 0, "the file is too long", "at most 256 KiB"),
    ],
)
def test_refused_with_its_line(text: str, line: int, message: str, hint: str) -> None:
    started = time.perf_counter()
    problem = refused(text)
    assert problem.line == line
    assert problem.message.startswith(message)
    assert hint in problem.hint
    assert time.perf_counter() - started < 20, "bounded work, even on a slow machine"


SAID = {
    "": "the file is empty",
    "# nothing yet\n": "the file is empty",
    "- one\n- two\n": "the file must begin with its keys, not with a list",
    "just words\n": "the file must begin with its keys",
    "42\n": "the file must begin with its keys",
}


@pytest.mark.parametrize("text", SAID)
def test_a_file_without_keys_says_which_it_has(text: str) -> None:
    with pytest.raises(PlaybookError) as error:
        load(dict.fromkeys(FILES, text))
    problems = {problem.file: problem for problem in error.value.problems}
    assert set(problems) == set(FILES)
    for problem in problems.values():
        assert problem.message.startswith(SAID[text])
    assert problems["scoring.yaml"].hint == (
        "it has the keys signals, companies, levels, qualification, exclusions, learnt_weight"
    )


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PlaybookError):
        read("x.yaml", text)
