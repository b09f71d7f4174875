"""Shows how sources.yaml is read and refused, and how the file is followed while ingest runs."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.draft import Request, Unauthentic
from ingest.keys import presented, verify, verify_webhook
from ingest.registry import Secret, SourcesError, load
from ingest.watch import Watched

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def entry(name: str = "crm", key: str = "k", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "api",
        "access": "secret",
        "keys": [{"sha256": sha256(key.encode()).hexdigest()}],
    } | more


def text(*entries: dict[str, Any]) -> str:
    return yaml.safe_dump({"sources": list(entries)})


def hook(kind: str, **more: Any) -> dict[str, Any]:
    return {"name": "hook", "kind": kind, "keys": [{"sha256": sha256(b"hook").hexdigest()}]} | more


LEADS = {"secrets": {"env": "SET"}, "token": {"env": "SET"}}


def reveal(secret: Secret) -> str:
    if secret.env != "SET":
        raise ValueError(f"{secret.env} is not set")
    return "the secret"


def test_while_a_key_is_rotated_both_are_in_force() -> None:
    until = NOW + timedelta(days=1)
    keys = [{"sha256": sha256(b"old").hexdigest(), "until": until}, {"sha256": sha256(b"new").hexdigest()}]
    sources = load(text(entry(keys=keys)))
    for key, moment, in_force in (
        ("old", NOW, True), ("new", NOW, True), ("old", until, False), ("new", until, True), ("other", NOW, False),
    ):  # fmt: skip
        assert (sources.of_key(key, moment) is not None) is in_force


def test_a_single_name_is_a_list_of_one() -> None:
    (source,) = load(
        text(entry(access="public", origins="https://a.example", honeypot="web", fields={"email": "correo"}))
    )
    assert (source.origins, source.honeypot, source.fields) == (
        ("https://a.example",),
        ("web",),
        {"email": ("correo",)},
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("sources: [", "line 1: no YAML"),
        (text(entry(colour="blue")), "crm: colour"),
        (text(entry(kind="fax")), "crm: kind"),
        (text(entry(keys=[])), "crm: Value error, keys: give it one at least"),
        (text(entry(keys=[{"sha256": "plain-key"}])), "crm: keys.0.sha256"),
        (text({"kind": "api"}), "source 1: name"),
        (text(entry("CRM")), "CRM: name"),
        (text(entry(), entry(key="other")), "crm: the name stands twice"),
        (text(entry(), entry("site")), "site: a key of crm stands here again"),
        (text(entry(access="public", origins=["example.com"])), "crm: Value error, origins: write scheme and host"),
        (text(entry(access="public", origins=["https://a.example/x"])), "crm: Value error, origins: write scheme"),
        (text(entry(origins=["https://a.example"])), "crm: Value error, origins are for public sources"),
        (text(entry(fields={"e-mail": "x"})), "crm: Value error, fields: e-mail is no meaning"),
        (text(entry(thanks="javascript:alert(1)")), "crm: Value error, thanks"),
        (text(entry(rate={"per_second": 0, "burst": 1})), "crm: rate.per_second"),
        (text(entry(secrets={"env": "SET"})), "crm: Value error, secrets, topics, token and url are for webhooks"),
        (text(entry(token={"env": "SET"})), "crm: Value error, secrets, topics, token and url are for webhooks"),
        (text(entry(url="https://a.example")), "crm: Value error, secrets, topics, token and url are for webhooks"),
        (text(hook("postmark", keys=[])), "hook: Value error, nothing proves who sends"),
        (text(hook("postmark", access="public")), "hook: Value error, access: a webhook is secret"),
        (text(hook("postmark", secrets={"env": "SET"})), "hook: Value error, secrets: postmark has none to sign with"),
        (text(hook("postmark", topics="arn:x")), "hook: Value error, topics are for amazon_ses"),
        (text(hook("postmark", url="ingest.example")), "hook: Value error, url: write the whole address"),
        (text(hook("postmark", url="https:///x")), "hook: Value error, url: write the whole address"),
        (text(hook("postmark", url="https://me:plain-key@a.example/")), "hook: Value error, url: leave user"),
        (text(hook("postmark", url="https://a.example/?key=plain-key")), "hook: Value error, url: leave user"),
        (text(hook("amazon_ses", keys=[])), "hook: Value error, nothing proves who sends: give it keys or topics"),
        (text(hook("amazon_ses", secrets={"env": "SET"})), "has none to sign with; give it keys or topics"),
        (text(hook("hubspot", secrets={"env": "SET"})), "hook: Value error, url: hubspot signs the address it calls"),
        (text(hook("mailgun")), "hook: Value error, secrets: say where the secret stands that mailgun signs"),
        (text(hook("mailgun", secrets={"env": "UNSET"})), "hook: secrets.0: Value error, UNSET is not set"),
        (text(hook("mailgun", secrets={"env": "SET", "file": "x"})), "hook: secrets.0: Value error, say where"),
        (text(hook("mailgun", secrets={"value": "plain-key"})), "hook: secrets.0.value"),
        (text(hook("postmark", token={"env": "SET"})), "hook: Value error, token: postmark sends all there is"),
        (text(hook("meta_lead_ads", secrets={"env": "SET"})), "hook: Value error, token: say where the token stands"),
        (text(hook("meta_lead_ads", **LEADS, keys=[])), "hook: Value error, keys: meta_lead_ads asks with one"),
        ("- a\n- b\n", "no list"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_without_the_value(document: str, said: str) -> None:
    with pytest.raises(SourcesError) as refusal:
        load(document, reveal)
    assert said.replace("no list", "") in str(refusal.value)
    assert "plain-key" not in str(refusal.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SourcesError) as refusal:
        load(text(entry(kind="fax"), entry("b", "b", access="open")))
    assert len(refusal.value.problems) == 2


def test_the_file_is_followed_and_the_last_good_version_kept(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    watched = Watched(path)
    assert (watched.loaded, list(watched.now)) == (False, [])
    path.write_text(text(entry()))
    watched.look()
    assert (watched.loaded, list(watched.now.by_name), watched.problems) == (True, ["crm"], [])
    path.write_text(text(entry(), entry("site", "s")))
    watched.look()
    assert list(watched.now.by_name) == ["crm", "site"]
    path.write_text("sources: [")
    watched.look()
    assert list(watched.now.by_name) == ["crm", "site"]
    assert len(watched.problems) == 1
    path.unlink()
    watched.look()
    assert list(watched.now.by_name) == ["crm", "site"]
    path.write_bytes(b"\xff\xfe")
    watched.look()
    assert list(watched.now.by_name) == ["crm", "site"]
    path.write_text(text(entry()))
    watched.look()
    assert (list(watched.now.by_name), watched.problems) == (["crm"], [])


def test_a_webhook_s_address_follows_from_the_service_s_unless_it_is_given() -> None:
    signed = {"secrets": [{"env": "SET"}, {"env": "SET"}]}
    (own,) = load(text(hook("mailgun", **signed)), reveal, "https://in.example.com/")
    (given,) = load(text(hook("mailgun", url="https://a.example/x", **signed)), reveal, "https://in.example.com")
    assert (own.url, given.url) == ("https://in.example.com/v1/webhooks/hook", "https://a.example/x")
    assert [secret.value for secret in own.secrets] == [b"the secret"] * 2
    assert "the secret" not in repr(own) + own.model_dump_json()


def test_a_webhook_s_key_opens_no_other_door() -> None:
    sources = load(text(hook("postmark")))
    assert sources.of_key("hook", NOW) is None
    (source,) = sources
    assert source.holds("hook", NOW)


def test_secrets_are_looked_up_where_they_stand_and_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, key = tmp_path / "sources.yaml", tmp_path / "mailgun.key"
    monkeypatch.setenv("SIGNING_KEY", "from the environment")
    path.write_text(text(hook("mailgun", secrets=[{"file": "mailgun.key"}, {"env": "SIGNING_KEY"}])))
    watched = Watched(path)
    assert watched.problems == ["hook: secrets.0: Value error, mailgun.key is not there, empty, or not ours to read"]
    key.write_text("one\n")
    watched.look()
    assert [secret.value for secret in watched.now.by_name["hook"].secrets] == [b"one", b"from the environment"]
    key.write_text("another")
    watched.look()
    assert watched.now.by_name["hook"].secrets[0].value == b"another"
    key.unlink()
    watched.look()
    assert len(watched.problems) == 1
    assert watched.now.by_name["hook"].secrets[0].value == b"another"


def test_a_secret_that_kubernetes_swaps_is_seen(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(text(entry(name)))
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "sources.yaml"
    link.symlink_to(tmp_path / "one")
    watched = Watched(link)
    assert list(watched.now.by_name) == ["one"]
    swapped = tmp_path / "new"
    swapped.symlink_to(tmp_path / "two")
    swapped.replace(link)
    watched.look()
    assert list(watched.now.by_name) == ["two"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond between two looks at the clock by which rates are counted, however busy the machine is."""
    ticks = count(1_000_000)
    monkeypatch.setattr("ingest.watch.monotonic", lambda: next(ticks) / 1_000)


