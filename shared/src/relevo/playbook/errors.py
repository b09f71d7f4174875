"""Pydantic's complaints in the words of who writes a playbook, each with its line and a hint."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relevo.playbook.problems import Problem, did_you_mean
from relevo.playbook.text import Document, Path

_SAID = {
    "string_type": ("must be text", "put it in quotes"),
    "tuple_type": ("must be a list", "write [one, other], or one per line after a dash"),
    "frozen_set_type": ("must be a list", "write [one, other], or one per line after a dash"),
    "mapping_type": ("must have keys of its own", "write key: value below it, indented"),
    "dict_type": ("must have keys of its own", "write key: value below it, indented"),
    "model_type": ("must have keys of its own", "write key: value below it, indented"),
    "float_type": ("must be a number", "write it without quotes: 40 or 2.5"),
    "int_type": ("must be a whole number", "write it without quotes: 40"),
    "int_from_float": ("must be a whole number", "leave the decimals out"),
    "bool_type": ("must be true or false", "write it without quotes"),
    "string_too_short": ("is empty", "write something, or leave the key out"),
    "too_short": ("is empty", "it needs at least one"),
    "date_type": ("must be a date", "write it as 2026-12-24"),
    "date_parsing": ("must be a date", "write it as 2026-12-24"),
    "date_from_datetime_parsing": ("must be a date", "write it as 2026-12-24"),
    "date_from_datetime_inexact": ("must be a date", "write it as 2026-12-24"),
}


def problems_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """One Problem per complaint; a condition's own mistakes were told already."""
    details = error.errors(include_url=False)
    return [_problem(each, model, document) for each in details if each["type"] != "told" and not _echo(each, details)]


def _echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """A list is called too short when its items are wrong, since those are not counted."""
    loc = detail["loc"]
    inside = (each for each in details if len(each["loc"]) > len(loc) and each["loc"][: len(loc)] == loc)
    return detail["type"] == "too_short" and any(inside)


def mended(error: ValidationError, data: Any) -> Any:
    """A copy without the unknown keys, and with `true` for the conditions that are none: so the rest can be checked,
    and everything that is wrong is said at once."""
    copied = _copy(data)
    for detail in error.errors(include_url=False):
        at = copied
        *way, last = detail["loc"]
        try:
            for step in way:
                at = at[step]
            if detail["type"] == "told":
                at[last] = True
            elif detail["type"] == "extra_forbidden":
                del at[last]
        except (KeyError, IndexError, TypeError):  # the way leads through something that was written in short
            continue
    return copied


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(item) for item in data] if isinstance(data, list) else data


def _problem(detail: ErrorDetails, model: type[BaseModel], document: Document) -> Problem:
    loc: Path = tuple(detail["loc"])
    if loc and loc[-1] == "[key]":  # a key of a mapping that has names of its own, such as a weekday
        return Problem(document.file, document.line(loc[:-1]), *_key_problem(detail, loc[-2]))
    where, line = label(loc), document.line(loc)
    match detail["type"]:
        case "extra_forbidden":
            within = f" in {label(loc[:-1])}" if len(loc) > 1 else ""
            message, hint = f"unknown key {str(loc[-1])!r}{within}", did_you_mean(str(loc[-1]), keys_at(model, loc))
        case "missing":
            message, hint = f"{where} is missing", "every playbook must say it"
        case "literal_error":
            known = _literals(detail)
            written = detail["input"]
            message = f"{where} must be one of {', '.join(known)}"
            hint = did_you_mean(written, known) if isinstance(written, str) else "choose one of them"
            hint = hint if "mean" in hint else "choose one of them"
        case kind if kind in _SAID:
            message, hint = f"{where} {_SAID[kind][0]}", _SAID[kind][1]
        case _:
            said, _, hint = detail["msg"].replace("Input should be", "must be", 1).partition("; ")
            message = f"{where} {said}"
    return Problem(document.file, line, message, hint)


def _key_problem(detail: ErrorDetails, key: object) -> tuple[str, str]:
    if detail["type"] == "literal_error":
        return f"unknown key {str(key)!r}", did_you_mean(str(key), _literals(detail))
    if detail["type"] == "string_pattern_mismatch":
        return f"{str(key)!r} cannot be a name here", "write lead.some_name or company.some_name, in lower case"
    return f"{str(key)!r} cannot be a key here", ""


def _literals(detail: ErrorDetails) -> list[str]:
    said: str = detail.get("ctx", {}).get("expected", "")
    return said.replace("'", "").replace(" or ", ", ").split(", ")


def label(loc: Path) -> str:
    """`teams[2].reps[1].weight`: counted from 1, as people count."""
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def keys_at(model: type[BaseModel], loc: Path) -> list[str]:
    """The keys that the part holding this place may have."""
    at: Any = model
    for step in loc[:-1]:
        if isinstance(at, type) and issubclass(at, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in at.model_fields.items()}
            at = _unwrapped(fields.get(str(step)))
        else:
            at = _unwrapped(at, into=step)
    if not (isinstance(at, type) and issubclass(at, BaseModel)):
        return []
    return [field.alias or name for name, field in at.model_fields.items()]


def _unwrapped(annotation: Any, into: str | int | None = None) -> Any:
    """The annotation without Annotated and None; with `into`, that of a sequence's items or a mapping's values."""
    while get_origin(annotation) is not None and get_origin(annotation) not in (tuple, frozenset, Mapping, dict):
        annotation = next((arg for arg in get_args(annotation) if arg is not type(None)), None)
    if into is None:
        return annotation
    arguments = get_args(annotation)
    mapping = get_origin(annotation) not in (tuple, frozenset)
    return _unwrapped(arguments[1 if mapping and len(arguments) > 1 else 0]) if arguments else None
