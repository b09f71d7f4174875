"""Alert rules, dashboard and the profile `observe`, checked against the metrics that the code registers."""

import importlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY
from tests.contracts.generate import SERVICES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy/observability"
OF_PROMETHEUS = {"job", "instance", "le"}  # labels that no metric declares


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def queries() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboards/relevo.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [rule["expr"] for rule in alerts()] + [query.replace("$__rate_interval", "1m") for query in shown]


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """Every sample Relevo's processes expose, with its labels."""
    for service in SERVICES:
        importlib.import_module(f"{service}.main")
    samples = {}
    for name, metric in REGISTRY._names_to_collectors.items():
        if name.startswith("relevo_") and not name.endswith("_created"):
            samples[name] = set(metric._labelnames)  # type: ignore[attr-defined]
    return samples


def parts(node: promql_parser.Expr) -> Iterator[promql_parser.Expr]:
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if isinstance(child := getattr(node, name, None), promql_parser.Expr):
            yield from parts(child)
    for child in getattr(node, "args", None) or ():
        yield from parts(child)


def test_every_metric_and_label_of_a_query_exists(labels: dict[str, set[str]]) -> None:
    for query in queries():
        found = list(parts(promql_parser.parse(query)))
        selectors = [part for part in found if isinstance(part, promql_parser.VectorSelector)]
        assert selectors, query
        of_query = set(OF_PROMETHEUS)
        for selector in selectors:
            assert selector.name is not None, query
            if selector.name != "up":
                assert selector.name in labels, f"{query}: no such metric as {selector.name}"
                of_query |= labels[selector.name]
            for matcher in selector.matchers.matchers:
                assert matcher.name in of_query, f"{query}: {selector.name} has no label {matcher.name}"
        for part in found:
            if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
                assert set(part.modifier.labels) <= of_query, query


def test_every_metric_is_watched(labels: dict[str, set[str]]) -> None:
    text = "\n".join(queries())
    watched = {name for name in labels if name in text}
    families = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("relevo_")}
    assert {family for family in families if not any(name.startswith(family) for name in watched)} == set()


def test_every_alert_says_how_bad_what_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        assert set(rule["annotations"]) == {"summary", "mend"}, rule


def test_every_alert_has_been_seen_to_fire() -> None:
    """By promtool; without it, that each is among what its test expects."""
    firing = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"][0]["promql_expr_test"][0]
    expected = {sample["labels"].split('"')[1] for sample in firing["exp_samples"]}
    assert expected == {rule["alert"] for rule in alerts()}
    tool = shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT / '.tools'}")
    if tool is None:
        pytest.skip("promtool is not here: `make tools` brings Debian's")
    for arguments in (["check", "config", "prometheus.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run([tool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_every_service_of_the_compose_file_at_its_port() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    services = {name: importlib.import_module(f"{name}.main").service for name in SERVICES}
    assert asked == {f"relevo-{s.name}": [f"{s.name}:{s.port}"] for s in services.values()}


def test_what_the_collector_s_pipelines_name_is_configured() -> None:
    collector = yaml.safe_load((FOLDER / "collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) == set(collector[kind])
    example = (ROOT / "deploy/docker/env.example").read_text()
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert f"http://collector:{port} " in example


def test_every_file_the_observers_mount_exists() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    observers = {name: service for name, service in services.items() if service.get("profiles") == ["observe"]}
    assert set(observers) == {"collector", "tempo", "prometheus", "grafana"}
    for service in observers.values():
        assert not service["image"].endswith(":latest")
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).exists(), volume
    sources = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    dashboard = json.loads((FOLDER / "dashboards/relevo.json").read_text())
    asked = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert asked <= {source["uid"] for source in sources}
