"""Several people of one company are a buying group: each of them is worth more, whoever completes it and when."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from relevo.events import Event, LeadIdentified, LeadQualified, LeadScored, TouchpointRecorded
from scoring.handlers import score_touchpoints
from scoring.rescore import judge_companies, judge_overdue

Touch = Callable[..., TouchpointRecorded]
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
ACME = {"domain": "acme.example"}
GROUP = "companies:\n  - {id: group, name: Buying group, people: 3, points: 15, half_life: 30d}\n"
DAY = timedelta(days=1)


def of(kind: type[Event], said: Sequence[Event]) -> list[Any]:
    return [event for event in said if isinstance(event, kind)]


async def agree(kept: Any) -> None:
    await kept.publish(scoring=GROUP + kept.documents["scoring.yaml"])


async def test_the_third_person_makes_a_group_of_all_three(kept: Any, make: Touch) -> None:
    await agree(kept)
    now = await kept.stop_the_clock()
    ana = make(who="ana@acme.example", at=now, fields=GOOD, company=ACME)
    said = await kept.handle(score_touchpoints, ana, make(who="bea@acme.example", at=now, company=ACME))
    assert {each.new.engagement for each in of(LeadScored, said)} == {4}
    await kept.said(judge_companies)
    (carl,) = of(LeadScored, await kept.handle(score_touchpoints, make(who="carl@acme.example", at=now, company=ACME)))
    assert (carl.new.cell, carl.new.engagement) == ("C2", pytest.approx(19, abs=0.5))
    assert {each.id for each in carl.reasons} == {"mail", "page", "group"}
    said = await kept.said(judge_companies)
    assert {each.new.cell for each in of(LeadScored, said)} == {"A2", "C2"}
    (mql,) = of(LeadQualified, said)
    assert (mql.snapshot.contact.email, mql.trigger.kind) == ("ana@acme.example", "cell")
    assert await kept.said(judge_companies) == []


async def test_people_of_all_domains_of_a_company_make_one_group(kept: Any, make: Touch) -> None:
    """Also those who were heard of before the agreement said that both are one company."""
    await agree(kept)
    now = await kept.stop_the_clock()
    people = [
        make(who=f"{name}@{domain}", at=now, company={"domain": domain})
        for name, domain in (("ana", "acme.example"), ("bea", "acme.es"), ("carl", "acme.es"))
    ]
    assert max(each.new.engagement for each in of(LeadScored, await kept.handle(score_touchpoints, *people))) == 4
    await kept.publish(company="aliases: {acme.example: [acme.es]}\n" + kept.documents["company.yaml"])
    dora = make("form_submitted", who="dora@acme.es", at=now, company={"domain": "acme.es"}, fields=GOOD, form="demo")
    said = await kept.handle(score_touchpoints, dora)
    assert [each.snapshot.company.domain for each in of(LeadQualified, said)] == ["acme.example"]
    grouped = [
        event.lead_id
        for event in of(LeadScored, said + await kept.said(judge_overdue) + await kept.said(judge_companies))
        if any(each.id == "group" for each in event.reasons)
    ]
    assert len(set(grouped)) == 3, "who is with sales already is not told of again"
    assert await kept.sql("select company, count(*) from lead group by company") == [("acme.example", 4)]


async def test_others_visitors_machines_and_the_same_person_twice_make_none(kept: Any, make: Touch) -> None:
    await agree(kept)
    now = await kept.stop_the_clock()
    told = [
        make(who="ana@acme.example", at=now, company=ACME),
        make(who="ana@acme.example", at=now - DAY, company=ACME),
        make(who="a:visitor", at=now, company=ACME),
        make("email_clicked", who="robot@acme.example", at=now, company=ACME, machine=True),
        make(who="bea@other.example", at=now, company={"domain": "other.example"}),
        make(who="bea@acme.example", at=now, company=ACME),
    ]
    said = await kept.handle(score_touchpoints, *told)
    assert max(each.new.engagement for each in of(LeadScored, said)) <= 8
    assert await kept.sql("select count(*) from company_due") == [(0,)]


async def test_a_batch_is_its_touchpoints_one_by_one(kept_twice: Any, make: Touch) -> None:
    one, other = kept_twice
    now = await one.stop_the_clock()
    await other.stop_the_clock(now)
    told = [make(who=f"p{n % 5}@acme.example", at=now - n * DAY, company=ACME, name=f"{n}") for n in range(20)]
    shown = []
    for kept, batches in ((one, [[touch] for touch in told]), (other, [told[:7], told[7:]])):
        await agree(kept)
        said = [event for batch in batches for event in await kept.handle(score_touchpoints, *batch)]
        names = {event.lead_id: number for number, event in enumerate(of(LeadIdentified, said))}
        shown.append([(names[each.lead_id], each.new, each.reasons) for each in of(LeadScored, said)])
    assert shown[0] == shown[1]
    assert any(each.id == "group" for _, _, reasons in shown[0] for each in reasons)


@pytest.mark.parametrize("size", [10, 300])
async def test_one_statement_more_for_the_colleagues(kept: Any, make: Touch, size: int) -> None:
    await agree(kept)
    now = await kept.stop_the_clock()
    people = [make(who=f"p{n}@c{n % 9}.example", at=now, company={"domain": f"c{n % 9}.example"}) for n in range(size)]
    await kept.handle(score_touchpoints, *people)
    assert len(kept.statements) == (6 if size > 27 else 5)  # places, claim, touchpoints, colleagues, leads, companies
    again = [touch.model_copy(update={"touchpoint_id": make().touchpoint_id}) for touch in people]
    await kept.handle(score_touchpoints, *again)
    assert len(kept.statements) == 5  # places, locks, touchpoints, colleagues, leads
