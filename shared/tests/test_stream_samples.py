"""Every event survives the wire, whatever stands in its fields; readers ignore what they do not know."""

import string
import types
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from relevo.events import EVENTS, Event, LeadErased
from relevo.events.cloudevents import Unreadable, decode, encode
from relevo.testing.samples import sample

_moments = st.builds(
    lambda at, minutes: at.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - Hypothesis wants them so
    st.sampled_from([0, 60, -570]),
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(1, 2**63 - 1),
    float: st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=2),
    datetime: _moments,
    AwareDatetime: _moments,
    UUID: st.uuids(),
}


@cache
def instances(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any valid instance of the model."""
    fields = {name: _of_field(field) for name, field in model.model_fields.items()}
    if issubclass(model, Event):
        fields["trace"] = st.none() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", fullmatch=True)
    return st.fixed_dictionaries(fields).map(model.model_validate)


def _of_field(field: FieldInfo) -> st.SearchStrategy[Any]:
    found = _of(field.annotation, field.metadata)
    return st.none() | found if type(None) in get_args(field.annotation) else found


def _of(kind: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, options = get_origin(kind), get_args(kind)
    for constraint in metadata:
        if pattern := getattr(constraint, "pattern", None):
            return st.from_regex(pattern, fullmatch=True, alphabet=string.printable)
    limits = {
        name: getattr(one, name) for one in metadata for name in ("min_length", "max_length") if hasattr(one, name)
    }
    sizes = {"min_size": limits.get("min_length", 0), "max_size": min(limits.get("max_length", 3), 3)}
    if origin is Annotated:
        return _of(options[0], list(options[1:]))
    if origin in (Union, types.UnionType):
        return st.one_of(*(_of(option, []) for option in options if option is not type(None)))
    if origin is Literal:
        return st.sampled_from(options)
    if origin is tuple:
        return st.lists(_of(options[0], []), **sizes).map(tuple)
    if origin is dict:
        return st.dictionaries(_PLAIN[str], _of(options[1], []), max_size=3)
    return instances(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else _PLAIN[kind]


def over_the_wire(event: Event) -> Event:
    _, headers, value = encode(event, "test")
    return decode(type(event), headers, value)


every_event = pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))


@every_event
def test_a_sample_has_everything_and_survives_the_wire(event: type[Event]) -> None:
    filled = sample(event)
    assert filled == sample(event)
    assert None not in list(_leaves(filled.model_dump()))
    back = over_the_wire(filled)
    assert back == filled
    assert (back.id, back.trace, back.key()) == (filled.id, filled.trace, filled.key())


def _leaves(value: Any) -> Any:
    if isinstance(value, dict | tuple | list):
        assert value, "an empty collection fills nothing"
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


@every_event
@settings(max_examples=15)
@given(data=st.data())
def test_any_instance_survives_the_wire(event: type[Event], data: st.DataObject) -> None:
    one = data.draw(instances(event))
    back = over_the_wire(one)
    assert back == one
    assert [type(leaf) for leaf in _all(back)] == [type(leaf) for leaf in _all(one)]  # 1 is no 1.0 and no true


def _all(value: Any) -> list[Any]:
    if isinstance(value, BaseModel):
        return [leaf for name in type(value).model_fields for leaf in _all(getattr(value, name))]
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _all(inner)]
    if isinstance(value, tuple):
        return [leaf for inner in value for leaf in _all(inner)]
    return [value]


@every_event
def test_a_newer_writer_s_fields_are_ignored_at_every_level(event: type[Event]) -> None:
    filled = sample(event)
    _, headers, value = encode(filled, "test")
    assert decode(event, headers, orjson.dumps(_with_more(orjson.loads(value)))) == filled


def _with_more(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_more(inner) for inner in value]
    if isinstance(value, dict) and not set(value) <= {"example"}:  # a mapping of free names is no level of ours
        return {name: _with_more(inner) for name, inner in value.items()} | {"of_tomorrow": {"x": [1]}}
    return value


@every_event
def test_a_missing_or_wrong_field_is_named_and_its_value_is_not(event: type[Event]) -> None:
    _, headers, value = encode(sample(event), "test")
    data = orjson.loads(value)
    with pytest.raises(Unreadable, match=r"at: Field required"):
        decode(event, headers, orjson.dumps({name: inner for name, inner in data.items() if name != "at"}))
    with pytest.raises(Unreadable, match=r"at: ") as refused:
        decode(event, headers, orjson.dumps(data | {"at": "ana@example.com"}))
    assert "ana@" not in str(refused.value)


@settings(max_examples=300)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_specversion", "ce_type", "traceparent", "x"]),
            st.sampled_from([b"1.0", b"\xff", b"", b"6f0a4c1e-5b1d-5c7e-9d43-2f7d0b6f9a10"]) | st.binary(max_size=40),
        )
    ),
    value=st.none() | st.binary() | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["at", "by", "lead_id", "subject_ids"]), inner),
    ).map(lambda found: orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS, default=str) if _fits(found) else b""),
)  # fmt: skip
def test_no_bytes_do_more_to_a_reader_than_unreadable(headers: list[tuple[str, bytes]], value: bytes | None) -> None:
    with suppress(Unreadable):
        assert decode(LeadErased, headers, value).id


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # a surrogate, or an integer of more than 64 bits
        return False
    return True


def test_the_first_of_several_headers_of_one_name_counts() -> None:
    event = sample(LeadErased)
    _, headers, value = encode(event, "test")
    assert decode(LeadErased, [*headers, ("ce_id", b"another"), ("traceparent", b"another")], value) == event
