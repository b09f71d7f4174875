"""A simulation: the same `route` over the days as they were; what it says of the active playbook is what was done."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from handoff.days import Absent, Days, Given, Mql, Past
from handoff.handlers import assign_leads
from handoff.simulation import replay
from relevo.events import LeadAssigned, LeadQualified
from relevo.playbook import Playbook, load

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(scope="session")
def t0() -> datetime:
    return datetime.fromisoformat("2026-03-02T09:00:00Z")  # a Monday, ten o'clock in Madrid


@pytest.fixture(scope="session")
def mqls(t0: datetime) -> Callable[..., list[Mql]]:
    def make(count: int, *, company: str | None = None, every: timedelta = MINUTE, **values: object) -> list[Mql]:
        names = {name.replace("_", ".", 1): value for name, value in values.items()}
        return [Mql(uuid4(), 1, t0 + number * every, company, names) for number in range(count)]

    return make


def got(given: Sequence[Given]) -> list[str | None]:
    return [each.rep for each in given]


def test_equal_reps_share_evenly_and_round_robin_is_as_good(playbook: Playbook, t0: datetime, mqls: Any) -> None:
    done = replay(playbook, mqls(90), Days(t0, t0 + 3 * HOUR))
    north = done.teams["north"]
    assert Counter(got(done.given)) == {"ana": 30, "bea": 30, "carl": 30}
    assert north.worst < 1
    assert north.turns_worst < 1
    assert [each.at for each in done.given] == [each.mql_at for each in done.given]


def test_round_robin_does_not_heed_weights(documents: dict[str, str], t0: datetime, mqls: Any) -> None:
    weighted = documents["routing.yaml"].replace("{id: ana, name: Ana,", "{id: ana, name: Ana, weight: 4,")
    playbook = load(documents | {"routing.yaml": weighted})
    done = replay(playbook, mqls(60), Days(t0, t0 + 3 * HOUR))
    assert Counter(got(done.given)) == {"ana": 40, "bea": 10, "carl": 10}
    north = done.teams["north"]
    assert north.worst < 2 < 20 - 1e-6 <= north.turns_worst, "ana would have got 20 instead of 40"


def test_who_was_away_gets_nothing_and_what_waits_is_given_at_the_start_of_a_shift(
    playbook: Playbook, t0: datetime, mqls: Any
) -> None:
    evening = [each._replace(at=t0 + 9 * HOUR) for each in mqls(3)]  # seven o'clock in Madrid: closed
    days = Days(t0, t0 + 48 * HOUR, absences=[Absent("bea", t0 + HOUR, None)])
    done = replay(playbook, evening, days)
    assert sorted(filter(None, got(done.given))) in (["ana", "ana", "carl"], ["ana", "carl", "carl"])
    assert {each.at for each in done.given} == {t0 + 23 * HOUR}, "nine o'clock on Tuesday"


def test_capacity_is_held_as_long_as_it_really_was(playbook: Playbook, t0: datetime, mqls: Any) -> None:
    portugal = mqls(4, lead_country="PT")  # to south: dora, who has two places
    first, second, *_ = portugal
    past = [
        Past(first.lead_id, 1, "dora", None, t0, t0 + 2 * HOUR, False),
        Past(second.lead_id, 1, "dora", None, t0, t0 + 5 * HOUR, False),
        Past(uuid4(), 1, "dora", None, t0 - HOUR, t0 + HOUR, False),  # had before: one of two places is taken
    ]
    done = replay(playbook, portugal, Days(t0, t0 + 4 * HOUR, past))
    assert [(each.rep, each.at - t0) for each in done.given] == [
        ("dora", timedelta()),  # the other place
        ("dora", HOUR),  # when what she had before ended
        ("dora", 2 * HOUR),  # when the first ended
        (None, 3 * MINUTE),  # the median, three hours, was not over for any other
    ]


def test_a_company_stays_with_its_rep_until_it_is_lost_whichever_of_its_domains_is_met(
    playbook: Playbook, documents: dict[str, str], t0: datetime, mqls: Any
) -> None:
    acme = mqls(6, company="acme.example", every=HOUR / 2)
    past = [
        Past(uuid4(), 1, "bea", "acme.example", t0 - 900 * HOUR, t0 - 800 * HOUR, True),  # won: hers for good
        Past(uuid4(), 1, "bea", None, t0 - 90 * HOUR, t0 - 80 * HOUR, False),
    ]
    assert got(replay(playbook, acme, Days(t0, t0 + 4 * HOUR, past)).given) == ["bea"] * 6
    several = load(documents | {"company.yaml": documents["company.yaml"] + "aliases: {acme.es: [acme.example]}\n"})
    spanish = [[acme[0]._replace(lead_id=UUID(int=number), company="acme.es")] for number in range(20)]
    alone, joined = (
        Counter(rep for one in spanish for rep in got(replay(book, one, Days(t0, t0 + HOUR, past)).given))
        for book in (playbook, several)
    )
    assert (len(alone), joined) == (3, {"bea": 20})
    lost = [past[1], Past(acme[0].lead_id, 1, "carl", "acme.example", t0, t0 + 15 * MINUTE, False)]
    reps = got(replay(playbook, acme[:3], Days(t0, t0 + 4 * HOUR, lost)).given)
    assert reps[0] != reps[1] == reps[2], "the second comes after the first was lost, and the third while it is open"


def test_without_an_ended_lead_nothing_is_known_of_capacity(playbook: Playbook, t0: datetime, mqls: Any) -> None:
    done = replay(playbook, mqls(50, lead_country="PT"), Days(t0, t0 + 4 * HOUR))
    assert got(done.given) == ["dora"] * 50


# By HTTP.


def as_scoring_has_it(event: LeadQualified) -> dict[str, Any]:
    score = event.score.model_dump(mode="json")
    return score | {
        "lead_id": str(event.lead_id), "cycle": event.cycle, "at": event.at.isoformat(), "cell": event.score.cell,
        "trigger": event.trigger.model_dump(mode="json"), "reasons": [],
        "snapshot": event.snapshot.model_dump(mode="json", by_alias=True),
    }  # fmt: skip


@pytest.mark.parametrize("to", ["team: north", "teams: [north, south]"])
async def test_the_active_playbook_gives_what_was_done(
    api: Any, kept: Any, mql: Callable[..., LeadQualified], t0: datetime, documents: dict[str, str], to: str
) -> None:
    """Through the handler one lead a minute, then the same by simulation; a candidate beside it gives all to dora."""
    await kept.publish(routing=documents["routing.yaml"].replace('when: "true", team: north', f'when: "true", {to}'))
    events, real = [], dict[UUID, str]()
    for number in range(40):
        event = mql(
            at=t0 + number * MINUTE, country="PT" if number % 9 == 0 else None,
            employees=600 if number % 7 == 1 else 60, domain=f"c{number % 25}.example",
        )  # fmt: skip
        events.append(event)
        for said in await kept.handle(assign_leads, event):
            if isinstance(said, LeadAssigned):
                real[said.lead_id] = said.rep.id
        await kept.travel(MINUTE)
    routing = documents["routing.yaml"].replace('when: "true", team: north', 'when: "true", team: south')
    wanted = {
        "documents": documents | {"routing.yaml": routing},
        "since": t0.isoformat(),
        "mqls": [as_scoring_has_it(event) for event in events],
    }
    before = await kept.sql("select * from counter order by team, rep")
    answer = await api.post("/v1/simulations", wanted)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    simulated = {UUID(each["lead_id"]): each["rep"] for each in found["current"]["assignments"] if each["rep"]}
    assert simulated == real
    assert found["current"]["mqls"] == 40 == found["current"]["assigned"] + found["current"]["waiting"]
    assert found["current"]["waiting"] == 40 - len(real) > 0, "dora has two places, and no lead has ended"
    assert found["held_median_hours"] is None
    assert found["moved"]["leads"] > 20
    assert found["moved"]["examples"][0]["candidate"] != found["moved"]["examples"][0]["current"]
    assert {row["team"] for row in found["candidate"]["teams"]} == {"north", "south"}
    north, south = found["candidate"]["teams"]
    assert north["assigned"] + south["assigned"] + south["waiting"] == 40
    assert found["current"]["worst_deviation"] < 3
    turns = await kept.sql("select rep as team, assigned, target from counter where team = 'rule:all' order by rep")
    kept_turns = [{"rule": "all", "teams": [dict(row) for row in turns]}] if turns else []
    assert (found["current"]["turns"], bool(turns)) == (kept_turns, to.startswith("teams"))
    assert await kept.sql("select * from counter order by team, rep") == before


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"documents": {"routing.yaml": "teams: ["}}, 422, "documents"),
        ({"mqls": [{"lead_id": "x"}]}, 422, "mqls.0.lead_id"),
        ({"mqls": "many"}, 422, "mqls"),
        ({"since": "ninety days"}, 422, "since"),
        ({"since": "2026-03-02T09:00:00"}, 422, "since"),
        ({"since": 90}, 422, "since"),
        ({"sinse": 1}, 422, "sinse"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: Any, documents: dict[str, str], change: dict[str, Any], status: int, field: str
) -> None:
    body = {"documents": documents, "since": "2026-03-02T09:00:00Z", "mqls": []} | change
    answer = await api.post("/v1/simulations", body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


async def test_since_is_a_moment_or_how_long_ago_by_the_systems_clock(
    api: Any, kept: Any, documents: dict[str, str], t0: datetime
) -> None:
    for since, meant in (("90d", t0 - timedelta(days=90)), (t0.isoformat(), t0)):
        answer = await api.post("/v1/simulations", {"documents": documents, "since": since, "mqls": []})
        assert datetime.fromisoformat(answer.json()["since"]) == meant
    spoilt = documents | {"routing.yaml": documents["routing.yaml"].replace("team: south", "team: soth")}
    answer = await api.post("/v1/simulations", {"documents": spoilt, "since": "90d", "mqls": []})
    assert [(each["file"], each["line"]) for each in answer.json()["problems"]] == [("routing.yaml", 18)]


async def test_nobody_but_a_planner_asks_and_other_bodies_stay_short(
    api: Any, documents: dict[str, str], mql: Callable[..., LeadQualified]
) -> None:
    body = {"documents": documents, "since": "2026-03-02T09:00:00Z", "mqls": []}
    assert (await api.post("/v1/simulations", body, "ana")).status_code == 403
    assert (await api.post("/v1/simulations", body, "nobody")).status_code == 401
    long = body | {"mqls": [as_scoring_has_it(mql())] * 600}
    assert (await api.post("/v1/simulations", long)).status_code == 200
    assert (await api.post(f"/v1/assignments/{uuid4()}/accept", long)).status_code == 413
    assert len(orjson.dumps(long)) > 256 * 1024
