"""PURE: what an answer to a delivery means, and when the next try is due."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

# After the one before; the first at once. Three days in all: a weekend's outage is survived.
PAUSES = (
    timedelta(0), timedelta(seconds=5), timedelta(seconds=30),
    timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30),
    timedelta(hours=2), timedelta(hours=5), timedelta(hours=10), timedelta(hours=14), timedelta(hours=20),
    timedelta(hours=24),
)  # fmt: skip
JITTER = 0.2  # of a pause, either way: those who failed together do not come back together
LONGEST_WISH = timedelta(hours=24)  # of Retry-After: a target may slow us down, not stop us

Outcome = Literal["made", "again", "refused", "gone"]
"""Delivered; another try; never this one; never again anything."""


def outcome(status: int | None) -> Outcome:
    """2xx is delivered, 410 means never again, everything else (redirects and no answer at all too) another try."""
    if status is not None and 200 <= status < 300:
        return "made"
    return "gone" if status == 410 else "again"


def next_try(tries: int, now: datetime, chance: float, wish: timedelta | None = None) -> datetime | None:
    """When to try again after `tries` that failed; None: give up. `chance` from 0 to 1 spreads the pause by ±20 %;
    `wish` is what the target asked for (`retry_after`), which only ever makes it later."""
    if tries >= len(PAUSES):
        return None
    pause = PAUSES[tries] * (1 - JITTER + 2 * JITTER * chance)
    return now + max(pause, min(wish or timedelta(0), LONGEST_WISH))


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """`Retry-After`, in seconds or as an HTTP date (by the real clock `now`); None where there is none to read."""
    if header is None:
        return None
    if header.strip().isdecimal() and header.isascii():
        return timedelta(seconds=min(int(header), 10**6))
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))
