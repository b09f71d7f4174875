"""Shows how a playbook becomes the agreement: refused by line, approved by both teams, published once, reverted."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from console import publication
from relevo.events import PlaybookPublished
from relevo.playbook import load

EXAMPLE = Path(__file__).parents[3] / "deploy" / "playbook"
BOTH = ["marketing", "sales"]


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(EXAMPLE.glob("*.yaml"))}


def changed(documents: dict[str, str], name: str) -> dict[str, str]:
    """Another playbook: the same with another company name."""
    lines = documents["company.yaml"].splitlines()
    lines = [f"name: {name}" if line.startswith("name:") else line for line in lines]
    return {**documents, "company.yaml": "\n".join(lines)}


async def outbox(console) -> Sequence[PlaybookPublished]:
    async with console.service.transaction() as tx:
        rows = (await tx.execute(text("select event_id, key, type, value from outbox order by id"))).all()
    assert {(row.key, row.type) for row in rows} <= {("playbook", "playbook.published.v1")}
    return [PlaybookPublished.model_validate_json(row.value).model_copy(update={"id": row.event_id}) for row in rows]


async def test_a_playbook_with_both_approvals_is_published_at_once(console, documents):
    async with console.client("admin") as client:
        answer = await client.post("/v1/playbooks", json={"documents": documents, "approvals": BOTH})
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert (told["state"], told["revision"], told["version"]) == ("published", 1, load(documents).version)
        assert [(a["side"], a["by"]) for a in told["approvals"]] == [
            ("marketing", "user:admin"),
            ("sales", "user:admin"),
        ]
        active = (await client.get("/v1/playbooks/active")).json()
        assert active["documents"] == documents
        assert (await client.get("/v1/playbooks/1")).json() == active
    (event,) = await outbox(console)
    assert (event.revision, event.version, event.documents) == (1, told["version"], documents)
    assert [approval.side for approval in event.approvals] == BOTH


async def test_each_team_approves_for_itself_and_the_second_publishes(console, documents):
    async with console.client("marketing") as marketing, console.client("sales") as sales:
        draft = await marketing.post("/v1/playbooks", json={"documents": documents, "approvals": ["marketing"]})
        assert (draft.status_code, draft.json()["missing"]) == (202, ["sales"])
        version = draft.json()["version"]
        assert (await marketing.get("/v1/playbooks/active")).status_code == 404
        again = await marketing.post(f"/v1/playbooks/{version}/approve", json={"approvals": ["marketing"]})
        assert (again.status_code, again.json()["missing"]) == (202, ["sales"])
        refused = await marketing.post(f"/v1/playbooks/{version}/approve", json={"approvals": ["sales"]})
        assert (refused.status_code, refused.json()["title"]) == (403, "May not approve")
        assert [one["version"] for one in (await sales.get("/v1/playbooks")).json()["drafts"]] == [version]
        done = await sales.post(f"/v1/playbooks/{version}/approve", json={"approvals": ["sales"]})
        assert (done.status_code, done.json()["revision"]) == (201, 1)
        assert [(a["side"], a["by"]) for a in done.json()["approvals"]] == [
            ("marketing", "user:marketing"),
            ("sales", "user:sales"),
        ]
        listed = (await sales.get("/v1/playbooks")).json()
        assert (len(listed["items"]), listed["drafts"]) == (1, [])
        late = await sales.post(f"/v1/playbooks/{version}/approve", json={"approvals": ["sales"]})
        assert (late.status_code, late.json()["revision"]) == (200, 1)
    assert len(await outbox(console)) == 1


async def test_the_same_again_changes_nothing_and_a_revert_is_a_new_revision(console, documents):
    other = changed(documents, "Otra Empresa")
    async with console.client("admin") as client:
        for proposal, status, revision in (
            (documents, 201, 1),
            (documents, 200, 1),
            (other, 201, 2),
            (documents, 201, 3),
        ):
            answer = await client.post("/v1/playbooks", json={"documents": proposal, "approvals": BOTH})
            assert (answer.status_code, answer.json()["revision"]) == (status, revision)
        first = (await client.get("/v1/playbooks?limit=2")).json()
        assert [one["revision"] for one in first["items"]] == [3, 2]
        rest = (await client.get(f"/v1/playbooks?before={first['next']}")).json()
        assert ([one["revision"] for one in rest["items"]], rest["next"]) == ([1], None)
    events = await outbox(console)
    assert [event.revision for event in events] == [1, 2, 3]
    assert events[0].version == events[2].version != events[1].version


async def test_the_active_revision_is_sent_again_under_the_same_id(console, documents):
    async with console.client("admin") as client:
        assert (await client.post("/v1/playbooks/active/resend")).status_code == 404
        await client.post("/v1/playbooks", json={"documents": documents, "approvals": BOTH})
        sent = await client.post("/v1/playbooks/active/resend")
        assert (sent.status_code, sent.json()["revision"]) == (200, 1)
    first, second = await outbox(console)
    assert first == second


async def test_a_bad_playbook_is_refused_with_file_line_and_hint(console, documents):
    broken = {**documents, "goals.yaml": "goals:\n  - id: q\n    nmae: Ventas\n"}
    async with console.client("admin") as client:
        answer = await client.post("/v1/playbooks", json={"documents": broken, "approvals": BOTH})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert {one["file"] for one in answer.json()["problems"]} == {"goals.yaml"}
        misspelt = next(one for one in answer.json()["problems"] if "nmae" in one["message"])
        assert misspelt["line"] == 3
        assert "name" in misspelt["hint"]
        assert (await client.get("/v1/playbooks/active")).status_code == 404
    assert await outbox(console) == []


async def test_publishers_at_the_same_time_never_share_a_revision(console, documents):
    proposals = [changed(documents, f"Empresa {n}") for n in range(6)]
    async with console.client("admin") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/playbooks", json={"documents": one, "approvals": BOTH}) for one in proposals)
        )
    assert [answer.status_code for answer in answers] == [201] * 6, [answer.text for answer in answers]
    assert sorted(answer.json()["revision"] for answer in answers) == [1, 2, 3, 4, 5, 6]
    assert [event.revision for event in await outbox(console)] == [1, 2, 3, 4, 5, 6]


async def test_who_may_not_publish_is_told_why(console, opened, documents):
    body = {"documents": documents, "approvals": BOTH}
    async with console.client() as nobody, console.client("reader") as reader, console.client("plain") as plain:
        assert (await nobody.post("/v1/playbooks", json=body)).status_code == 401
        assert (await reader.post("/v1/playbooks", json=body)).status_code == 403
        assert (await plain.post("/v1/playbooks", json=body)).status_code == 403
        assert (await plain.post("/v1/playbooks", json={"documents": documents})).status_code == 202
        assert (await plain.post("/v1/playbooks", json={**body, "force": True})).status_code == 422
        assert (await plain.post("/v1/playbooks", json={"documents": {"a.yaml": "\0"}})).status_code == 422
    assert await outbox(console) == []


async def test_in_local_mode_a_token_without_a_role_is_the_admin(opened, documents):
    local = await opened(local=True)
    async with local.client("plain") as plain:
        answer = await plain.post("/v1/playbooks", json={"documents": documents, "approvals": BOTH})
    assert answer.status_code == 201


def test_the_roles_that_sign():
    assert {role: sorted(publication.signs_for(role)) for role in ("admin", "manager", "marketing", "rep", "")} == {
        "admin": ["marketing", "sales"],
        "manager": ["sales"],
        "marketing": ["marketing"],
        "rep": [],
        "": [],
    }
