"""What cannot be is refused where it is said, or waits where it is visible: never a crash, never a lead lost."""

from collections.abc import Callable
from typing import Any

import pytest

from handoff.handlers import assign_leads
from relevo.events import LeadAssigned, LeadDisqualified, LeadQualified, LeadWaiting
from relevo.playbook import PlaybookError, load

Mql = Callable[..., LeadQualified]
LAST_RULE = '{id: all, name: Everybody, when: "true", team: north, priority: 10}'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rep: ana, priority: 50", "rep: anna, priority: 50", "anna"),
        ("team: south}", "team: southh}", "southh"),
        ("name: Ana, email", "name: Ana, weight: 0, email", "0"),
        ("name: Ana, email", "name: Ana, weight: -1, email", "0"),
        (LAST_RULE, LAST_RULE.replace('"true"', "\"lead.country == 'ES'\""), "last rule"),
    ],
    ids=["unknown rep", "unknown team", "zero weight", "negative weight", "no rule for all"],
)
def test_a_playbook_that_cannot_be_is_refused_with_its_line(
    documents: dict[str, str], old: str, new: str, told: str
) -> None:
    assert old in documents["routing.yaml"]
    with pytest.raises(PlaybookError) as refused:
        load(documents | {"routing.yaml": documents["routing.yaml"].replace(old, new, 1)})
    problem = refused.value.problems[0]
    assert (problem.file, problem.line > 0) == ("routing.yaml", True)
    assert told in str(problem)


async def test_when_all_are_away_it_waits_and_says_so_of_each(kept: Any, mql: Mql) -> None:
    await kept.sql(
        "insert into away (rep, from_at, source, by) select rep, '2026-01-01', 'api', 'user:boss'"
        " from unnest(array['ana', 'bea', 'carl']) as rep"
    )
    (said,) = await kept.handle(assign_leads, mql())
    assert isinstance(said, LeadWaiting)
    assert [(each.rep, each.test) for each in said.failed] == [("ana", "away"), ("bea", "away"), ("carl", "away")]


async def test_overlapping_territories_are_shared_and_one_that_nobody_has_waits(kept: Any, mql: Mql) -> None:
    routing = kept.documents["routing.yaml"]
    for rep, has in (("ana", "[ES, FR]"), ("bea", "[fr, BE]"), ("carl", "[BE]")):
        routing = routing.replace(f"{{id: {rep}, ", f"{{id: {rep}, territories: {has}, ", 1)
    all_by_territory = LAST_RULE.replace("priority: 10", "needs: {territory: lead.country}, priority: 10")
    await kept.publish(routing=routing.replace(LAST_RULE, all_by_territory))
    said = await kept.handle(assign_leads, *(mql(country="FR") for _ in range(6)), mql(country="JP"))
    assert sorted(each.rep.id for each in said[:6]) == ["ana"] * 3 + ["bea"] * 3
    assert isinstance(said[6], LeadWaiting)
    assert {each.test for each in said[6].failed} == {"territory"}


async def test_a_rule_that_matches_nothing_is_passed_over(kept: Any, mql: Mql) -> None:
    nothing = '  - {id: never, name: Never, when: "company.employees < 0", team: south}\n'
    await kept.publish(routing=kept.documents["routing.yaml"].replace("rules:\n", f"rules:\n{nothing}"))
    (said,) = await kept.handle(assign_leads, mql())
    assert isinstance(said, LeadAssigned)
    assert said.rule == "all"
    assert not isinstance(said, LeadDisqualified)


@pytest.mark.parametrize(
    ("who", "version", "act", "status"),
    [("ana", 1, "accept", 200), ("bea", 1, "accept", 403), ("nobody", 1, "accept", 401), ("reader", 1, "accept", 403),
     ("ana", 2, "accept", 409), ("ana", 0, "accept", 409), ("ana", 1, "steal", 404)],
)  # fmt: skip
async def test_an_answer_counts_once_and_only_the_owners(
    api: Any, kept: Any, mql: Mql, who: str, version: int, act: str, status: int
) -> None:
    (of,) = await kept.handle(assign_leads, mql(employees=600))
    first, again = [await api.answer(of, act, who, version) for _ in range(2)]
    assert (first.status_code, again.status_code) == (status, status)
    accepted = [kind for kind, _ in await api.said() if kind == "lead.accepted.v1"]
    assert len(accepted) == (1 if status == 200 else 0)


@pytest.mark.parametrize("token", ["x" * 32, "é" * 32, "..%2f..", "0", "A" * 4000, "%00"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_forged_one_click_token_is_a_dead_link(api: Any, method: str, token: str) -> None:
    answer = await api.client.request(method, f"/a/{token}")
    assert answer.status_code in (404, 422)
    assert token not in answer.text or token == "0"
    assert await api.said() == []


@pytest.mark.parametrize("path", ["", "/", "/v1/assignments", "?x", "/a/b"])
@pytest.mark.parametrize("host", ["127.0.0.1:8003"])
async def test_an_endpoint_that_is_ourselves_is_refused(api: Any, host: str, path: str) -> None:
    refused = await api.post("/v1/endpoints", {"url": f"http://{host}{path}"})
    assert (refused.status_code, refused.json()["field"]) == (422, "url")
    assert "this service itself" in refused.json()["detail"]
