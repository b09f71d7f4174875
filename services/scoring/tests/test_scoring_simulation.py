"""A simulation with the active playbook reproduces the recorded MQLs exactly; a candidate is shown beside it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from relevo.cli import main
from relevo.events import (
    LeadAccepted,
    LeadQualified,
    LeadRecycled,
    LeadRejected,
    OpportunityWon,
    PlaybookStamp,
    TouchpointRecorded,
)
from relevo.service import Settings
from relevo.testing.services import running
from relevo_local.ports import Ports
from scoring import merges
from scoring.handlers import learn_outcomes, score_touchpoints
from scoring.main import service
from scoring.rescore import judge_companies, judge_overdue
from scoring.simulate import Job, Progress, simulate
from scoring.simulation import Simulation

Touch = Callable[..., TouchpointRecorded]
GOOD = {"cargo": "Head of operations", "empleados": "51-200"}
GROUP = "companies:\n  - {id: group, name: Buying group, people: 3, points: 8, half_life: 30d}\n"
ALIASES = "aliases: {c1.example: [c2.example], c3.example: [c33.example]}\n"
STAMP = PlaybookStamp(revision=1, version="0" * 16)
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 2, 0, 0, 17, 123456, tzinfo=UTC)


async def a_quarter(kept: Any, make: Touch, seed: int, hour: int = 5, aliases: str = "") -> list[LeadQualified]:
    """People of a few companies on shared devices, scanners, sales that answers, a merge by hand; the MQLs told."""
    dice = random.Random(seed)
    company_yaml = aliases + kept.documents["company.yaml"]
    await kept.publish(scoring=GROUP + kept.documents["scoring.yaml"], company=company_yaml)
    now = await kept.stop_the_clock(START + hour * HOUR)
    told: list[LeadQualified] = []
    open_mqls: list[LeadQualified] = []

    async def said(events: Any) -> None:
        for event in await events:
            if isinstance(event, LeadQualified):
                told.append(event)
                open_mqls.append(event)

    for round_ in range(60):
        batch = []
        for number in range(dice.randint(1, 6)):
            who, device = dice.randint(1, 14), f"a:{dice.randint(1, 20)}"
            person, company = f"p{who}@c{who % 4}.example", {"domain": f"c{who % 4}.example"}
            subjects = dice.choice([[person], [device], [person, device], [f"u:{who}", device]])
            more = {"company": company} if person in subjects else {}
            kind = dice.choice(["page_viewed", "page_viewed", "form_submitted", "email_clicked", "email_clicked"])
            if kind == "email_clicked":
                more |= {"message": f"m{round_}", "link": f"/{number}"}
                subjects = [person]
            batch.append(
                make(
                    kind, who=subjects, at=now - dice.choice([0, 0, 30]) * HOUR - timedelta(seconds=dice.randint(0, 9)),
                    received_at=now, form=dice.choice([None, None, None, "demo"]) if kind == "form_submitted" else None,
                    fields=dice.choice([{}, GOOD, {"cargo": "Owner"}]), path=dice.choice(["/", "/prices"]), **more,
                )
            )  # fmt: skip
        await said(kept.handle(score_touchpoints, *batch))
        await said(kept.said(judge_companies))
        if open_mqls and dice.random() < 0.4:
            mql = open_mqls.pop(0)
            until = now + timedelta(days=5) if dice.random() < 0.5 else None
            about = {"at": now, "by": "rep:ana", "lead_id": mql.lead_id, "cycle": mql.cycle, "playbook": STAMP}
            of = {"assignment_id": uuid4(), "version": 1, "rep": "ana"}
            answers: list[Any] = [
                LeadAccepted(**about, **of, channel="api"),
                LeadRecycled(**about, from_stage="sql", reason="no_need_now", until=until),
            ]
            if dice.random() < 0.3:
                answers = [LeadRejected(**about, **of, channel="api", reason="wrong_size", consequence="exclude")]
            elif dice.random() < 0.3:
                answers = [answers[0], OpportunityWon(**about, **of, opportunity_id="1")]
            await said(kept.handle(learn_outcomes, *answers))
        if round_ == 40:
            rows = await kept.sql("select lead_id from lead where company = 'c1.example' order by lead_id limit 2")
            await said(kept.said(lambda tx, ids=rows: merges.merge(tx, ids[0][0], ids[1][0], "user:luis")))
        step = timedelta(hours=dice.randint(1, 30))
        while True:  # the loop wakes when something is due
            due = (await kept.sql("select min(due_at) from lead"))[0][0]
            if due is None or due > now + step:
                break
            await kept.travel(due - now)
            step, now = step - (due - now), due
            await said(kept.said(judge_overdue))
        await kept.travel(step)
        now += step
    return told


async def simulated(kept: Any, **changed: str) -> tuple[list[Progress], Simulation]:
    candidate = kept.documents | {f"{name}.yaml": text for name, text in changed.items()}
    until = (await kept.sql("select relevo_now()"))[0][0]
    job = Job(kept.dsn, kept.documents, candidate, until - timedelta(days=90), until)
    steps = [step async for step in simulate(job, processes=1)]
    *progress, result = steps
    assert isinstance(result, Simulation)
    return [each for each in progress if isinstance(each, Progress)], result


# Quarters in which a colleague comes while a cool-down ends, an answer at the moment a group is judged, a merge of two
# leads that sales has both, one of a lead into which a third goes later, and companies of several domains.
@pytest.mark.parametrize(
    ("seed", "hour", "aliases"),
    [(0, 5, ""), (18, 5, ""), (24, 5, ""), (33, 5, ""), (73, 9, ""), (0, 5, ALIASES), (73, 9, ALIASES)],
)
async def test_the_active_playbook_reproduces_the_recorded_mqls_exactly(
    kept: Any, make: Touch, seed: int, hour: int, aliases: str
) -> None:
    told = await a_quarter(kept, make, seed, hour, aliases)
    progress, found = await simulated(kept)
    leads = (await kept.sql("select count(*) from lead"))[0][0]
    assert progress[-1] == Progress(leads, leads)
    assert found.recorded.model_dump() == {"mqls": len(told), "reproduced": len(told), "missing": (), "extra": ()}
    into = dict(await kept.sql("select lead_id, survivor from redirect"))
    recorded = {(into.get(m.lead_id, m.lead_id), m.cycle, m.score.cell, m.trigger.id, m.trigger.kind) for m in told}
    assert {(m.lead_id, m.cycle, m.cell, m.trigger.id, m.trigger.kind) for m in found.current.items} == recorded
    moments = {m.trigger.touchpoint_id: m.at for m in told if m.trigger.touchpoint_id}
    for mql in found.current.items:
        if mql.trigger.touchpoint_id:
            assert abs(mql.at - moments[mql.trigger.touchpoint_id]) < timedelta(milliseconds=1)
    kinds = {m.trigger.kind for m in told}
    assert {"cell", "hand_raise"} <= kinds
    assert max(m.cycle for m in told) > 1  # it is no easy quarter
    assert found.candidate.items == found.current.items
    assert (found.gained.leads, found.lost.leads) == (0, 0)
    assert sum(week.mqls for week in found.current.weeks) == len(told)


async def test_a_stricter_candidate_loses_leads_and_shows_what_sales_said_of_them(kept: Any, make: Touch) -> None:
    await a_quarter(kept, make, 1)
    before = await kept.sql("select lead_id, sums::text, qualified_at from lead order by lead_id")
    stricter = kept.documents["scoring.yaml"].replace("cells: [A1, A2]", "cells: [A1]")
    _, found = await simulated(kept, scoring=stricter)
    assert 0 < found.candidate.mqls < found.current.mqls
    assert found.gained.leads <= found.lost.leads
    assert found.lost.examples[0].because
    assert {row.name for row in found.current.personas} >= {"operations", "owner"}
    for side in (found.current, found.candidate):
        assert side.precision is not None
        assert side.recall is not None
        assert sum(row.mqls for row in side.sources) == side.mqls
    assert found.current.recall == 1  # sales only ever accepted MQLs
    assert await kept.sql("select lead_id, sums::text, qualified_at from lead order by lead_id") == before


async def test_from_the_command_line_with_a_page_that_asks_nobody_else(
    kept: Any, make: Touch, tmp_path: Path, ports: Ports
) -> None:
    told = await a_quarter(kept, make, 1)
    token, folder, tokens, html = "a-token", tmp_path / "playbook", tmp_path / "tokens.yaml", tmp_path / "page.html"
    digest = sha256(token.encode()).hexdigest()
    tokens.write_text(yaml.safe_dump({"tokens": [{"name": "mia", "sha256": digest, "scopes": ["playbook"]}]}))
    folder.mkdir()
    for name, text in kept.documents.items():
        (folder / name).write_text(text.replace("cells: [A1, A2]", "cells: [A1]"))
    port = ports.take()
    settings = Settings(
        database=kept.dsn, kafka="127.0.0.1:9", http_port=port, topics="local", tokens=tokens, shutdown_seconds=3
    )
    nobody = "http://127.0.0.1:9"
    command = ["playbook", "simulate", str(folder), "--scoring", f"http://127.0.0.1:{port}", "--handoff", nobody]
    command += ["--sla-monitor", nobody, "--token", token, "--since", "90d"]
    async with running(replace(service), settings):
        shown = await asyncio.to_thread(CliRunner().invoke, main, [*command, "--html", str(html)])
        found = await asyncio.to_thread(CliRunner().invoke, main, [*command, "--json"])
        refused = await asyncio.to_thread(CliRunner().invoke, main, [*command[:-4], "--token", "wrong"])
    assert shown.exit_code == 0, shown.output
    assert f"has {len(told)} of the {len(told)} MQLs" in " ".join(shown.output.split())
    assert "handoff: not simulated" in shown.output
    assert "leads lost" in shown.output
    result = orjson.loads(found.stdout)
    assert result["scoring"]["candidate"]["mqls"] < result["scoring"]["current"]["mqls"] == len(told)
    page = html.read_text()
    assert page.count("<svg") == 2
    assert not any(word in page for word in ("http:", "https:", "<script", "src=", "url(", "@import"))
    assert refused.exit_code == 1
    assert "Token missing or unknown" in refused.output