@pytest.mark.usefixtures("quick")
def test_a_source_that_sends_too_fast_is_told_how_long_to_wait(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text(entry(rate={"per_second": 0.5, "burst": 3}), entry("free", "f")))
    watched = Watched(path)
    crm, free = watched.now.by_name["crm"], watched.now.by_name["free"]
    assert watched.wait_for(crm, 2) is None
    assert watched.wait_for(crm, 1) is None
    assert watched.wait_for(crm, 1) == 2
    assert watched.wait_for(crm, 3) == 6
    assert all(watched.wait_for(free, 1000) is None for _ in range(100))


@pytest.mark.usefixtures("quick")
def test_a_batch_above_the_burst_passes_and_is_paid_for(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text(entry(rate={"per_second": 1, "burst": 3})))
    watched = Watched(path)
    crm = watched.now.by_name["crm"]
    assert watched.wait_for(crm, 10) is None
    assert watched.wait_for(crm, 1) == 8


def request(authorization: str | None = None, query: str = "") -> Request:
    headers = {b"authorization": authorization.encode()} if authorization is not None else {}
    return Request("POST", "/v1/touchpoints", b"", query.encode(), headers)


@pytest.mark.parametrize(
    ("authorization", "query", "key"),
    [
        ("Bearer k", "", "k"),
        ("bearer  k ", "", "k"),
        ("Basic azo=", "", "k"),  # k:
        ("Basic aw==", "", "k"),  # k, without the colon
        ("Basic azpwdw==", "", "k"),  # k:pw
        ("Basic !!", "", None),
        ("Basic /w==", "", None),
        ("Digest k", "", None),
        ("Bearer ", "key=k", None),
        (None, "key=k", "k"),
        (None, "a=1&key=k%2Bk", "k+k"),
        (None, "monkey=k", None),
        (None, "writeKey=k", "k"),
        (None, "a=1&" * 50 + "key=k", None),
        (None, "", None),
    ],
)
def test_ways_to_present_a_key(authorization: str | None, query: str, key: str | None) -> None:
    assert presented(request(authorization, query)) == key


