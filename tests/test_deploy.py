"""What an engine would run, checked without one: the compose file, the Dockerfile, the SQL beside it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.contracts.generate import SERVICES

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def test_compose_fits_the_compose_specification() -> None:
    command: list[Path | str] = [
        BIN / "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        ROOT / "docker-compose.yml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile_has_no_lint() -> None:
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "deploy/docker/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", SERVICES)
def test_every_service_migrates_before_it_runs_and_owns_its_database(module: str) -> None:
    name = module.replace("_", "-")
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    service, migrate = services[name], services[f"{name}-migrate"]
    assert service["depends_on"][f"{name}-migrate"] == {"condition": "service_completed_successfully"}
    assert (migrate["command"], migrate["restart"]) == (["migrate"], "no")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    if module != "ingest":
        dsn = service["environment"]["RELEVO_DATABASE"]
        assert re.fullmatch(rf"postgresql://{module}:\$\{{{module.upper()}_PASSWORD:\?}}@postgres:5432/{module}", dsn)
        sql = (ROOT / "deploy/docker/databases.sql").read_text()
        assert f"create database {module} owner {module};" in sql


def test_every_variable_compose_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    offered = set(re.findall(r"^(\w+)=", (ROOT / "deploy/docker/env.example").read_text(), re.M))
    assert asked == offered


@pytest.mark.parametrize("module", SERVICES)
def test_every_file_the_image_copies_exists(module: str) -> None:
    folder = ROOT / "services" / module.replace("_", "-")
    assert (folder / "requirements.lock").read_text().count("--hash=sha256:") > 100
    assert (folder / "src" / module / "__main__.py").exists()
