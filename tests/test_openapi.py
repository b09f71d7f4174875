"""Every API attacked by what its own OpenAPI document says: no 5xx, nothing undocumented, nothing broken accepted."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[1]
APIS = ("ingest", "scoring", "handoff", "sla-monitor", "console")


@pytest.mark.parametrize("service", APIS)
async def test_an_api_keeps_what_its_document_says(system: Mapping[str, str], service: str) -> None:
    key = system["RELEVO_SOURCE_KEY" if service == "ingest" else "RELEVO_API_TOKEN"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests" / "schemathesis.toml"),
        "run", str(ROOT / "contracts" / f"{service}.openapi.json"),
        "--url", system[f"RELEVO_{service.upper().replace('-', '_')}_URL"], "--header", f"Authorization: Bearer {key}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
