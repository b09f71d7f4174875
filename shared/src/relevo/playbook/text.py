"""YAML text in, plain data with line numbers out: bounded, no tags, no surprises, every mistake with its line.

Read from the parser's events, not through a loader, so that nothing recurses, keys are always the text as written
(`on`, `no` and `1` are no booleans and no numbers) and a scalar follows YAML 1.2: only `true` and `false` are bools.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from relevo.playbook.problems import PlaybookError, Problem

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 20_000  # aliases count as what they stand for, so ten lines cannot stand for a billion

Path = tuple[str | int, ...]

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where PyYAML was built with libyaml
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class Written(str):
    """A text of the document that remembers its line, and whether its own lines are the file's (a `|` block)."""

    __slots__ = ("block", "line")
    line: int
    block: bool

    @classmethod
    def at(cls, text: str, line: int, block: bool = False) -> "Written":
        written = cls(text)
        written.line, written.block = line, block
        return written


@dataclass(frozen=True)
class Document:
    """A file as data: dicts, lists, `Written`, int, float, bool, None."""

    file: str
    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of this place, or of the nearest place around it that is in the file."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return 1


@dataclass
class _Open:
    """A mapping or sequence whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    nodes_before: int
    key: str | None = None  # of a mapping: the key that waits for its value


@dataclass
class _Reader:
    file: str
    lines: dict[Path, int] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: int = 0
    documents: int = 0
    root: Any = None


def read(file: str, text: str) -> Document:
    """Raises PlaybookError with the first mistake, since what follows a broken line cannot be read reliably."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        raise _mistake(file, 0, "the file is too long", f"at most {MAX_CHARACTERS // 1024} KiB")
    if strange := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise _mistake(file, line, "there is a control character, or this is not text", "save it as UTF-8")
    reader = _Reader(file)
    for event in _events(file, text):
        _take(reader, event)
    return Document(file, reader.root, reader.lines)


def _events(file: str, text: str) -> Iterator[Event]:
    try:
        yield from yaml.parse(text, Loader=_PARSER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        written = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
        tab = "\t" in written[: len(written) - len(written.lstrip())]
        hint = "indent with spaces, not with tabs" if tab else "check indentation, colons and quotes around here"
        raise _mistake(file, line, f"this is not YAML: {error.problem or error.context}", hint) from None
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise _mistake(file, 0, "this is not YAML", "compare it with the example in deploy/playbook") from None


def _take(reader: _Reader, event: Event) -> None:
    line = event.start_mark.line + 1 if event.start_mark else 0
    match event:
        case DocumentStartEvent():
            reader.documents += 1
            if reader.documents > 1:
                raise _mistake(reader.file, line, "a second document starts here", "remove the line with ---")
        case CollectionStartEvent() | ScalarEvent() if event.tag not in (None, "!"):
            raise _mistake(reader.file, line, "tags (!…) are not used here", "remove the tag")
        case ScalarEvent() if (top := _awaiting_key(reader)) is not None:
            _key(reader, top, event.value, line)
        case ScalarEvent():
            _count(reader, 1, line)
            _place(reader, _scalar(event, line), event.anchor, line, size=1)
        case _ if _awaiting_key(reader) is not None and not isinstance(event, CollectionEndEvent):
            if isinstance(event, AliasEvent | CollectionStartEvent):
                raise _mistake(reader.file, line, "a key must be plain text", "check the braces or the dash here")
        case CollectionStartEvent():
            _count(reader, 1, line)
            if len(reader.stack) >= MAX_DEPTH:
                raise _mistake(reader.file, line, "this is nested too deeply", f"at most {MAX_DEPTH} levels")
            value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
            path = _next_path(reader)
            reader.lines.setdefault(path, line)
            reader.stack.append(_Open(value, path, event.anchor, reader.nodes - 1))
        case CollectionEndEvent():
            done = reader.stack.pop()
            _place(reader, done.value, done.anchor, line, size=reader.nodes - done.nodes_before)
        case AliasEvent():
            if event.anchor not in reader.anchors:
                raise _mistake(reader.file, line, f"*{event.anchor} stands for nothing", "define it above with &")
            shared, size = reader.anchors[event.anchor]
            _count(reader, size, line)
            _place(reader, shared, None, line, size)


def _awaiting_key(reader: _Reader) -> _Open | None:
    top = reader.stack[-1] if reader.stack else None
    return top if top is not None and isinstance(top.value, dict) and top.key is None else None


def _key(reader: _Reader, top: _Open, key: str, line: int) -> None:
    if key in top.value:
        first = reader.lines[(*top.path, key)]
        raise _mistake(reader.file, line, f"{key!r} is written twice", f"the first is on line {first}; keep one")
    top.key = key
    reader.lines[(*top.path, key)] = line


def _next_path(reader: _Reader) -> Path:
    if not reader.stack:
        return ()
    top = reader.stack[-1]
    return (*top.path, len(top.value) if isinstance(top.value, list) else str(top.key))


def _place(reader: _Reader, value: Any, anchor: str | None, line: int, size: int) -> None:
    if anchor:
        reader.anchors[anchor] = (value, size)
    if not reader.stack:
        reader.root = value
        return
    reader.lines.setdefault(_next_path(reader), line)
    top = reader.stack[-1]
    if isinstance(top.value, list):
        top.value.append(value)
    else:
        top.value[str(top.key)] = value
        top.key = None


def _count(reader: _Reader, nodes: int, line: int) -> None:
    reader.nodes += nodes
    if reader.nodes > MAX_NODES:
        raise _mistake(reader.file, line, "there is too much in this file", f"at most {MAX_NODES} values")


def _scalar(event: ScalarEvent, line: int) -> Written | int | float | bool | None:
    text: str = event.value
    if event.style:  # quoted or a block: text, whatever it looks like; a block's text starts on the next line
        block = event.style in "|>"
        return Written.at(text, line + block, block=event.style == "|")
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return Written.at(text, line)


def _mistake(file: str, line: int, message: str, hint: str) -> PlaybookError:
    return PlaybookError([Problem(file, line, message, hint)])
