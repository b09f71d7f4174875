"""Events on the wire: CloudEvents 1.0, Kafka binary content mode (attributes in `ce_` headers, JSON in the value)."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from pydantic import ValidationError

from relevo.events.base import Event

Headers = tuple[tuple[str, bytes], ...]


class Unreadable(ValueError):
    """A record of a known type that does not hold what the type promises, or carries no usable CloudEvents headers."""


def encode(event: Event, source: str) -> tuple[str, Headers, bytes]:
    """(key, headers, value) of `event`, written by the service `source`. Fields that are None are left out."""
    return (
        event.key(),
        attributes(event.type, source, str(event.id), event.at.isoformat(), event.trace),
        event.__pydantic_serializer__.to_json(event, by_alias=True, exclude_none=True),
    )


def attributes(event_type: str, source: str, event_id: str, time: str, trace: str | None) -> Headers:
    """The headers of an event; `time` is its `at` in ISO 8601."""
    headers: Headers = (
        *_of_all(event_type, source),
        ("ce_id", event_id.encode()),
        ("ce_time", time.encode()),
    )
    return (*headers, ("traceparent", trace.encode())) if trace else headers


@cache
def _of_all(event_type: str, source: str) -> Headers:
    """What all events of a type have in common."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_source", f"/relevo/{source}".encode()),
        ("content-type", b"application/json"),
    )


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The first header called `name`, as text; None where there is none or it is no UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def decode(event_class: type[Event], headers: Sequence[tuple[str, bytes]], value: bytes | None) -> Event:
    """The event of a record whose `ce_type` named `event_class`. Raises Unreadable, saying which field and why."""
    attributes = dict(headers[::-1])  # the first of several counts
    event_id = attributes.get("ce_id")
    if attributes.get("ce_specversion") != b"1.0" or event_id is None:
        raise Unreadable("ce_specversion 1.0 and ce_id are required")
    try:
        data: Any = orjson.loads(value or b"")
        if not isinstance(data, dict):
            raise Unreadable("the value is not a JSON object")
        data["id"] = event_id.decode()
        data["trace"] = attributes["traceparent"].decode(errors="replace") if "traceparent" in attributes else None
        event: Event = event_class.__pydantic_validator__.validate_python(data)
        return event
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:5]
        )
        raise Unreadable(problems) from None
    except ValueError as error:  # orjson.JSONDecodeError, and an id that is no UTF-8
        raise Unreadable(str(error)) from None
