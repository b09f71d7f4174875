"""`relevo sources`: keys that work in ingest's own reading of the file, rotated with an overlap, never written down."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from ingest.registry import load
from ingest.sources import KINDS
from ingest.watch import Watched
from relevo.cli.sources import sources
from relevo.kinds import Kind


def run(file: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(sources, [*arguments, "--file", str(file)])
    assert result.exit_code == code, result.output
    return result.output


def key_of(file: Path, *arguments: str) -> str:
    return str(json.loads(run(file, *arguments, "--json"))["key"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sources.yaml"


def test_an_added_source_is_one_ingest_takes(file: Path) -> None:
    key = key_of(file, "add", "website", "--kind", "form", "--access", "public", "--origin", "https://www.example.com",
                 "--country", "ES")  # fmt: skip
    read = load(file.read_text())
    source = read.of_key(key, datetime.now(UTC))
    assert source is not None
    assert (source.name, source.kind, source.access, source.country) == ("website", "form", "public", "ES")
    assert source.origins == ("https://www.example.com",)
    assert key not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_rotated_key_works_beside_the_old_one_for_a_while(file: Path) -> None:
    old = key_of(file, "add", "crm")
    new = key_of(file, "rotate", "crm", "--overlap", "12h")
    read, now = load(file.read_text()), datetime.now(UTC)
    for key, moment, works in (
        (old, now, True), (new, now, True), (old, now + timedelta(hours=13), False),
        (new, now + timedelta(days=999), True),
    ):  # fmt: skip
        assert (read.of_key(key, moment) is not None) is works
    newest = key_of(file, "rotate", "crm", "--overlap", "0m")
    read = load(file.read_text())
    assert read.of_key(new, now + timedelta(minutes=1)) is None
    assert read.of_key(newest, now) is not None
    assert read.of_key(old, now) is not None  # its own time is not shortened by another rotation


def test_listed_and_removed(file: Path) -> None:
    run(file, "add", "crm")
    run(file, "add", "site", "--kind", "segment", "--access", "public")
    listed = json.loads(run(file, "list", "--json"))["sources"]
    assert [(entry["name"], entry["keys"]) for entry in listed] == [("crm", 1), ("site", 1)]
    assert "site" in run(file, "list")
    run(file, "remove", "crm")
    assert list(load(file.read_text()).by_name) == ["site"]
    assert "crm" in file.with_name("sources.yaml~").read_text()


def test_a_webhook_has_a_key_or_refers_to_what_its_tool_signs_with(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILGUN_KEY", "what mailgun signs with")
    key = key_of(file, "add", "postmark", "--kind", "postmark")
    run(file, "add", "mailgun", "--kind", "mailgun", "--secret-env", "MAILGUN_KEY")
    run(file, "add", "ses", "--kind", "amazon_ses", "--topic", "arn:aws:sns:eu-west-1:123456789012:ses")
    watched = Watched(file)
    assert watched.problems == []
    postmark, mailgun, ses = watched.now
    assert (ses.topics, ses.keys) == (("arn:aws:sns:eu-west-1:123456789012:ses",), ())
    assert postmark.holds(key, datetime.now(UTC))
    assert ([s.value for s in mailgun.secrets], mailgun.keys) == ([b"what mailgun signs with"], ())
    listed = json.loads(run(file, "list", "--json"))["sources"]
    assert [(entry["keys"], entry["secrets"]) for entry in listed] == [(1, 0), (0, 1), (0, 0)]
    assert "rotated in the tool" in run(file, "rotate", "mailgun", code=1)


def test_every_kind_that_the_command_offers_has_its_tool() -> None:
    assert set(get_args(Kind)) == set(KINDS)


def test_a_webhook_that_sends_ids_refers_to_its_token_and_has_a_key_to_ask_with(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_SECRET", "what meta signs with")
    (file.parent / "token").write_text("a page's token\n")
    signs = ("--secret-env", "APP_SECRET", "--token-file", "token")
    key = key_of(file, "add", "meta", "--kind", "meta_lead_ads", *signs)
    assert key_of(file, "add", "linkedin", "--kind", "linkedin_lead_gen", *signs) == "None"
    watched = Watched(file)
    meta, linkedin = watched.now
    assert meta.holds(key, datetime.now(UTC))
    assert meta.token is not None
    assert (meta.token.value, linkedin.keys) == (b"a page's token", ())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x", "--secret-env", "X"), "are for webhooks"),
        (("add", "x", "--kind", "mailgun"), "--secret-env"),
        (("add", "x", "--kind", "postmark", "--secret-env", "X"), "by its key"),
        (("add", "x", "--kind", "meta_lead_ads", "--secret-env", "X"), "--token-env"),
        (("add", "x", "--kind", "tally", "--token-env", "X"), "tokens are for"),
        (("add", "CRM"), "lower-case"),
        (("add", "crm"), "rotate"),
        (("add", "x", "--origin", "https://a.example"), "public sources"),
        (("rotate", "gone"), "it has crm"),
        (("rotate", "crm", "--overlap", "soon"), "30m, 12h or 7d"),
        (("remove", "gone"), "it has crm"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(file: Path, arguments: tuple[str, ...], said: str) -> None:
    run(file, "add", "crm")
    before = file.read_bytes()
    assert said in run(file, *arguments, code=1)
    assert file.read_bytes() == before


def test_a_file_that_is_no_yaml_is_left_alone(file: Path) -> None:
    for text in ("sources: [", "- a\n", "sources: {a: 1}\n"):
        file.write_text(text)
        assert "mend it first" in run(file, "add", "crm", code=1)
        assert file.read_text() == text


async def test_a_source_is_tested_against_the_ingest_that_runs(
    kafka: str, tmp_path: Path, open_ingest: Callable[..., Any]
) -> None:
    file = tmp_path / "sources.yaml"
    of_crm = key_of(file, "add", "crm")
    of_mail = key_of(file, "add", "mail", "--kind", "postmark")
    entries = yaml.safe_load(file.read_text())["sources"]
    async with open_ingest(kafka, tmp_path, entries) as at:

        async def said(*arguments: str, token: str = "an-api-token") -> tuple[int, str]:
            where = ("--url", at.url, "--token", token, "--file", str(file))
            result = await asyncio.to_thread(CliRunner().invoke, sources, ["test", *arguments, *where])
            return result.exit_code, result.output

        async def says(words: str, *arguments: str) -> bool:
            """Within ten seconds: ingest looks at the file once a second."""
            for _ in range(100):
                code, output = await said(*arguments)
                if code == 1 and words in output:
                    return True
                await asyncio.sleep(0.1)
            return False

        assert await said("crm", "--key", of_crm) == (0, "✓ crm is in force: api, secret\n✓ the key opens crm\n")
        assert f"✓ its tool sends to {at.url}/v1/webhooks/mail\n" in (await said("mail"))[1]
        for arguments, words in (
            (("crm", "--key", of_mail), "✗ the key is not crm's but mail's"),
            (("crm", "--key", "of nobody"), "✗ no source has this key"),
            (("gone",), "✗ gone is not in force (add it first); in force are crm, mail"),
        ):
            code, output = await said(*arguments)
            assert (code, words in output) == (1, True), output
        assert "scope `read`" in (await said("crm", token="wrong"))[1]
        key_of(file, "rotate", "crm", "--overlap", "0m")
        assert await says("✗ the key was replaced", "crm", "--key", of_crm)
        run(file, "add", "mandrill", "--kind", "mandrill", "--secret-env", "RELEVO_NOT_SET")
        assert await says("✗ ingest does not take a newer sources.yaml: mandrill", "crm")
        assert await says("✗ mandrill is not in force (it is in the file", "mandrill")
