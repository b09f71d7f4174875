"""A tool's events out of a JSON body, one outcome each, so that no bad one costs another. PURE."""

from collections.abc import Callable, Mapping, Sequence
from email.utils import parseaddr
from typing import Any

from ingest.draft import Draft, Outcome, Refused, Unusable
from ingest.json_body import flaw, parse, verbatim

Event = dict[str, Any]


def of_body(body: bytes, read: Callable[[Event], Draft | Sequence[Outcome]]) -> list[Outcome]:
    """What `read` makes of each event of a body that is one, or a list of them. Raises Unusable where it is no JSON."""
    value, suspicious = parse(body)
    return each(value if isinstance(value, list) else [value], suspicious, read)


def each(values: Sequence[Any], suspicious: bool, read: Callable[[Event], Draft | Sequence[Outcome]]) -> list[Outcome]:
    """What `read` makes of each of the parsed values; those it cannot use, and those unfit to keep, refused."""
    found: list[Outcome] = []
    for value in values:
        try:
            if not isinstance(value, dict):
                raise Unusable("An event is a JSON object.")
            if suspicious and (because := flaw(value)) is not None:
                raise because
            made = read(value)
        except Unusable as unusable:
            found.append(Refused(unusable, verbatim(value) if suspicious else value))
        else:
            found += [made] if isinstance(made, Draft) else made
    return found


def inner(holder: Mapping[str, Any], *names: str) -> Event:
    """The object at `holder[a][b]…`; an empty one where there is none."""
    value: Any = holder
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(holder: Mapping[str, Any], name: str) -> list[Event]:
    """The objects in the list at `holder[name]`; an empty one where there is none."""
    value = holder.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def said(**told: str | None) -> dict[str, str]:
    """What is there, of what there may be."""
    return {name: value for name, value in told.items() if value}


def mailbox(told: str | None) -> str | None:
    """`Ana García <ana@empresa.es>` → `ana@empresa.es`."""
    if told is None or "<" not in told:
        return told
    return parseaddr(told)[1] or told
