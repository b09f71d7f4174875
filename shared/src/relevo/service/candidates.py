"""What every service does alike with a candidate playbook: is it sound; simulated since when, one at a time."""

from asyncio import Lock
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from relevo.playbook import Playbook, PlaybookError, load, parse_duration
from relevo.service.problems import Problem
from relevo.stream import Transaction

one_at_a_time: Final = Lock()  # of this process; each takes a core for a while
_DOCUMENTS: Final = "select documents from playbook where revision = $1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _since(written: object) -> datetime | timedelta:
    if isinstance(written, str):
        with suppress(ValueError):
            return parse_duration(written)
        with suppress(ValueError):
            if (at := datetime.fromisoformat(written)).tzinfo is not None:
                return at
    raise PydanticCustomError("since", "is no moment with a zone, and no duration; write 2026-01-31T00:00:00Z, or 90d")


# A moment, or how long ago by this system's clock.
Since = Annotated[datetime | timedelta, PlainValidator(_since, json_schema_input_type=str)]


def moment(since: datetime | timedelta, now: datetime) -> datetime:
    """1970 at the earliest."""
    return since if isinstance(since, datetime) else now - min(since, now - _EPOCH)


async def active(tx: Transaction) -> Mapping[str, str]:
    """The six files of the playbook under which this transaction decides."""
    found: Mapping[str, str] = (await tx.driver_sql(_DOCUMENTS, tx.stamp.revision)).scalar_one()
    return found


def sound(documents: Mapping[str, str]) -> Playbook:
    """Raises Problem 422 with every mistake: file, line, message, hint."""
    try:
        return load(documents)
    except PlaybookError as error:
        problems = [{"file": e.file, "line": e.line, "message": e.message, "hint": e.hint} for e in error.problems]
        detail = f"{len(problems)} to mend, the first: {error.problems[0]}"
        raise Problem(
            422, "Not a valid playbook", detail=detail, field="documents", more={"problems": problems}
        ) from None


def refuse_another() -> None:
    """Raises Problem 409 while `one_at_a_time` is taken; else whoever asks takes it before awaiting anything."""
    if one_at_a_time.locked():
        raise Problem(409, "A simulation is running", detail="Try again when it has ended.")
