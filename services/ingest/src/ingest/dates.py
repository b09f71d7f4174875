"""Senders' dates, as odd as they come: ISO 8601 with one-digit months, without a zone, epoch seconds or ms. PURE."""

import re
from datetime import UTC, datetime, timedelta

FORGIVEN = timedelta(minutes=5)  # by which a sender's clock may run ahead of ours
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.IGNORECASE,
)


def lenient(value: object) -> datetime | None:
    """`value` as a moment in UTC, or None where it is none. Without a zone it is UTC; numbers are seconds since 1970,
    or milliseconds where seconds would lie beyond the year 5138."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= 1e11 else value
            return _EARLIEST + timedelta(seconds=seconds)
        if not isinstance(value, str) or len(value) > 64:
            return None
        if re.fullmatch(r"\d{9,14}(?:\.\d{1,6})?", value):
            return lenient(float(value))
        return _iso(value.strip())
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    # 23:59:60, a leap second, is told as the second after it.
    leap = second == "60"
    moment = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), 59 if leap else int(second or 0), micro, UTC
    )
    if leap:
        moment += timedelta(seconds=1)
    if zone and zone.upper() != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:].lstrip(":") or 0))
        moment = moment - offset if zone[0] == "+" else moment + offset
    return moment


def corrected(told: datetime | None, sent_at: datetime | None, received_at: datetime) -> datetime | None:
    """A moment by our clock, where the sender's, which may be wrong, says both it and when it was sent."""
    if told is None or sent_at is None:
        return told
    try:
        return received_at - (sent_at - told)
    except OverflowError:
        return told


def occurred(told: datetime | None, received_at: datetime) -> datetime:
    """When it happened: as the sender says, in UTC; the receipt where nothing is said, or what lies before 1970 or
    more than five minutes ahead of us."""
    if told is None:
        return received_at
    try:
        moment = told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except OverflowError:  # year 1 or 9999, moved over the edge by its zone
        return received_at
    return moment if _EARLIEST <= moment <= received_at + FORGIVEN else received_at