def test_a_secret_key_in_an_address_is_refused() -> None:
    (secret,) = load(text(entry()))
    (public,) = load(text(entry(access="public")))
    verify(request("Bearer k"), secret, NOW)
    verify(request(query="key=k"), public, NOW)
    for carried in (request(query="key=k"), request("Bearer x"), request()):
        with pytest.raises(Unauthentic):
            verify(carried, secret, NOW)


@pytest.mark.parametrize(
    ("authorization", "query", "holds"),
    [
        ("Basic YW55Ym9keTpob29r", "", True),  # anybody:hook
        ("Basic aG9vazo=", "", True),  # hook:
        ("Bearer hook", "", True),
        (None, "key=hook", True),
        ("Basic aG9vazp3cm9uZw==", "", False),  # hook:wrong
        ("Basic YW55Ym9keTp3cm9uZw==", "key=hook", False),
        ("Basic !!", "", False),
        ("Bearer wrong", "", False),
        (None, "key=wrong", False),
        (None, "", False),
    ],
)
def test_ways_a_webhook_presents_its_key(authorization: str | None, query: str, holds: bool) -> None:
    (source,) = load(text(hook("postmark")))
    if holds:
        verify_webhook(request(authorization, query), source, NOW)
    else:
        with pytest.raises(Unauthentic):
            verify_webhook(request(authorization, query), source, NOW)
