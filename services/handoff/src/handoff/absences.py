"""PURE: absences out of an iCalendar file (RFC 5545): whole days, and what is marked as out of office."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar

MOST = 500


class NoCalendar(ValueError):
    """It cannot be read; the text says why, and holds nothing of the file."""


@dataclass(frozen=True, order=True)
class Absence:
    """[start, until), in UTC."""

    start: datetime
    until: datetime
    uid: str


def absences(text: str, zone: str, now: datetime) -> tuple[list[Absence], int]:
    """Those that are not over, in order; and how many entries were passed over because they recur, which a calendar
    program writes out one by one when it is asked to. Whole days begin at midnight in `zone`. Raises NoCalendar."""
    try:
        entries = Calendar.from_ical(text).walk("VEVENT")
    except (ValueError, IndexError, KeyError, TypeError):
        raise NoCalendar("that is no iCalendar file (RFC 5545)") from None
    if len(entries) > MOST:
        raise NoCalendar(f"more than {MOST} entries: export the absences alone")
    busy = [entry for entry in entries if _is_absence(entry)]
    single = [entry for entry in busy if "RRULE" not in entry]
    found = (_read(entry, ZoneInfo(zone)) for entry in single)
    return sorted(each for each in found if each.until > now and each.until > each.start), len(busy) - len(single)


def _is_absence(entry: Any) -> bool:
    if str(entry.get("STATUS", "")).upper() == "CANCELLED" or str(entry.get("TRANSP", "")).upper() == "TRANSPARENT":
        return False
    out = str(entry.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper() == "OOF"
    return "DTSTART" in entry and (out or not isinstance(entry.decoded("DTSTART"), datetime))


def _read(entry: Any, zone: ZoneInfo) -> Absence:
    try:
        start, until = entry.start, entry.end
    except Exception:  # noqa: BLE001  the library has an exception of its own for each way of being wrong
        raise NoCalendar("an entry has no sound beginning and end") from None
    return Absence(_moment(start, zone), _moment(until, zone), str(entry.get("UID", ""))[:200])


def _moment(at: date | datetime, zone: ZoneInfo) -> datetime:
    whole = at if isinstance(at, datetime) else datetime.combine(at, time(), zone)
    return (whole if whole.tzinfo else whole.replace(tzinfo=zone)).astimezone(UTC)


def changes(before: Sequence[Absence], after: Sequence[Absence]) -> tuple[list[Absence], list[Absence]]:
    """What is new, and what is there no more."""
    return [each for each in after if each not in before], [each for each in before if each not in after]
