"""Phone numbers in E.164, by Google's rules (libphonenumber). PURE.

The library takes some 35 µs for a number, as much as all else that is done to a touchpoint. A number of plain digits
whose length its country knows, and which begins with no trunk prefix, needs only the library's tables; a test holds
both ways against each other for every country.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

_LOOKS = re.compile(r"\+?[\d\s().·/-]{6,24}(?:\s*(?:ext|x|#)\.?\s*\d{1,6})?", re.IGNORECASE)
_BETWEEN = str.maketrans("", "", " .-/·\u00a0")


class _Country(NamedTuple):
    lengths: tuple[int, ...]  # of its numbers, without the country code
    trunk: "re.Pattern[str]"  # what stands before them at home


def e164(text: str, country: str | None) -> str | None:
    """The number in E.164, or None where it is none, or could only be one in a country that nobody named. `country`
    (ISO 3166) is that of numbers written without a country code."""
    text = text.strip()
    if not 6 <= len(text) <= 40 or _LOOKS.fullmatch(text) is None:
        return None
    if text.startswith("00"):
        text = "+" + text[2:]
    if country is None and not text.startswith("+"):
        return None
    return _plain(text, country) or _parsed(text, country)


def _plain(text: str, country: str | None) -> str | None:
    """By the tables alone; None where that does not settle it."""
    digits = text.translate(_BETWEEN)
    if digits.startswith("+"):
        digits = digits[1:]
        code = next((digits[:n] for n in (1, 2, 3) if digits[:n] in _CODES), None)
    else:
        code = _code_of(country) if country else None
        if code is None or digits.startswith(code):  # the country code may stand there without its plus
            return None
        digits = code + digits
    if code is None or not (digits.isascii() and digits.isdigit()):
        return None
    rules, own = _country(code), digits[len(code) :]
    if rules is None or len(own) not in rules.lengths or rules.trunk.match(own) is not None:
        return None
    return "+" + digits


def _parsed(text: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@lru_cache(maxsize=300)
def _code_of(country: str) -> str | None:
    code = phonenumbers.country_code_for_region(country)
    return str(code) if code else None


@lru_cache(maxsize=300)
def _country(code: str) -> _Country | None:
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    if metadata is None or metadata.general_desc is None:
        return None
    trunk = metadata.national_prefix_for_parsing
    # Where a country has none, nothing matches.
    return _Country(tuple(metadata.general_desc.possible_length), re.compile(trunk if trunk else r"(?!)"))
