"""Shows the answer table: every act at every stage; what is implied, repeated, contradicted."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.answer import CONSEQUENCE, OPEN, REACHES, WAY, Act, Refused, Stage, Standing, Taken, answer
from relevo.events.vocabulary import REJECT_REASONS

NO = "refused"
SAME = ""

# What is said, by stage (row) and act (column); recycled and disqualified ones by how they came to be so.
ACTS: tuple[Act, ...] = ("accept", "contacted", "opportunity", "won", "lost", "reject", "pause", "resume", "recycle")
TABLE = {
    "waiting":      (NO, NO, NO, NO, NO, NO, NO, NO, "recycled"),
    "assigned":     ("accepted", "accepted contacted", "accepted contacted opportunity",
                     "accepted contacted opportunity won", "accepted contacted opportunity lost recycled",
                     "rejected disqualified", "paused", SAME, "recycled"),
    "accepted":     (SAME, "contacted", "contacted opportunity", "contacted opportunity won",
                     "contacted opportunity lost recycled", NO, "paused", SAME, "recycled"),
    "contacted":    (SAME, SAME, "opportunity", "opportunity won", "opportunity lost recycled",
                     NO, "paused", SAME, "recycled"),
    "opportunity":  (SAME, SAME, SAME, "won", "lost recycled", NO, "paused", SAME, "recycled"),
    "won":          (SAME, SAME, SAME, SAME, NO, NO, NO, NO, NO),
    "lost":         (SAME, SAME, SAME, NO, SAME, NO, NO, NO, SAME),
    "rejected":     (NO, NO, NO, NO, NO, SAME, NO, NO, "recycled"),
    "recycled":     (NO, NO, NO, NO, NO, NO, NO, NO, SAME),
    "disqualified": (NO, NO, NO, NO, NO, NO, NO, NO, "recycled"),
}  # fmt: skip
REASON = "wrong_size"


def standing(stage: Stage) -> Standing:
    return Standing(stage, REASON if stage == "rejected" else None, recycled=stage in ("lost", "recycled"))


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(get_args(Stage))
    assert set(ACTS) == set(get_args(Act))


@pytest.mark.parametrize("stage", TABLE)
@pytest.mark.parametrize("act", ACTS)
def test_every_act_at_every_stage(stage: Stage, act: Act) -> None:
    before = standing(stage)
    found = answer(before, act, REASON if act == "reject" else None)
    expected = TABLE[stage][ACTS.index(act)]
    if expected == NO:
        assert isinstance(found, Refused)
        assert found.because
    else:
        assert isinstance(found, Taken)
        assert " ".join(found.said) == expected
        if expected == SAME:
            assert found.after == before


@pytest.mark.parametrize("reason", REJECT_REASONS)
def test_each_reason_has_its_consequence(reason: str) -> None:
    found = answer(Standing("assigned"), "reject", reason)
    assert isinstance(found, Taken)
    assert found.after.stage == "rejected"
    assert found.after.reason == reason
    consequence = CONSEQUENCE[reason]  # type: ignore[index]
    assert found.said == {
        "recycle": ("rejected", "recycled"),
        "exclude": ("rejected", "disqualified"),
    }.get(consequence, ("rejected",))
    assert found.after.recycled is (consequence == "recycle")


def test_the_same_rejection_is_a_repetition_and_another_reason_a_contradiction() -> None:
    rejected = answer(Standing("assigned"), "reject", "competitor")
    assert isinstance(rejected, Taken)
    assert answer(rejected.after, "reject", "competitor") == Taken(rejected.after)
    assert isinstance(answer(rejected.after, "reject", "duplicate"), Refused)


def test_a_pause_stands_until_resumed_or_ended() -> None:
    paused = answer(Standing("accepted"), "pause")
    assert isinstance(paused, Taken)
    assert paused.after == Standing("accepted", paused=True)
    assert answer(paused.after, "pause") == Taken(paused.after)
    assert answer(paused.after, "resume") == Taken(Standing("accepted"), ("resumed",))
    contacted, won = answer(paused.after, "contacted"), answer(paused.after, "won")
    assert isinstance(contacted, Taken)
    assert contacted.after.paused, "an answer does not resume"
    assert isinstance(won, Taken)
    assert not won.after.paused


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(REJECT_REASONS)), max_size=12))
def test_nothing_is_said_twice_and_nothing_goes_back(acts: list[tuple[Act, str]]) -> None:
    now, told = Standing("assigned"), []
    for act, reason in acts:
        found = answer(now, act, reason)
        if isinstance(found, Refused):
            continue
        if now.stage in WAY and found.after.stage in WAY:
            assert WAY.index(found.after.stage) >= WAY.index(now.stage)
        assert found.after.stage in OPEN or not found.after.paused
        assert answer(found.after, act, reason) == Taken(found.after), "repeating changes nothing"
        now = found.after
        told += [said for said in found.said if said not in ("paused", "resumed")]
    assert len(told) == len(set(told))
    for act, stage in REACHES.items():
        if now.stage == stage:
            assert {"accept": "accepted"}.get(act, act) in told
