"""How single values are written in the playbook: durations, shares, ids, cells; and the base of every document part."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,185}\.[^@\s.]{2,63}")


def _checked_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise PydanticCustomError("id", "is no id; use a-z, 0-9, - and _, at most 64 of them")
    return value


def _checked_email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "is no e-mail address; such as ana@example.com")
    return value


def _checked_currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise PydanticCustomError("currency", "is no currency; write its three letters, such as EUR")
    return value


Currency = Annotated[str, AfterValidator(_checked_currency)]
Id = Annotated[str, AfterValidator(_checked_id)]
Email = Annotated[str, AfterValidator(_checked_email)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
# Strict: `true` is no number here, and "3" is text.
Number = Annotated[float, Strict()]
Count = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Points = Annotated[Number, Field(ge=-100_000, le=100_000)]
Cell = Literal["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3"]

LONGEST = timedelta(days=3660)  # ten years: more is a slip of the pen
_DURATION = re.compile(r"(?=.)(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)
_SHARE = re.compile(r"(\d{1,4}(?:\.\d{1,3})?) ?%", re.ASCII)


class Part(BaseModel):
    """A part of a document: frozen, and a key it does not know is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


def parse_duration(text: object) -> timedelta:
    """`14d`, `4h`, `45m`, `30s`, or together, largest first: `1h30m`. Raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise PydanticCustomError("duration", "is no duration; write 14d, 4h, 45m, 30s or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(0) < duration <= LONGEST:
        raise PydanticCustomError("duration", "is too short or too long; more than nothing, at most 3660d")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest writing that `parse_duration` reads back as the same (whole seconds)."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counted = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in counted if count)


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]


@dataclass(frozen=True)
class At:
    """A moment on a promise's way: a share of its target (`50%` is 0.5) or a time after the start."""

    share: float | None = None
    after: timedelta | None = None

    def of(self, target: timedelta) -> timedelta:
        """How long after the start, for this target; both in the clock's own (business) time."""
        return self.after if self.after is not None else target * (self.share or 0.0)

    def __str__(self) -> str:
        return format_duration(self.after) if self.after is not None else f"{(self.share or 0.0) * 100:.6g}%"


def parse_at(value: object) -> At:
    """`50%` (of the target) or `45m` (after the start)."""
    if isinstance(value, At):
        return value
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        share = float(match[1]) / 100
        if not 0 < share <= 10:
            raise PydanticCustomError("share", "is too little or too much; more than 0%, at most 1000%")
        return At(share=share)
    try:
        return At(after=parse_duration(value))
    except PydanticCustomError:
        raise PydanticCustomError("at", "is no moment; write a share of the target (50%) or a time (45m)") from None


Moment = Annotated[At, BeforeValidator(parse_at), PlainSerializer(str)]


def parse_amount(value: object) -> object:
    """A target: a plain number, or a share (`80%` is 0.8)."""
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        return float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("amount", "is no amount; write a number (40) or a share (80%)")
    return value


Amount = Annotated[float, Field(gt=0, le=1e12), BeforeValidator(parse_amount)]
