"""The chart, rendered by Helm as each service and held against Kubernetes' schemas and the code's settings."""

import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.contracts.generate import SERVICES

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm"
KUBERNETES = ("1.30", "1.34")  # the oldest that the chart says it is for, and a later one
NEEDS = {"handoff": ["--set", "env.RELEVO_PUBLIC_URL=https://handoff.us.example"]}
EVERYTHING = ["--set", "autoscaling.enabled=true,podMonitor.enabled=true,otlp=http://collector:4318"]


@pytest.fixture(scope="module")
def helm() -> str:
    tool = shutil.which("helm", path=f"{os.environ['PATH']}:{ROOT / '.tools'}")
    if tool is None:
        pytest.skip("helm is not here: `make tools` builds it with Go")
    return tool


def run(helm: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([helm, *arguments], capture_output=True, text=True, check=False)


def values(module: str) -> list[str]:
    name = module.replace("_", "-")
    return ["--values", str(CHART / f"values/{name}.yaml"), *NEEDS.get(name, [])]


def rendered(helm: str, module: str, *more: str) -> list[dict[str, Any]]:
    arguments = ["template", "here", str(CHART), "--kube-version", f"{KUBERNETES[0]}.0", *values(module), *more]
    done = run(helm, *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pods(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [document["spec"]["template"] for document in documents if "template" in document.get("spec", {})]


def of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


@pytest.fixture(scope="module", params=SERVICES)
def module(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def options(module: str) -> list[list[str]]:
    """What the chart is rendered with: as it is; with all that may be asked for; and, where that is allowed, split."""
    split = [] if module == "ingest" else [[*EVERYTHING, "--set", "split=true"]]
    return [[], EVERYTHING, *split]


def test_helm_finds_nothing_amiss(helm: str, module: str) -> None:
    done = run(helm, "lint", "--strict", str(CHART), *values(module), "--kube-version", f"{KUBERNETES[0]}.0")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_rendered_fits_kubernetes_schemas(helm: str, module: str) -> None:
    for more in options(module):
        documents = rendered(helm, module, *more)
        assert len(documents) >= 6
        for document in documents:
            if document["apiVersion"].startswith("monitoring.coreos.com/"):
                continue  # the Prometheus operator's, which Kubernetes knows nothing of
            for version in KUBERNETES:
                kubernetes_validate.validate(document, version, strict=True)


def test_every_container_may_do_as_little_as_it_can(helm: str, module: str) -> None:
    for more in options(module):
        for pod in pods(rendered(helm, module, *more)):
            spec = pod["spec"]
            assert spec["automountServiceAccountToken"] is False
            assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001)
            for container in spec["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
                assert not container["image"].endswith(":latest")
                assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_every_setting_is_one_that_the_service_reads_and_every_secret_is_a_reference(helm: str, module: str) -> None:
    settings = importlib.import_module(f"{module}.main").service.settings_class
    known = {f"RELEVO_{name}".upper() for name in settings.model_fields} | {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    secret = {"RELEVO_SECRET", "RELEVO_DATABASE", "RELEVO_ACT_FOR_TOKEN"}
    for pod in pods(rendered(helm, module, *EVERYTHING)):
        env = {entry["name"]: entry for entry in pod["spec"]["containers"][0]["env"]}
        assert set(env) <= known
        given = {name for name, entry in env.items() if "secretKeyRef" in entry.get("valueFrom", {})}
        assert given == set(env) & secret
        assert ("RELEVO_DATABASE" in env) == (module != "ingest")


def test_a_kafka_with_a_password_is_a_reference_too(helm: str, module: str) -> None:
    for pod in pods(rendered(helm, module, "--set", "secrets.kafka=relevo-kafka")):
        (entry,) = [each for each in pod["spec"]["containers"][0]["env"] if each["name"] == "RELEVO_KAFKA"]
        assert entry == {
            "name": "RELEVO_KAFKA",
            "valueFrom": {"secretKeyRef": {"name": "relevo-kafka", "key": "kafka"}},
        }


def test_the_pod_runs_what_the_service_is(helm: str, module: str) -> None:
    service = importlib.import_module(f"{module}.main").service
    documents = rendered(helm, module)
    (running,) = of_kind(documents, "StatefulSet" if module == "ingest" else "Deployment")
    (job,) = of_kind(documents, "Job")
    (door,) = of_kind(documents, "Service")
    spec = running["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (container["args"], container["ports"][0]["containerPort"]) == (["run"], service.port)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    probes = [container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == ["/livez", "/livez", "/readyz"]
    budget = service.settings_class.model_fields["shutdown_seconds"].default
    assert spec["terminationGracePeriodSeconds"] > budget + container["lifecycle"]["preStop"]["sleep"]["seconds"]
    labels = running["spec"]["template"]["metadata"]["labels"]
    assert door["spec"]["selector"].items() <= labels.items()
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        (document,) = of_kind(documents, kind)
        selector = document["spec"].get("selector") or document["spec"]["podSelector"]
        assert selector["matchLabels"].items() <= labels.items()


def test_ingest_keeps_its_spool_on_a_disk_of_its_own_with_room_for_it(helm: str) -> None:
    documents = rendered(helm, "ingest")
    (running,) = of_kind(documents, "StatefulSet")
    (claim,) = running["spec"]["volumeClaimTemplates"]
    (container,) = running["spec"]["template"]["spec"]["containers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert f"RELEVO_SPOOL={mounted[claim['metadata']['name']]}/spool" in image
    limit = next(int(entry["value"]) for entry in container["env"] if entry["name"] == "RELEVO_SPOOL_LIMIT")
    assert limit < int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024**3


def test_split_answers_with_one_half_and_works_with_the_other(helm: str) -> None:
    documents = rendered(helm, "scoring", "--set", "split=true,workers=5")
    halves = {each["metadata"]["name"]: each["spec"] for each in of_kind(documents, "Deployment")}
    args = {name: spec["template"]["spec"]["containers"][0]["args"] for name, spec in halves.items()}
    assert args == {"relevo-scoring": ["run", "--only", "api"], "relevo-scoring-worker": ["run", "--only", "worker"]}
    assert halves["relevo-scoring-worker"]["replicas"] == 5
    (door,) = of_kind(documents, "Service")
    assert door["spec"]["selector"]["app.kubernetes.io/component"] == "api"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "service"),
        ([*values("scoring"), "--set", "replica=3"], "replica"),
        ([*values("scoring"), "--set", "kafka=somewhere"], "kafka"),
        ([*values("scoring"), "--set", "kafka=SASL_SSL://us:password@here:9093?mechanism=PLAIN"], "kafka"),
        ([*values("ingest"), "--set", "split=true"], "ingest cannot be split"),
        (["--values", str(CHART / "values/handoff.yaml")], "set env.RELEVO_PUBLIC_URL"),
    ],
)
def test_a_mistake_is_named(helm: str, arguments: list[str], said: str) -> None:
    done = run(helm, "template", "here", str(CHART), "--kube-version", f"{KUBERNETES[0]}.0", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
