"""A real Apache Kafka (`--broker apache`): keeps its topics over a restart, and no JVM outlives a killed parent."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from relevo.events.topics import TOPICS
from relevo.stream.kafka import create_topics
from relevo_local import apache, broker

Start = Callable[..., "subprocess.Popen[str]"]

FOREGROUND = """
import os, sys
from pathlib import Path
os.chdir(sys.argv[1])
sys.argv[1:] = []
import runpy
runpy.run_module("relevo_local.apache", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def only_where_asked_for(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--broker") != "apache":
        pytest.skip("for --broker apache")


async def test_topics_are_still_there_after_a_restart(tmp_path: Path) -> None:
    async with apache.running(tmp_path) as address:
        assert len(await create_topics(address, TOPICS, "local")) == len(TOPICS)
    async with apache.running(tmp_path) as address:
        assert await create_topics(address, TOPICS, "local") == []


async def test_nothing_outlives_a_killed_parent(start: Start, tmp_path: Path) -> None:
    process = start(FOREGROUND, tmp_path, root=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[3].rstrip(";")
    assert await broker.is_ready(address)
    family = psutil.Process(process.pid).children(recursive=True)
    assert [child.name() for child in family] == ["java"]
    process.kill()
    assert not psutil.wait_procs(family, timeout=60)[1]
