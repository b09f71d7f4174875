"""PURE: English or Spanish; how words, moments, spans and numbers are written for the reader."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from console import english, spanish

Language = Literal["en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
NAMES: Final[dict[Language, str]] = {"en": "English", "es": "Español"}
_WORDS: Final[dict[Language, dict[str, str]]] = {"en": english.WORDS, "es": spanish.WORDS}


@dataclass(frozen=True)
class Speech:
    """A reader's language, the zone times are shown in, and the moment the page speaks of."""

    language: Language
    zone: ZoneInfo
    now: datetime

    def __call__(self, key: str, **given: object) -> str:
        """The words for `key`. What is put into them is text: the template escapes the whole."""
        return _WORDS[self.language][key].format(**given)

    def raw(self, key: str) -> str:
        """The words with their placeholders, for the page's script."""
        return _WORDS[self.language][key]

    def word(self, group: str, name: str | None) -> str:
        """The word for a name out of an event (`reason.wrong_size`); an unknown one stays as it is."""
        return _WORDS[self.language].get(f"{group}.{name}", (name or "").replace("_", " "))

    def when(self, at: datetime) -> str:
        """`14:03` today, `26 Jul 14:03` this year, `26 Jul 2025` else; in the reader's zone."""
        there, today = at.astimezone(self.zone), self.now.astimezone(self.zone)
        if there.date() == today.date():
            return f"{there:%H:%M}"
        day = f"{there.day} {self('months').split()[there.month - 1]}"
        return f"{day} {there:%H:%M}" if there.year == today.year else f"{day} {there.year}"

    def exactly(self, at: datetime) -> str:
        """Date, time and zone in full, for those who hover."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"

    def ago(self, at: datetime) -> str:
        gone = self.now - at
        if abs(gone) < timedelta(seconds=10):
            return self("just_now")
        return self("ago" if gone > timedelta(0) else "ahead", span=self.span(abs(gone), 1))

    def span(self, length: timedelta | float, units_shown: int = 2) -> str:
        """The largest units: `3 d 4 h`, `2 h 10 min`, `45 s`."""
        seconds = length.total_seconds() if isinstance(length, timedelta) else length
        if seconds < 10:
            return f"{self.number(seconds, 1 if seconds else 0)} s"
        units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
        first = next(i for i, (_, size) in enumerate(units) if seconds >= size)
        parts = []
        for unit, size in units[first : first + units_shown]:
            count, seconds = divmod(seconds, size)
            parts.append(f"{int(count)} {unit}" if count else "")
        return " ".join(filter(None, parts))

    def number(self, value: float, digits: int = 0) -> str:
        """With the language's own marks: 1,234.5 or 1.234,5."""
        written = f"{value:,.{digits}f}"
        return written.translate(str.maketrans(",.", ".,")) if self.language == "es" else written

    def points(self, value: float) -> str:
        """Signed, without needless digits: +40, −7.5."""
        written = self.number(abs(value), 0 if round(value, 1) == round(value) else 1)
        return ("−" if value < 0 else "+") + written

    def share(self, part: float, whole: float = 1.0) -> str:
        """A part as per cent; a dash where there is no whole."""
        if not whole:
            return "–"
        per_cent = 100 * part / whole
        written = self.number(per_cent, 1 if 0 < per_cent < 10 and per_cent != round(per_cent) else 0)
        return f"{written} %" if self.language == "es" else f"{written}%"


def choose(asked: str | None, accepted: str | None) -> Language:
    """The language that was asked for (the switch), else the best of an Accept-Language header, else English."""
    for language in LANGUAGES:
        if asked == language:
            return language
    for tag in _by_weight(accepted or ""):
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                return language
    return "en"


def _by_weight(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110), the most wanted first; what is malformed counts for nothing."""
    weighed = []
    for place, part in enumerate(header.lower().split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, _, tag in sorted(weighed) if weight < 0]
