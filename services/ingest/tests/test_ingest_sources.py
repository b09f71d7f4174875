"""Shows how sources.yaml is read and refused, and how the file is followed while ingest runs."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.draft import Request, Unauthentic
from ingest.keys import presented, verify
from ingest.registry import SourcesError, load
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
        (text(entry(keys=[])), "crm: keys"),
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
        ("- a\n- b\n", "no list"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_without_the_value(document: str, said: str) -> None:
    with pytest.raises(SourcesError) as refusal:
        load(document)
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
