"""What a form says about a lead, as typed values; which field fills which variable, company.yaml says. Never raises.

Numbers are read as people write them. `1.000`, `1,000` and `1 000` are a thousand, `1.000,50` and `1,000.50` a thousand
and a half unit, `10 mil` and `10k` ten thousand. Of a range the lower end counts (`51-200` is 51, `200+` is 200): the
agreement may count on what is certain. What cannot be read is left out, and the variable keeps its default.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from relevo.playbook.company import Company, FieldType, OwnField
from relevo.playbook.variables import LEAD, LEAST_INT, MOST_INT
from relevo.playbook.words import fold

AttributeValue = str | int | float | bool | tuple[str, ...]

LONGEST_TEXT = 500
LONGEST_LIST = 50
BUILT_IN: Final = {variable.name: variable for variable in LEAD}

_NUMBER = re.compile(
    r"(?<![\w.,])(-?)(\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d[\d.,]{0,30})"
    r"\s*(?:(k|mil|m|millones|million|millions)\b)?",
    re.ASCII | re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*", re.ASCII)
_TIMES = {"k": 1e3, "mil": 1e3, "m": 1e6, "millones": 1e6, "million": 1e6, "millions": 1e6}
_YES = frozenset(("true", "yes", "y", "si", "s", "1", "on", "x", "ok", "verdadero", "oui", "ja", "sim"))
_NO = frozenset(("false", "no", "n", "0", "off", "falso", "non", "nein", "nao", "ninguno", "none"))


def attributes(company: Company, fields: Mapping[str, object]) -> dict[str, AttributeValue]:
    """The variables (`lead.…`, `company.…`) these form fields fill; of several sources the first that can be read."""
    given = {_squeezed(name): str(value) for name, value in fields.items() if value is not None}
    found: dict[str, AttributeValue] = {}
    for variable, own in company.fields.items():
        for source in own.sources:
            written = given.get(_squeezed(source), "").strip()
            value = _read(variable, own, written) if written else None
            if value is not None:
                found[variable] = value
                break
    return found


def _squeezed(name: str) -> str:
    """`jobTitle`, `job_title` and `Job title` are one name."""
    return _one_word(name[:200])


@lru_cache(maxsize=8192)
def _one_word(name: str) -> str:
    return fold(name).replace(" ", "")


def _read(variable: str, own: OwnField, written: str) -> AttributeValue | None:
    wanted = fold(written[:LONGEST_TEXT])
    for spelling, meant in own.values.items():
        if fold(spelling) == wanted:
            return parse(type_of(variable, own), str(meant))
    value = parse(type_of(variable, own), written)
    if isinstance(value, str):
        if variable.endswith(".country") and len(value) == 2:
            return value.upper()
        if variable == "lead.language":
            return value[:2].lower() if re.match(r"[A-Za-z]{2}([-_]|$)", value) else value.lower()
    return value


def type_of(variable: str, own: OwnField) -> FieldType:
    """A built-in variable's type is known; an own one says it."""
    built_in = BUILT_IN.get(variable)
    if built_in is not None and built_in.type != "map":
        return built_in.type
    return own.type or "string"


def parse(kind: FieldType, written: str) -> AttributeValue | None:
    """What was written, as this type; None if it cannot be read so."""
    return _PARSERS[kind](written)


def _text(written: str) -> str | None:
    return " ".join(written[:LONGEST_TEXT].split()) or None


def _double(written: str) -> float | None:
    match = _NUMBER.search(written[:LONGEST_TEXT])
    if match is None:
        return None
    sign, digits, unit = match[1], re.sub(r"[ \u00a0\u202f]", "", match[2]).rstrip(".,"), match[3]
    if _THOUSANDS.fullmatch(digits):
        digits = re.sub("[.,]", "", digits)
    elif "." in digits and "," in digits:
        decimal = max(".,", key=digits.rfind)
        digits = digits.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    else:
        digits = digits.replace(",", ".")
    try:
        number = float(digits) * _TIMES.get((unit or "").lower(), 1.0)
    except ValueError:  # 1.2.3: a version, an address, no number
        return None
    return -number if sign and match.start() == _first_sign(written) else number


def _first_sign(written: str) -> int:
    """Only a sign that opens the text makes a number negative; elsewhere it is a dash."""
    return len(written) - len(written.lstrip())


def _int(written: str) -> int | None:
    number = _double(written)
    return int(number) if number is not None and LEAST_INT < number < MOST_INT else None


def _bool(written: str) -> bool | None:
    word = fold(written[:LONGEST_TEXT])
    return True if word in _YES else False if word in _NO else None


def _list(written: str) -> tuple[str, ...] | None:
    parts = (" ".join(part.split()) for part in re.split(r"[,;|\n]", written[: LONGEST_TEXT * 4]))
    return tuple(part for part in parts if part)[:LONGEST_LIST] or None


_PARSERS: dict[FieldType, Callable[[str], AttributeValue | None]] = {
    "string": _text, "int": _int, "double": _double, "bool": _bool, "list": _list,
}  # fmt: skip
