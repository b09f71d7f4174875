"""Shows when each step of a promise is due, what fires, what a change of the agreement keeps, and what a fact does."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relevo.calendar import always, calendar, elapsed
from sla_monitor import rows
from sla_monitor.clock import (
    Clock,
    Pause,
    Promise,
    Rung,
    Standing,
    begin,
    change,
    clock_id,
    due,
    earlier,
    fire,
    next_due,
    pending,
    spent,
    steps,
    target,
)
from sla_monitor.ruling import Fact, after, rule
from sla_monitor.watched import Watched

LEAD = UUID("0190c0de-0000-7000-8000-000000000001")
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
OFFICE = calendar("UTC", dict.fromkeys(WORKDAYS, ("09:00-14:00", "16:00-19:00")))
MORNINGS = calendar("UTC", dict.fromkeys(WORKDAYS, ("09:00-11:00",)))
ANSWER = Promise(
    "answer-4h",
    timedelta(hours=4),
    (
        Rung(timedelta(hours=2), "warn_rep"),
        Rung(timedelta(hours=3), "warn_manager"),
        Rung(timedelta(hours=4), "reassign"),
    ),
)
ANA = Standing(version=1, rep="ana")


def at(hour: float, day: int = 0) -> datetime:
    """An hour of Monday 1 June 2026, or of a later day."""
    return MONDAY + timedelta(days=day, hours=hour)


def running(kind="answer", promise=ANSWER, start=10.0, standing=ANA, pauses=()) -> Clock:
    return begin(LEAD, 1, kind, promise, at(start), standing, pauses)


def due_hours(clock: Clock, cal=OFFICE):
    """(index, what to do, breach, hours since Monday) of every step."""
    return [
        (
            step.index,
            step.do,
            step.breach,
            None if step.due_at is None else (step.due_at - MONDAY) / timedelta(hours=1),
        )
        for step in steps(clock, cal)
    ]


# --- when steps are due ---


def test_each_step_is_due_in_business_time_and_the_target_is_the_breach():
    assert due_hours(running()) == [
        (0, "warn_rep", False, 12),
        (1, "warn_manager", False, 13),
        (2, "reassign", True, 14),  # on closing time: stays there
    ]
    assert due_hours(running(start=18)) == [
        (0, "warn_rep", False, 24 + 10),
        (1, "warn_manager", False, 24 + 11),
        (2, "reassign", True, 24 + 12),
    ]


def test_a_breach_is_counted_at_the_target_even_where_no_step_stands_there():
    ladder = (Rung(timedelta(hours=1), "warn_rep"), Rung(timedelta(hours=6), "warn_manager"))
    assert due_hours(running("outcome", Promise("late", timedelta(hours=4), ladder)), always) == [
        (0, "warn_rep", False, 11),
        (2, None, True, 14),  # only counts
        (1, "warn_manager", True, 16),
    ]
    assert due_hours(running("outcome", Promise("bare", timedelta(hours=4))), always) == [(0, None, True, 14)]


@pytest.mark.parametrize(
    ("kind", "version", "again", "hours"),
    [
        ("answer", 1, None, [2, 3, 4]),
        ("answer", 2, None, [1, 1.5, 2]),  # half, and the ladder with it
        ("answer", 3, timedelta(hours=1), [0.5, 0.75, 1]),
        ("first_contact", 2, None, [2, 3, 4]),  # never restarts, never shrinks
    ],
)
def test_a_reassigned_lead_is_to_be_answered_faster(kind, version, again, hours):
    clock = running(kind, replace(ANSWER, again=again), standing=Standing(version, "ben"))
    assert target(clock) == timedelta(hours=hours[-1])
    assert [step.after for step in steps(clock, always)] == [timedelta(hours=each) for each in hours]


@pytest.mark.parametrize(
    ("standing", "written", "done"),
    [
        (Standing(1, "ana"), "reassign", "reassign"),
        (Standing(2, "ben", tries=1), "reassign", "reassign"),
        (Standing(3, "eva", tries=2), "reassign", "fallback"),  # at most max_reassign
        (Standing(4, "boss", tries=3, manager=True), "reassign", "warn_manager"),  # a manager keeps the lead
        (Standing(1, "ana", contacted=True), "reassign", "warn_manager"),  # after contact no step reassigns
        (Standing(3, "eva", tries=2, contacted=True), "reassign", "warn_manager"),
        (Standing(0), "fallback", "fallback"),
        (Standing(4, "boss", manager=True), "accept", "accept"),
        (Standing(3, "eva", tries=2), "warn_rep", "warn_rep"),
    ],
)
def test_what_a_step_asks_for_depends_on_how_the_lead_stands(standing, written, done):
    promise = Promise("p", timedelta(hours=4), (Rung(timedelta(hours=4), written),))
    assert [step.do for step in steps(running(promise=promise, standing=standing), always)] == [done]


def test_the_id_names_the_promise():
    ids = {
        (kind, version): clock_id(LEAD, 1, kind, version)
        for kind, version in product(("wait", "answer", "first_contact", "outcome"), (1, 2))
    }
    assert ids["first_contact", 1] == ids["first_contact", 2]
    assert ids["outcome", 1] == ids["outcome", 2]
    assert len(set(ids.values())) == 6
    assert clock_id(LEAD, 2, "answer", 1) != ids["answer", 1]


# --- firing ---


def test_steps_fire_in_order_never_early_and_once():
    clock, told = running(), []
    for quarter in range(4 * 9, 4 * 24):
        now = at(quarter / 4)
        assert all(fired.due_at <= now for fired in clock.fired)
        clock, fired = fire(clock, OFFICE, now)
        told += [(each.do, each.breach, (now - MONDAY) / timedelta(hours=1)) for each in fired]
        assert fire(clock, OFFICE, now) == (clock, ())
    assert told == [("warn_rep", False, 12), ("warn_manager", False, 13), ("reassign", True, 14)]
    assert clock.state == "running", "measuring goes on after a breach"
    assert next_due(clock, OFFICE) is None


def test_after_downtime_all_that_is_due_fires_at_once_with_its_lateness():
    _, fired = fire(running(), OFFICE, at(17))
    assert [(each.do, each.fired_at - each.due_at) for each in fired] == [
        ("warn_rep", timedelta(hours=5)),
        ("warn_manager", timedelta(hours=4)),
        ("reassign", timedelta(hours=3)),
    ]
    assert {each.elapsed for each in fired} == {timedelta(hours=5)}
    assert len({each.event_id for each in fired}) == 3
    assert (fired[-1].version, fired[-1].rep) == (1, "ana"), "the owner at the time is recorded"


# --- pauses ---


def test_a_pause_stops_what_was_not_due_before_it():
    clock = running(pauses=(Pause(at(12.5)),))
    assert [hours for *_, hours in due_hours(clock)] == [12, None, None]
    assert next_due(fire(clock, OFFICE, at(13))[0], OFFICE) is None
    assert spent(clock, OFFICE, at(18)) == timedelta(hours=2.5)
    back = rule(clock, OFFICE, Fact("resumed", at(17)))
    assert (back.verdict, back.due_at, back.elapsed) == ("resumed", at(18.5), timedelta(hours=2.5))
    assert [hours for *_, hours in due_hours(back.clock)] == [12, 17.5, 18.5]


def test_a_pause_that_is_heard_of_late_takes_back_what_was_not_due():
    clock, fired = fire(running(), OFFICE, at(14))
    ruling = rule(clock, OFFICE, Fact("paused", at(12.5), version=1))
    assert ruling.verdict == "paused"
    assert ruling.retracted == fired[2:], "only breaches are retracted"
    assert [each.do for each in ruling.clock.fired] == ["warn_rep"], "the others may fire again"
    again = rule(ruling.clock, OFFICE, Fact("resumed", at(13), version=1))
    assert again.due_at == at(16.5)
    _, refired = fire(again.clock, OFFICE, at(16.5))
    assert [(each.do, each.due_at) for each in refired] == [("warn_manager", at(13.5)), ("reassign", at(16.5))]
    assert {each.event_id for each in refired}.isdisjoint(each.event_id for each in fired)


def test_a_pause_that_begins_on_a_deadline_comes_too_late_to_move_it():
    assert [hours for *_, hours in due_hours(running(pauses=(Pause(at(13)),)))] == [12, 13, None]
    clock, fired = fire(running(), OFFICE, at(14))
    ruling = rule(clock, OFFICE, Fact("paused", at(13), version=1))
    assert ruling.clock.fired == fired[:2]


def test_a_step_that_fires_again_at_the_same_deadline_is_another_event():
    clock, fired = fire(running(), OFFICE, at(14))
    for kind in ("paused", "resumed"):  # a slip of the finger, an hour before, heard of only now
        clock = rule(clock, OFFICE, Fact(kind, at(13.5), version=1)).clock
    _, again = fire(clock, OFFICE, at(16))
    assert again[0].due_at == fired[-1].due_at
    assert again[0].event_id != fired[-1].event_id


def test_facts_from_before_a_pause_do_not_disturb_it():
    clock = rule(running(), OFFICE, Fact("paused", at(13), version=1)).clock
    met = rule(clock, OFFICE, Fact("accepted", at(12), version=1))
    assert (met.verdict, met.late, met.elapsed, met.due_at) == ("met", False, timedelta(hours=2), at(14))
    resumed = rule(clock, OFFICE, Fact("resumed", at(12), version=1))
    assert (resumed.clock.pauses, resumed.due_at) == ((Pause(at(13), at(13)),), at(14))


@pytest.mark.parametrize("kinds", [("paused", "paused"), ("resumed",), ("paused", "resumed", "resumed")])
def test_pausing_twice_or_resuming_what_runs_changes_nothing(kinds):
    clock = running()
    for hour, kind in enumerate(kinds[:-1], 11):
        clock = rule(clock, OFFICE, Fact(kind, at(hour), version=1)).clock
    assert rule(clock, OFFICE, Fact(kinds[-1], at(13), version=1)).verdict == "unchanged"


# --- a changed agreement ---


def test_another_calendar_keeps_what_has_elapsed():
    clock = change(running(), OFFICE, ANSWER, MORNINGS, at(12.5))  # 2.5 h of 4 are spent
    assert spent(clock, MORNINGS, at(12.5)) == timedelta(hours=2.5)
    assert [hours for *_, hours in due_hours(clock, MORNINGS)] == [12.5, 24 + 9.5, 24 + 10.5]
    assert fire(clock, MORNINGS, at(24 + 10.5))[0].fired[-1].elapsed == timedelta(hours=4)
    back = change(clock, MORNINGS, ANSWER, OFFICE, at(24 + 9.5))
    assert spent(back, OFFICE, at(24 + 9.5)) == timedelta(hours=3)


def test_another_target_is_never_due_before_it_was_agreed():
    short = replace(ANSWER, target=timedelta(hours=2), ladder=(Rung(timedelta(hours=2), "reassign"),))
    clock = change(running(), OFFICE, short, OFFICE, at(13))
    assert due_hours(clock) == [(0, "reassign", True, 13)], "its two hours passed at 12:00, its author knew at 13:00"
    assert fire(clock, OFFICE, at(12.9))[1] == ()


def test_pauses_survive_a_change_and_a_step_is_told_once():
    clock, _ = fire(running(), OFFICE, at(12))
    clock = rule(clock, OFFICE, Fact("paused", at(12.5), version=1)).clock
    longer = replace(ANSWER, target=timedelta(hours=6), ladder=(Rung(timedelta(hours=3), "warn_rep"),))
    clock = change(clock, OFFICE, longer, MORNINGS, at(13))
    assert [(step.do, step.due_at) for step in pending(clock, MORNINGS)] == [(None, None)], (
        "still paused; warned before"
    )
    clock = rule(clock, MORNINGS, Fact("resumed", at(24 + 10), version=1)).clock
    assert next_due(clock, MORNINGS) == at(3 * 24 + 9.5), "3.5 h are left: 1 on Tuesday, 2 on Wednesday, …"


def test_a_step_that_a_change_made_due_waits_for_the_end_of_the_pause():
    clock = rule(running(), OFFICE, Fact("paused", at(13.5), version=1)).clock
    short = replace(ANSWER, target=timedelta(hours=1), ladder=())
    clock = change(clock, OFFICE, short, OFFICE, at(17))
    assert next_due(clock, OFFICE) is None
    clock = rule(clock, OFFICE, Fact("resumed", at(18), version=1)).clock
    assert next_due(clock, OFFICE) == at(18)


def test_a_pause_that_is_heard_of_after_a_change_holds_what_the_change_made_due():
    short = replace(ANSWER, target=timedelta(hours=1), ladder=())
    clock = change(running(), OFFICE, short, OFFICE, at(13))
    clock = rule(clock, OFFICE, Fact("paused", at(12.5), version=1)).clock
    assert next_due(clock, OFFICE) is None, "it stood still when that was agreed"
    clock = rule(clock, OFFICE, Fact("resumed", at(16), version=1)).clock
    assert next_due(clock, OFFICE) == at(16)


def test_what_a_change_settled_stays_settled():
    clock = change(running(start=13), OFFICE, ANSWER, always, at(17))  # 2 h are spent, lunch is not counted
    assert rule(clock, always, Fact("accepted", at(16), version=1)).elapsed == timedelta(hours=2), "2 h at most"
    assert rule(clock, always, Fact("accepted", at(14), version=1)).elapsed == timedelta(hours=1)
    assert rule(clock, always, Fact("paused", at(16.5), version=1)).clock.pauses == (Pause(at(17)),)
    again = change(clock, always, ANSWER, OFFICE, at(16))
    assert (again.counted, again.counted_from) == (timedelta(hours=2), at(17))


def test_an_unchanged_agreement_changes_nothing_and_no_agreement_ends_the_clock():
    clock = running()
    same = calendar("UTC", dict.fromkeys(WORKDAYS, ("09:00-14:00", "16:00-19:00")))
    assert change(clock, OFFICE, replace(ANSWER), same, at(12)) is clock
    over = change(clock, OFFICE, None, OFFICE, at(12))
    assert (over.state, over.closed_at) == ("ended", at(12))
    assert next_due(over, OFFICE) is None


def test_a_breach_stays_when_the_promise_grows_longer():
    clock, _ = fire(running(), OFFICE, at(14))
    longer = replace(ANSWER, target=timedelta(hours=8), ladder=())
    clock = change(clock, OFFICE, longer, OFFICE, at(16.5))
    assert pending(clock, OFFICE) == ()
    ruling = rule(clock, OFFICE, Fact("accepted", at(17), version=1))
    assert (ruling.verdict, ruling.late, ruling.elapsed) == ("met", True, timedelta(hours=5))


def test_the_survivor_of_a_merge_has_run_since_the_earlier_start():
    clock = running("first_contact", start=12)
    assert earlier(clock, OFFICE, at(13)) is clock
    assert [hours for *_, hours in due_hours(earlier(clock, OFFICE, at(10)))] == [12, 13, 14]
    changed = change(clock, OFFICE, ANSWER, always, at(13))
    assert spent(earlier(changed, always, at(10)), always, at(13)) == timedelta(hours=3)


# --- what a fact does: the whole table ---

FACTS = {
    "waiting": Fact("waiting", at(11)),
    "assigned to the next": Fact("assigned", at(11), version=2, rep="ben", by_step=True),
    "assigned, heard again": Fact("assigned", at(11), version=1, rep="ana"),
    "accepted": Fact("accepted", at(11), version=1),
    "accepted by another": Fact("accepted", at(11), version=2),
    "rejected": Fact("rejected", at(11), version=1),
    "rejected, next team": Fact("rejected", at(11), version=1, onward=True),
    "contacted": Fact("contacted", at(11), version=1),
    "opportunity": Fact("opportunity", at(11), version=1),
    "won": Fact("won", at(11), version=1),
    "lost": Fact("lost", at(11), version=1),
    "paused": Fact("paused", at(11), version=1),
    "resumed": Fact("resumed", at(11), version=1),
    "recycled": Fact("recycled", at(11)),
    "disqualified": Fact("disqualified", at(11)),
    "erased": Fact("erased", at(11)),
    "merged": Fact("merged", at(11)),
}
TABLE = """
fact                   wait       answer     first_contact  outcome
waiting                unchanged  ended      changed        changed
assigned to the next   met        ended      changed        changed
assigned, heard again  met        unchanged  unchanged      unchanged
accepted               unchanged  met        unchanged      unchanged
accepted by another    unchanged  unchanged  unchanged      unchanged
rejected               ended      met        ended          met
rejected, next team    ended      met        unchanged      unchanged
contacted              changed    met        met            changed
opportunity            changed    met        met            met
won                    changed    met        met            met
lost                   changed    met        met            met
paused                 paused     paused     paused         paused
resumed                unchanged  unchanged  unchanged      unchanged
recycled               ended      ended      ended          ended
disqualified           ended      ended      ended          ended
erased                 ended      ended      ended          ended
merged                 ended      ended      ended          ended
"""
KINDS = ("wait", "answer", "first_contact", "outcome")
ROWS = [(line[:23].strip(), line[23:].split()) for line in TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize(
    ("fact", "kind", "verdict"),
    [(name, kind, each) for name, row in ROWS for kind, each in zip(KINDS, row, strict=True)],
)
def test_what_a_fact_does_to_a_clock(fact, kind, verdict):
    clock = running(kind, standing=Standing() if kind == "wait" else ANA)
    ruling = rule(clock, OFFICE, FACTS[fact])
    assert ruling.verdict == verdict
    assert ruling.clock.state == (verdict if verdict in ("met", "ended") else "running")
    if verdict in ("met", "ended"):
        assert ruling.clock.closed_at == at(11)
        assert (ruling.elapsed, ruling.due_at, ruling.late) == (timedelta(hours=1), at(14), False)
        assert next_due(ruling.clock, OFFICE) is None
    assert ruling.retracted == ()


def test_every_fact_is_in_the_table():
    assert [name for name, _ in ROWS] == list(FACTS)


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        ([Fact("assigned", at(9), 1, "ana")], Standing(1, "ana")),
        ([Fact("assigned", at(9), 1, "ana"), Fact("assigned", at(10), 2, "ben", by_step=True)], Standing(2, "ben", 1)),
        (
            [  # nobody was eligible when silence moved it on: counted once
                Fact("assigned", at(9), 1, "ana"),
                Fact("waiting", at(10), by_step=True),
                Fact("assigned", at(11), 2, "ben"),
            ],
            Standing(2, "ben", 1),
        ),
        (
            [  # … and the wait's own fallback takes it from nobody
                Fact("waiting", at(9)),
                Fact("assigned", at(11), 1, "boss", by_step=True, manager=True),
            ],
            Standing(1, "boss", 0, manager=True),
        ),
        ([Fact("assigned", at(9), 2, "ben"), Fact("assigned", at(8), 1, "ana")], Standing(2, "ben")),
        ([Fact("assigned", at(9), 1, "ana"), Fact("contacted", at(10), 1)], Standing(1, "ana", contacted=True)),
        ([Fact("assigned", at(9), 1, "ana"), Fact("assigned", at(10), 2, "ben")], Standing(2, "ben")),  # handed over
    ],
)
def test_how_a_lead_stands(facts, standing):
    found = Standing()
    for fact in facts:
        found = after(found, fact)
    assert found == standing


def test_the_owner_of_the_time_is_recorded_on_a_promise_that_outlives_them():
    clock = running("first_contact")
    clock, first = fire(clock, OFFICE, at(12))
    clock = rule(clock, OFFICE, Fact("assigned", at(12.5), 2, "ben", by_step=True)).clock
    _, rest = fire(clock, OFFICE, at(14))
    assert [(each.rep, each.version, each.do) for each in first + rest] == [
        ("ana", 1, "warn_rep"),
        ("ben", 2, "warn_manager"),
        ("ben", 2, "reassign"),
    ]


# --- late knowledge ---


@pytest.mark.parametrize(
    ("acted", "retracts", "late"),
    [(13, True, False), (14, True, False), (14.01, False, True), (16.5, False, True)],
)
def test_an_act_before_the_deadline_wins_whenever_it_is_heard_of(acted, retracts, late):
    clock, fired = fire(running(), OFFICE, at(14))
    ruling = rule(clock, OFFICE, Fact("accepted", at(acted), version=1))
    assert ruling.verdict == "met"
    assert ruling.retracted == (fired[2:] if retracts else ())
    assert ruling.late is late
    assert ruling.due_at == at(14)
    assert len(ruling.clock.fired) == (2 if retracts else 3), "warnings stay: they were right when they were given"


def test_late_knowledge_also_reaches_a_clock_that_a_reassignment_ended():
    clock, fired = fire(running(), OFFICE, at(14))
    clock = rule(clock, OFFICE, Fact("assigned", at(14), 2, "ben", by_step=True)).clock
    assert clock.state == "ended"
    assert rule(clock, OFFICE, Fact("accepted", at(14.5), version=1)).verdict == "unchanged", "ben has it now"
    ruling = rule(clock, OFFICE, Fact("accepted", at(13.9), version=1))
    assert (ruling.verdict, ruling.retracted, ruling.clock.closed_at) == ("met", fired[2:], at(13.9))
    assert rule(ruling.clock, OFFICE, Fact("contacted", at(13.9), version=1)).verdict == "unchanged", "said already"


def test_an_earlier_act_replaces_a_late_one():
    clock, fired = fire(running("first_contact"), OFFICE, at(16))
    late = rule(clock, OFFICE, Fact("contacted", at(17), version=1))
    assert (late.late, late.retracted, late.elapsed) == (True, (), timedelta(hours=5))
    mended = rule(late.clock, OFFICE, Fact("contacted", at(11), version=1))
    assert (mended.late, mended.retracted, mended.elapsed) == (False, fired[2:], timedelta(hours=1))


def test_an_act_that_came_late_but_before_we_looked_is_late_and_no_breach():
    ruling = rule(running(), OFFICE, Fact("accepted", at(16.5), version=1))
    assert (ruling.verdict, ruling.late, ruling.retracted) == ("met", True, ())
    assert fire(ruling.clock, OFFICE, at(17))[1] == ()


def test_an_act_during_a_pause_is_in_time():
    clock = rule(running(), OFFICE, Fact("paused", at(13), version=1)).clock
    ruling = rule(clock, OFFICE, Fact("accepted", at(18), version=1))
    assert (ruling.verdict, ruling.late, ruling.elapsed) == ("met", False, timedelta(hours=3))
    assert ruling.due_at == at(19), "one hour was left when it was answered"


# --- properties ---

CALENDARS = (OFFICE, MORNINGS, always)
moves = st.lists(
    st.tuples(st.sampled_from(("pause", "resume", "office", "mornings", "always", "wait")), st.integers(1, 900)),
    max_size=8,
)


def replayed(plan) -> tuple[Clock, object, datetime, timedelta]:
    """The clock after a plan, its calendar, the time, and what elapsed, summed stretch by stretch."""
    clock, cal, now, total = running(), OFFICE, at(10), timedelta(0)
    for move, minutes in plan:
        then = now + timedelta(minutes=minutes)
        paused = bool(clock.pauses) and clock.pauses[-1].end is None
        total += timedelta(0) if paused else elapsed(cal, now, then)
        now = then
        if move in ("pause", "resume"):
            clock = rule(clock, cal, Fact(f"{move}d", now, version=1)).clock
        elif move != "wait":
            new = CALENDARS[("office", "mornings", "always").index(move)]
            clock, cal = change(clock, cal, ANSWER, new, now), new
    return clock, cal, now, total


@settings(max_examples=150)
@given(moves)
def test_elapsed_time_is_kept_through_pauses_and_changes(plan):
    clock, cal, now, total = replayed(plan)
    assert spent(clock, cal, now) == total


@settings(max_examples=150)
@given(moves, st.integers(1, 600))
def test_a_step_is_due_exactly_when_its_time_has_elapsed(plan, minutes):
    clock, cal, now, total = replayed(plan)
    clock = rule(clock, cal, Fact("resumed", now, version=1)).clock
    when = due(clock, cal, total + timedelta(minutes=minutes))
    assert when is not None
    assert when > now
    assert spent(clock, cal, when) == total + timedelta(minutes=minutes)


@settings(max_examples=150)
@given(st.integers(0, 20 * 60), st.integers(0, 20 * 60))
def test_hearing_late_ends_like_hearing_at_once(acted, looked):
    fact = Fact("accepted", at(10) + timedelta(minutes=acted), version=1)
    clock, _ = fire(running(), OFFICE, at(10) + timedelta(minutes=looked))
    late, at_once = rule(clock, OFFICE, fact), rule(running(), OFFICE, fact)
    assert (late.verdict, late.late, late.elapsed, late.due_at) == (
        at_once.verdict,
        at_once.late,
        at_once.elapsed,
        at_once.due_at,
    )
    assert any(fired.breach for fired in late.clock.fired) == (fact.at > at(14) and looked >= 4 * 60)


def test_a_clock_survives_being_kept():
    clock, _ = fire(running(pauses=(Pause(at(10.5), at(11)), Pause(at(13)))), OFFICE, at(13))
    watched = Watched(clock, LEAD, 1, "north", None, "office", "0" * 16, at(14), None, None, None, "why", at(13))
    kept = dict(zip(rows.CLOCK, rows.clock_row(watched), strict=True))
    assert rows.to_clock([kept[name] for name in rows.WATCHED]) == watched
