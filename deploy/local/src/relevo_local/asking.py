"""What a local system asks its services over HTTP: are you ready, and take this playbook."""

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path

from relevo.outbound import NoAnswer, own
from relevo_local.checkout import deploy
from relevo_local.processes import Processes
from relevo_local.services import Setting
from relevo_local.trouble import Trouble


async def ready(setting: Setting, name: str, processes: Processes, within: float) -> None:
    """Return when a service says that it can do its job; raise if a process ends, or time does."""
    url = setting.url(name)
    deadline = time.monotonic() + within
    last = "no answer"
    async with aclosing(own(url)) as client:
        while True:
            processes.check()
            try:
                answer = await client.send("GET", f"{url}/readyz")
            except NoAnswer:
                pass
            else:
                if answer.status == 200:
                    return
                last = ", ".join(json.loads(answer.body).get("waiting_for", [])) or f"status {answer.status}"
            if time.monotonic() > deadline:
                raise Trouble(f"{name} was not ready within {within:.0f} s; it waits for: {last}")
            await asyncio.sleep(0.05)


async def publish(setting: Setting) -> str | None:
    """Give the installation `deploy/playbook` if it has none, both teams approving; say so in words for people.

    If it has one, send it again, under the same event id: the embedded broker has forgotten it.
    """
    if await _post(setting, "/v1/playbooks/active/resend", b"", {200, 404}) == 200:
        return None
    folder = deploy("playbook")
    documents = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.yaml"))}
    proposal = json.dumps({"documents": documents, "approvals": ["marketing", "sales"]}).encode()
    await _post(setting, "/v1/playbooks", proposal, {200, 201})
    return f"published the example playbook for both teams ({_short(folder)})"


async def _post(setting: Setting, path: str, body: bytes, expected: set[int]) -> int:
    base = setting.url("console")
    headers = {"authorization": f"Bearer {setting.keys.api}", "content-type": "application/json"}
    async with aclosing(own(base)) as client:
        answer = await client.send("POST", base + path, headers=headers, content=body)
    if answer.status not in expected:
        raise Trouble(f"the console answered {answer.status} to POST {path}: {answer.body.decode()[:2000]}")
    return answer.status


def _short(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
