"""What makes no sense is refused when the playbook is read, with its line; or counted and shown, and nothing stops."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from relevo.playbook import PlaybookError, load
from sla_monitor.handlers import erase, join_merged, keep_clocks, note_mqls

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("    target: 4h\n", "    target: 0h\n", "too short"),
        ("    target: 4h\n", "    target: -4h\n", "no duration"),
        ('    hours: {mon: ["09:00-11:00"]', '    hours: {mon: ["11:00-09:00"]', "ends before it begins"),
        ("  - id: mornings\n    zone: UTC\n", "  - id: mornings\n    zone: Mars/Olympus\n", "no time zone"),
        (
            "  - id: mornings\n    zone: UTC\n",
            "  - id: mornings\n    zone: UTC\n    holidays: {country: ES, subdivision: ATLANTIS}\n",
            "no region",
        ),
        (
            "  - id: mornings\n    zone: UTC\n",
            "  - id: mornings\n    zone: UTC\n    holidays: {country: XX}\n",
            "no public holidays",
        ),
        (
            "ladder: [{at: 50%, do: warn_rep}, {at: 75%, do: warn_manager}",
            "ladder: [{at: 80%, do: warn_rep}, {at: 75%, do: warn_manager}",
            "does not come after",
        ),
        ("{at: 100%, do: reassign}]\n  - id: contact", "{at: 100%, do: warn_rep}]\n  - id: contact", "must end with"),
    ],
)
def test_a_playbook_that_cannot_be_kept_is_refused_with_its_line(documents: dict[str, str], good, bad, said):
    sla = documents["sla.yaml"]
    assert sla.count(good) == 1
    with pytest.raises(PlaybookError) as refused:
        load(documents | {"sla.yaml": sla.replace(good, bad)})
    (problem,) = [each for each in refused.value.problems if said in each.message + each.hint]
    first = sla[: sla.index(good)].count("\n") + 1
    assert problem.file == "sla.yaml"
    assert first - 1 <= problem.line <= first + bad.count("\n")


def test_a_calendar_without_opening_hours_is_refused_with_its_line(documents: dict[str, str]):
    shut = "  - {id: shut, zone: UTC, hours: {mon: []}}\n"
    sla = documents["sla.yaml"].replace("calendars:\n", f"calendars:\n{shut}")
    with pytest.raises(PlaybookError) as refused:
        load(documents | {"sla.yaml": sla})
    (problem,) = refused.value.problems
    assert (problem.line, problem.message) == (sla[: sla.index(shut)].count("\n") + 1, "there are no opening hours")


@pytest.mark.parametrize("what", ["assigned", "waiting", "accepted", "qualified", "merged"])
async def test_an_erased_lead_is_promised_nothing_and_the_next_one_all(kept: Any, make: Any, what: str):
    gone, other = make(), make()
    await kept.handle(keep_clocks, gone.assigned(at(10)))
    await kept.handle(erase, gone.erased(at(10)))
    before = REGISTRY.get_sample_value("relevo_sla_problems_total", {"because": "erased_lead"}) or 0.0
    match what:
        case "qualified":
            await kept.handle(note_mqls, gone.qualified(at(11)), other.qualified(at(11)))
        case "merged":
            await kept.handle(join_merged, *gone.merged_into(other, at(11)).values())
        case _:
            said = await kept.handle(keep_clocks, getattr(gone, what)(at(11)), other.assigned(at(11)))
            assert {event.lead_id for event in said} == {other.lead_id}
            after = REGISTRY.get_sample_value("relevo_sla_problems_total", {"because": "erased_lead"})
            assert after == before + 1, "counted, and told in the log"
    for table in ("clock", "standing", "mql", "breach"):
        assert await kept.sql(f"select 1 from {table} where lead_id = $1", gone.lead_id) == [], table
