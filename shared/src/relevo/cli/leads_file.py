"""A CSV file of leads as touchpoints: its encoding, its delimiter, what its columns mean, what each row says."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from relevo.meanings import CLICK_IDS, MEANINGS, UTM, is_machinery, is_no, meanings, person, plain

DELIMITERS = ",;\t|"
_SAMPLED = 200  # rows whose values help to say what columns mean
_OWN = "relevo_"  # columns of a rejects file, which may be imported once mended
_PLAIN = ("email", "phone", "user_id", "anonymous_id", "url", "title", "form")

csv.field_size_limit(1024 * 1024)  # a longer cell is refused by ingest anyway, and here with its row


class Unreadable(ValueError):
    """The file is no table; the message says what to do."""


@dataclass(frozen=True)
class Columns:
    """What the columns mean: a meaning each, a part of the campaign, or a field of their own name."""

    names: tuple[str, ...]
    meaning: Mapping[str, str]  # column → meaning
    examples: Mapping[str, str]  # column → the first value it has

    def becomes(self, column: str) -> str | None:
        """For people: what is made of a column; None where it is left out."""
        if column in self.meaning:
            return self.meaning[column]
        if _campaign(column) is not None:
            return f"campaign: {_campaign(column)}"
        return None if _left_out(column) else f"field: {column}"


@dataclass(frozen=True)
class Table:
    """The file as it was found. `rows` counts those that are not empty."""

    path: Path
    encoding: str
    delimiter: str
    columns: Columns
    rows: int
    digest: str  # of its bytes

    def read(self) -> Iterator["Row"]:
        """Every row that is not empty, in order."""
        seen: Counter[str] = Counter()
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            next(reader)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Row(reader.line_num, (), "", f"no CSV: {error}")
                    continue
                if any(cell.strip() for cell in cells):
                    content = "\0".join((self.path.name, *self.columns.names, *cells))
                    seen[content] += 1
                    digest = sha256(f"{content}\0{seen[content]}".encode()).hexdigest()
                    wide = len(cells) - len(self.columns.names)
                    problem = f"{wide} cells more than there are columns" if wide > 0 else None
                    yield Row(reader.line_num, tuple(cells), f"import:{digest[:40]}", problem)


@dataclass(frozen=True)
class Row:
    """A row: the line it ends on, its cells, and an id that is the same whenever the same file is read again, also
    with rows added or moved."""

    line: int
    cells: tuple[str, ...]
    event_id: str
    problem: str | None = None


def look(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Table:
    """The table in a file. `mapping` is column → meaning, before any guess; an empty meaning leaves a column as a field
    of its own name. Raises Unreadable, OSError."""
    digest, told = _scan(path)
    encoding = encoding or told
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline()
            if not first.strip():
                raise Unreadable("the file is empty: its first line names the columns")
            delimiter = delimiter or max(DELIMITERS, key=lambda one: len(next(csv.reader([first], delimiter=one))))
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            names = _unique(next(reader))
            examples: dict[str, str] = {}
            rows = 0
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error:
                    rows += 1
                    continue
                if not any(cell.strip() for cell in cells):
                    continue
                rows += 1
                if rows <= _SAMPLED:
                    for name, cell in zip(names, cells, strict=False):
                        if cell.strip():
                            examples.setdefault(name, cell.strip())
    except UnicodeDecodeError:
        raise Unreadable(f"the file is not {encoding}: say what it is with --encoding, as in cp1252") from None
    except LookupError:
        raise Unreadable("there is no such encoding: utf-8, utf-8-sig and cp1252 are the usual ones") from None
    return Table(path, encoding, delimiter, _columns(names, examples, mapping or {}), rows, digest)


def touchpoint(columns: Columns, row: Row, touch: str, date_format: str | None = None) -> dict[str, Any]:
    """The row as `POST /v1/touchpoints` takes it. Raises ValueError: what of it cannot be read."""
    if row.problem is not None:
        raise ValueError(row.problem)
    cells = {name: cell.strip() for name, cell in zip(columns.names, row.cells, strict=False) if cell.strip()}
    of = {meaning: cells[column] for column, meaning in columns.meaning.items() if column in cells}
    first, last, full = person(of.get("first_name"), of.get("last_name"), of.get("name"))
    body: dict[str, Any] = {name: of[name] for name in _PLAIN if name in of}
    body |= {"type": touch, "id": of.get("event_id") or row.event_id, "text": of.get("message")}
    body |= {"first_name": first, "last_name": last, "name": full}
    body["occurred_at"] = _moment(of["occurred_at"], date_format) if "occurred_at" in of else None
    if "company" in of or "website" in of:
        body["company"] = {"name": of.get("company"), "domain": of.get("website")}
    if "consent" in of:
        body["consent"] = {"basis": "none" if is_no(of["consent"]) else "consent"}
    fields: dict[str, str] = {}
    campaign: dict[str, Any] = {}
    for column, cell in cells.items():
        part = _campaign(column)
        if column in columns.meaning or _left_out(column):
            continue
        if part in CLICK_IDS:
            campaign.setdefault("ad_ids", {})[part] = cell
        elif part is not None:
            campaign[part] = cell
        else:
            fields[column] = cell
    body |= {"fields": fields, "campaign": campaign or None}
    return {name: value for name, value in body.items() if value is not None}


def _scan(path: Path) -> tuple[str, str]:
    """The digest of its bytes, and how they are text: UTF-8, with or without its mark, or else Windows' cp1252, which
    spreadsheets in Europe write."""
    digest, decoder, encoding = sha256(), codecs.getincrementaldecoder("utf-8")(), "utf-8-sig"
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
            if encoding != "cp1252":
                try:
                    decoder.decode(part)
                except UnicodeDecodeError:
                    encoding = "cp1252"
    if encoding != "cp1252":
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            encoding = "cp1252"
    return digest.hexdigest(), encoding


def _unique(header: Sequence[str]) -> tuple[str, ...]:
    """Names for all columns, no two alike."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = " ".join(cell.split()) or f"column {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return tuple(names)


def _columns(names: tuple[str, ...], examples: Mapping[str, str], mapping: Mapping[str, str]) -> Columns:
    for column, meaning in mapping.items():
        if column not in names:
            raise Unreadable(f"there is no column {column!r}; there are {', '.join(names)}")
        if meaning and meaning not in MEANINGS:
            raise Unreadable(f"{meaning} is no meaning; known are {', '.join(MEANINGS)}")
    told = {meaning: column for column, meaning in mapping.items() if meaning}
    guessed = meanings({name: examples.get(name, "") for name in names if name not in mapping}, {})
    # An event_id may well be the webinar's, the same in every row, and would make one touchpoint of them all.
    found = {
        meaning: column
        for meaning, column in guessed.items()
        if meaning not in (*told, "event_id") and not _left_out(column)
    }
    return Columns(names, {column: meaning for meaning, column in (found | told).items()}, examples)


def _left_out(column: str) -> bool:
    return is_machinery(column) or column.startswith(_OWN)


def _campaign(column: str) -> str | None:
    name = plain(column)
    return UTM.get(name) or (name if name in CLICK_IDS else None)


def _moment(cell: str, date_format: str | None) -> str:
    try:
        moment = datetime.strptime(cell, date_format) if date_format else datetime.fromisoformat(cell)  # noqa: DTZ007
    except ValueError:
        raise ValueError("occurred_at: no date; say how it is written with --date-format, as in %d/%m/%Y") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
