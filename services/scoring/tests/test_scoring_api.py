"""GET /v1/leads: the score with every reason, what is missing for an MQL, which leads a rep sees, pages by cursor."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from relevo.events import LeadAssigned, LeadIdentified, LeadQualified, PlaybookStamp, TouchpointRecorded
from relevo.events.assignments import Rep
from relevo.events.leads import Snapshot
from scoring.handlers import learn_outcomes, score_touchpoints

Touch = Callable[..., TouchpointRecorded]
ANA = "ana@acme.example"
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}


async def test_a_lead_with_every_reason_and_what_is_missing(kept: Any, make: Touch, client: Any) -> None:
    now = datetime.now(UTC)
    told = [
        make("page_viewed", who=ANA, at=now, path="/prices"),
        make("form_submitted", who=ANA, at=now - timedelta(days=30), fields={"cargo": "Head of operations"}),
    ]
    (identified, *_) = await kept.handle(score_touchpoints, *told)
    answer = await client("reader").get(f"/v1/leads/{identified.lead_id}")
    assert answer.status_code == 200
    lead = answer.json()
    assert lead["score"]["cell"] == "B2"
    assert lead["score"]["fit"] == 35
    assert lead["score"]["engagement"] == pytest.approx(16.5, abs=0.01)  # 4 + 10 + 20 / 2³
    operations, owner = lead["personas"]
    assert (operations["best"], operations["grade"], owner["best"]) == (True, "B", False)
    assert [(c["id"], c["points"], c["holds"]) for c in operations["criteria"]] == [
        ("role", 30, True),
        ("size", 20, False),
        ("mail", 5, True),
    ]
    assert {s["id"]: s["touchpoints"] for s in lead["signals"]} == {"form": 1, "page": 1, "prices": 1}
    assert now < datetime.fromisoformat(lead["level_until"]) < now + timedelta(days=6)
    assert lead["missing"]["blocked_by"] == []
    ways = {way["cell"]: (way["fit_points"], way["engagement_points"]) for way in lead["missing"]["cells"]}
    assert ways == {"A1": (15, pytest.approx(23.5, abs=0.01)), "A2": (15, 0)}
    assert lead["missing"]["hand_raises"] == ["Asks for a demo"]
    assert [touch["type"] for touch in lead["snapshot"]["touchpoints"]] == ["page_viewed", "form_submitted"]
    assert lead["snapshot"]["contact"]["email"] == ANA
    assert lead["playbook"]["revision"] == 1


async def test_what_blocks_an_mql_is_named(kept: Any, make: Touch, client: Any) -> None:
    (identified, *_) = await kept.handle(
        score_touchpoints,
        make("form_submitted", who=ANA, form="demo", fields=GOOD),
        make("email_unsubscribed", who=ANA),
    )
    (blocked, *_) = await kept.handle(score_touchpoints, make("email_unsubscribed", who="bea@acme.example"))
    lead = (await client("reader").get(f"/v1/leads/{identified.lead_id}")).json()
    assert lead["missing"] is None  # it was qualified before
    assert lead["qualified_at"] is not None
    lead = (await client("reader").get(f"/v1/leads/{blocked.lead_id}")).json()
    assert lead["missing"]["blocked_by"] == ["exclusion: Wants no mail"]


async def test_a_lead_that_the_background_has_not_come_to_is_shown_under_the_new_playbook(
    kept: Any, make: Touch, client: Any
) -> None:
    now = datetime.now(UTC)
    (identified, *_) = await kept.handle(score_touchpoints, make("email_clicked", who=ANA, at=now))
    await kept.publish(scoring=kept.documents["scoring.yaml"].replace("points: 8,", "points: 16,"))
    lead = (await client("reader").get(f"/v1/leads/{identified.lead_id}")).json()
    assert lead["score"]["engagement"] == pytest.approx(16, abs=0.01)
    assert lead["playbook"]["revision"] == 2


async def test_the_id_of_a_visitor_leads_to_the_person_it_became(kept: Any, make: Touch, client: Any) -> None:
    (ana, *_) = await kept.handle(score_touchpoints, make(who=ANA))
    (visitor, *_) = await kept.handle(score_touchpoints, make(who="a:1"))
    await kept.handle(score_touchpoints, make("identified", who=[ANA, "a:1"]))
    lead = (await client("reader").get(f"/v1/leads/{visitor.lead_id}")).json()
    assert lead["lead_id"] == str(ana.lead_id)


async def test_a_manager_merges_and_unmerges_over_http(kept: Any, make: Touch, client: Any) -> None:
    said = await kept.handle(score_touchpoints, make(who=ANA), make(who="bea@acme.example"))
    ana, bea = (str(event.lead_id) for event in said if isinstance(event, LeadIdentified))
    refused = await client("reader").post(f"/v1/leads/{ana}/merge", json={"lead_id": bea})
    assert refused.status_code == 403
    key = {"idempotency-key": "one"}
    merged = await client("luis").post(f"/v1/leads/{bea}/merge", json={"lead_id": ana}, headers=key)
    assert merged.status_code == 200, merged.text
    assert (merged.json()["survivor"], merged.json()["loser"], merged.json()["by"]) == (ana, bea, "user:luis")
    again = await client("luis").post(f"/v1/leads/{bea}/merge", json={"lead_id": ana}, headers=key)
    assert again.json() == merged.json()
    lead = (await client("reader").get(f"/v1/leads/{bea}")).json()
    assert lead["lead_id"] == ana
    history = (await client("reader").get(f"/v1/leads/{bea}/history")).json()
    assert (history["lead_id"], len(history["items"])) == (ana, 2)
    assert [merge["undone_at"] for merge in history["merges"]] == [None]
    undone = await client("luis").post(f"/v1/leads/{bea}/unmerge")
    assert undone.json()["undone_by"] == "user:luis"
    assert (await client("reader").get(f"/v1/leads/{bea}")).json()["lead_id"] == bea
    assert (await client("luis").post(f"/v1/leads/{bea}/unmerge")).status_code == 404
    unknown = await client("luis").post(f"/v1/leads/{bea}/merge", json={"lead_id": str(uuid4())})
    assert unknown.status_code == 404


async def test_the_history_says_what_each_touchpoint_feeds_and_which_rule_failed(
    kept: Any, make: Touch, client: Any
) -> None:
    broken = kept.documents["scoring.yaml"].replace("touch.form == 'demo'", "touch.fields['ask'] == 'demo'")
    await kept.publish(scoring=broken)
    now = datetime.now(UTC)
    told = [
        make("page_viewed", who=ANA, at=now - timedelta(days=5), path="/prices"),
        make("email_clicked", who=ANA, at=now - timedelta(days=2), machine=True, machine_because="a known agent"),
        make("form_submitted", who=ANA, at=now),
    ]
    said = await kept.handle(score_touchpoints, *told)
    url = f"/v1/leads/{said[0].lead_id}/history"
    first = (await client("reader").get(url, params={"limit": 2})).json()
    form, click = first["items"]
    (page,) = (await client("reader").get(url, params={"limit": 2, "cursor": first["next"]})).json()["items"]
    assert [(fed["id"], fed["points"]) for fed in form["signals"]] == [("form", pytest.approx(20, abs=0.01))]
    assert form["hand_raise"] is None
    (failed,) = form["failed"]
    assert failed.startswith("scoring.yaml:12: rule failed")
    assert (click["because"], click["signals"]) == ("a known agent", [])
    assert {fed["id"]: fed["points"] for fed in page["signals"]} == {
        "page": pytest.approx(2, abs=0.01),
        "prices": pytest.approx(5, abs=0.01),
    }


async def test_pages_by_cursor(kept: Any, make: Touch, client: Any) -> None:
    said = await kept.handle(score_touchpoints, *(make(who=f"p{n}@acme.example") for n in range(5)))
    expected = sorted(str(event.lead_id) for event in said if isinstance(event, LeadIdentified))
    seen, cursor = [], None
    for _ in range(3):
        page = (
            await client("reader").get("/v1/leads", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [item["lead_id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == expected
    assert cursor is None


async def test_a_rep_sees_own_leads_only(kept: Any, make: Touch, client: Any) -> None:
    said = await kept.handle(
        score_touchpoints, make("form_submitted", who=ANA, form="demo"), make(who="b@acme.example")
    )
    (mql,) = [event for event in said if isinstance(event, LeadQualified)]
    given = LeadAssigned(
        at=mql.at,
        by="system",
        lead_id=mql.lead_id,
        cycle=1,
        playbook=PlaybookStamp(revision=1, version="0" * 16),
        assignment_id=uuid4(),
        version=1,
        team="team",
        rep=Rep(id="ana", name="Ana", calendar="office", zone="Europe/Madrid"),
        rule="all",
        decision_id=uuid4(),
        priority=0,
        mql_at=mql.at,
        because="qualified",
        score=mql.score,
        trigger=mql.trigger.id,
        snapshot=Snapshot(),
    )
    await kept.handle(learn_outcomes, given)
    assert (await client("ana").get(f"/v1/leads/{mql.lead_id}")).status_code == 200
    assert [item["lead_id"] for item in (await client("ana").get("/v1/leads")).json()["items"]] == [str(mql.lead_id)]
    assert (await client("bea").get(f"/v1/leads/{mql.lead_id}")).status_code == 404
    assert (await client("bea").get("/v1/leads")).json()["items"] == []
    assert len((await client("reader").get("/v1/leads")).json()["items"]) == 2


async def test_refusals(kept: Any, client: Any) -> None:
    assert (await client("reader").get(f"/v1/leads/{uuid4()}")).status_code == 404
    assert (await client("reader").get("/v1/leads/nobody")).status_code == 422
    assert (await client("reader").get("/v1/leads", params={"limit": 0})).status_code == 422
    assert (await client("writer").get("/v1/leads")).status_code == 403
    bare = client("reader")
    del bare.headers["authorization"]
    answer = await bare.get("/v1/leads")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
