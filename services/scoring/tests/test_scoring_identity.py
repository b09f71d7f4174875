"""Whose touchpoint it is: visitors become known, shared devices and offices tie nothing, nobody known is merged."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from relevo.events import TouchpointRecorded
from scoring.identity import Place, Resolution, resolve

Touch = Callable[..., TouchpointRecorded]
VISITOR, ANA, BEA, USER = (uuid4() for _ in range(4))


def decide(touchpoints: list[TouchpointRecorded], places: dict[str, Place] | None = None) -> Resolution:
    begun: dict[str, UUID] = {}
    return resolve(touchpoints, places or {}, lambda subject: begun.setdefault(subject, uuid4()))


def owners(resolution: Resolution) -> list[UUID]:
    return [resolution.into.get(each.lead_id, each.lead_id) for each in resolution.touchpoints]


@pytest.fixture(scope="module")
def subject(make: Touch) -> Callable[[str], str]:
    return lambda who: make(who=who).subjects[0].subject_id


Subject = Callable[[str], str]


def test_a_new_visitor_begins_a_lead_and_stays_it(make: Touch) -> None:
    resolution = decide([make(who="a:1"), make(who="a:2"), make(who="a:1")])
    first, second, third = owners(resolution)
    assert first == third != second
    assert [len(each.tied) for each in resolution.touchpoints] == [1, 1, 0]
    assert set(resolution.known_by.values()) == {"anonymous"}


def test_a_visitor_who_gives_an_unknown_address_keeps_the_lead(make: Touch, subject: Subject) -> None:
    places = {subject("a:1"): Place(VISITOR, "anonymous")}
    resolution = decide([make(who=["ana@acme.example", "a:1"])], places)
    assert owners(resolution) == [VISITOR]
    assert resolution.known_by[VISITOR] == "email"
    assert resolution.tied == {subject("ana@acme.example"): ("email", VISITOR)}
    assert resolution.into == {}


def test_a_visitor_who_gives_a_known_address_goes_into_that_lead(make: Touch, subject: Subject) -> None:
    places = {subject("a:1"): Place(VISITOR, "anonymous"), subject("ana@acme.example"): Place(ANA, "email")}
    resolution = decide([make(who="a:1"), make(who=["ana@acme.example", "a:1"]), make(who="a:1")], places)
    assert [each.lead_id for each in resolution.touchpoints] == [VISITOR, ANA, ANA]
    assert resolution.touchpoints[1].absorbs == (VISITOR,)
    assert resolution.into == {VISITOR: ANA}
    assert resolution.tied == {}


def test_a_shared_device_stays_with_its_first_owner(make: Touch, subject: Subject) -> None:
    places = {subject("a:1"): Place(ANA, "email"), subject("bea@acme.example"): Place(BEA, "email")}
    resolution = decide([make(who=["bea@acme.example", "a:1"]), make(who="a:1")], places)
    assert owners(resolution) == [BEA, ANA]
    assert resolution.touchpoints[0].shared
    assert not resolution.into
    assert not resolution.tied


def test_a_user_id_goes_to_its_address_with_all_its_devices(make: Touch, subject: Subject) -> None:
    places = {
        subject("u:7"): Place(USER, "user"),
        subject("a:1"): Place(USER, "user"),
        subject("ana@acme.example"): Place(ANA, "email"),
    }
    resolution = decide([make(who=["ana@acme.example", "u:7"]), make(who="a:1")], places)
    assert owners(resolution) == [ANA, ANA]


def test_two_user_ids_are_two_people_until_an_address_says_otherwise(make: Touch, subject: Subject) -> None:
    places = {subject("u:7"): Place(USER, "user"), subject("a:1"): Place(USER, "user")}
    resolution = decide([make(who=["u:8", "a:1"])], places)
    assert owners(resolution) != [USER]
    assert resolution.touchpoints[0].shared


def test_a_user_id_of_somebody_with_an_address_does_not_take_over_their_lead(make: Touch, subject: Subject) -> None:
    places = {subject("a:1"): Place(ANA, "email")}
    resolution = decide([make(who=["u:8", "a:1"])], places)
    assert owners(resolution) != [ANA]
    assert not resolution.into


@pytest.mark.parametrize("address", ["info@acme.example", "ana+webinar@acme.example"])
def test_an_office_and_a_tagged_address_tie_nothing(make: Touch, subject: Subject, address: str) -> None:
    resolution = decide([make(who=[address, "a:1"]), make(who="a:1")], {subject("a:1"): Place(VISITOR, "anonymous")})
    office, visitor = owners(resolution)
    assert visitor == VISITOR != office
    assert resolution.touchpoints[0].shared


def test_everything_new_in_one_touchpoint_is_one_lead(make: Touch) -> None:
    resolution = decide([make(who=["ana@acme.example", "u:7", "a:1"])])
    assert len({lead for _, lead in resolution.tied.values()}) == 1
    assert len(resolution.touchpoints[0].tied) == 3


def test_chains_within_a_batch_are_followed_to_the_end(make: Touch, subject: Subject) -> None:
    places = {subject("ana@acme.example"): Place(ANA, "email"), subject("u:7"): Place(USER, "user")}
    resolution = decide(
        [make(who="a:1"), make(who=["u:7", "a:1"]), make(who=["ana@acme.example", "u:7"]), make(who="a:1")], places
    )
    assert owners(resolution) == [ANA] * 4
    assert resolution.tied[subject("a:1")] == ("anonymous", ANA)


def test_what_was_received_before_the_erasure_is_dropped(make: Touch, subject: Subject) -> None:
    now = make().occurred_at
    places = {
        subject("ana@acme.example"): Place(None, erased_before=now),
        subject("a:1"): Place(None, erased_before=now),
    }
    before, after = now - timedelta(seconds=1), now
    resolution = decide(
        [
            make(who="ana@acme.example", received_at=before),
            make(who=["bea@acme.example", "a:1"], received_at=before),
            make(who="ana@acme.example", received_at=after),
        ],
        places,
    )
    assert len(resolution.touchpoints) == 2
    assert subject("a:1") not in resolution.tied
    assert set(resolution.tied) == {subject("bea@acme.example"), subject("ana@acme.example")}
