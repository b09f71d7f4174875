"""Shows a rep's day: absences out of a calendar file, another capacity for a while, leads handed over; by the API and
by the command line."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from handoff.absences import NoCalendar, absences
from handoff.handlers import assign_leads
from handoff.main import service
from relevo.cli.reps import reps
from relevo.events import LeadAssigned, LeadQualified, LeadResumed, LeadWaiting, RepAvailability
from relevo.testing.services import running
from relevo_local.ports import Ports

Mql = Callable[..., LeadQualified]
T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

FILE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:holiday
DTSTART;VALUE=DATE:20260309
DTEND;VALUE=DATE:20260314
SUMMARY:Ski
END:VEVENT
BEGIN:VEVENT
UID:dentist
DTSTART:20260303T090000Z
DTEND:20260303T110000Z
X-MICROSOFT-CDO-BUSYSTATUS:OOF
END:VEVENT
BEGIN:VEVENT
UID:meeting
DTSTART:20260304T090000Z
DTEND:20260304T100000Z
END:VEVENT
BEGIN:VEVENT
UID:birthday
DTSTART;VALUE=DATE:20260305
TRANSP:TRANSPARENT
END:VEVENT
BEGIN:VEVENT
UID:cancelled
DTSTART;VALUE=DATE:20260306
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
UID:fridays
DTSTART;VALUE=DATE:20260306
RRULE:FREQ=WEEKLY
END:VEVENT
BEGIN:VEVENT
UID:long ago
DTSTART;VALUE=DATE:20250306
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_whole_days_and_what_is_out_of_office_are_absences() -> None:
    found, recurring = absences(FILE, "Europe/Madrid", T0)
    assert [(each.uid, f"{each.start:%d %H:%M}", f"{each.until:%d %H:%M}") for each in found] == [
        ("dentist", "03 09:00", "03 11:00"), ("holiday", "08 23:00", "13 23:00"),
    ]  # fmt: skip
    assert recurring == 1


@pytest.mark.parametrize("text", ["", "nonsense", "BEGIN:VCALENDAR", FILE.replace("20260314", "2026-3-x"), "\0"])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(NoCalendar) as why:
        absences(text, "Europe/Madrid", T0)
    assert "2026-3-x" not in str(why.value)


async def command(*arguments: str) -> str:
    found = await asyncio.to_thread(CliRunner().invoke, reps, list(arguments))
    assert found.exit_code == 0, found.output
    return found.output.strip()


async def test_the_command_line_sends_away_brings_back_and_hands_over(
    kept: Any, mql: Mql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, calendar = tmp_path / "tokens.yaml", tmp_path / "ana.ics"
    entry = {"name": "boss", "sha256": sha256(b"boss").hexdigest(), "scopes": ["read", "manage"]}
    tokens.write_text(yaml.safe_dump({"tokens": [entry]}))
    calendar.write_text(FILE)
    ports = Ports()
    settings = kept.settings(tokens=tokens, http_port=ports.take())
    with contextlib.ExitStack() as stack:
        stack.callback(ports.release)
        async with running(service, settings, "api") as up:
            monkeypatch.setenv("RELEVO_HANDOFF_URL", up.url)
            monkeypatch.setenv("RELEVO_API_TOKEN", "boss")
            (first, *_) = await kept.handle(assign_leads, *(mql(employees=600) for _ in range(2)))
            assert first.rep.id == "ana"
            await kept.sql("update assignment set paused = true where assignment_id = $1", first.assignment_id)
            assert await command("away", "ana", "--until", "2026-03-02T18:00+00:00") == (
                "ana is away until 2026-03-02T18:00+00:00"
            )
            assert isinstance((await kept.handle(assign_leads, mql(employees=600)))[0], LeadWaiting)
            assert await command("back", "ana") == "ana is back"
            assert await command("calendar", "ana", str(calendar)) == "ana: 2 absences; 1 recurring ones not read"
            assert await command("calendar", "ana", str(calendar)) == "ana: 2 absences; 1 recurring ones not read"
            assert await command("capacity", "bea", "0", "--until", "2026-03-03T09:00+00:00") == (
                "bea has at most 0 open leads until 2026-03-03T09:00+00:00"
            )
            calm = await kept.handle(assign_leads, *(mql() for _ in range(6)))
            assert {event.rep.id for event in calm} == {"ana", "carl"}
            assert (await command("hand-over", "carl")).endswith("handed over, 0 wait")
            told = await command("hand-over", "ana", "--json")
            assert orjson.loads(told)["waiting"] >= 2, "what is ana's by rule waits for ana, who had it before"
    rows = await kept.sql("select type, value from outbox order by id")
    said = [(row["type"], orjson.loads(row["value"])) for row in rows]
    days = [(data["rep"], data["state"], data.get("capacity"), data["source"])
            for kind, data in said if kind == RepAvailability.type]  # fmt: skip
    assert days == [
        ("ana", "away", None, "cli"), ("ana", "available", None, "cli"),
        ("ana", "away", None, "calendar"), ("ana", "away", None, "calendar"), ("bea", "available", 0, "cli"),
    ]  # fmt: skip
    handed = [data for kind, data in said if kind == LeadAssigned.type and data["because"] == "hand_over"]
    assert handed
    assert all(data["by"] == "user:boss" and data["previous_rep"] in ("ana", "carl") for data in handed)
    resumed = [data["assignment_id"] for kind, data in said if kind == LeadResumed.type]
    assert resumed == [str(first.assignment_id)], "whoever has it next has not paused it"


async def test_a_capacity_for_a_while_ends_by_itself(kept: Any, mql: Mql) -> None:
    await kept.sql("insert into spare values ('ana', 0, $1, 'user:boss')", T0 + timedelta(hours=1))
    assert isinstance((await kept.handle(assign_leads, mql(employees=600)))[0], LeadWaiting)
    await kept.travel(timedelta(hours=1))
    assert isinstance((await kept.handle(assign_leads, mql(employees=600)))[0], LeadAssigned)
