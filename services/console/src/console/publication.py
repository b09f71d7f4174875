"""PURE: what becomes of a proposed playbook: who may approve for which team, what is missing, what is said."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from relevo.events import PlaybookPublished
from relevo.events.console import Approval

Side = Literal["marketing", "sales"]
SIDES: Final[tuple[Side, ...]] = ("marketing", "sales")

# Whose agreement a role can give. A rep lives under the agreement, and does not sign it.
_SIGNS_FOR: Final[dict[str, frozenset[Side]]] = {
    "admin": frozenset(SIDES),
    "manager": frozenset({"sales"}),
    "marketing": frozenset({"marketing"}),
}


@dataclass(frozen=True)
class Publication:
    """One revision: version `version` of the documents in force from `at` until the next revision."""

    revision: int
    version: str
    documents: dict[str, str]
    approvals: tuple[Approval, ...]
    at: datetime
    by: str
    event_id: UUID


def signs_for(role: str) -> frozenset[Side]:
    """The teams for which `role` may approve; none for a role that is not known."""
    return _SIGNS_FOR.get(role, frozenset())


def approved(given: Iterable[Approval], sides: Collection[Side], by: str, at: datetime) -> tuple[Approval, ...]:
    """`given` with `by`'s approval for `sides`. The first approval of a team stays: approving again changes nothing."""
    first = {approval.side: approval for approval in given}
    for side in sides:
        first.setdefault(side, Approval(side=side, by=by, at=at))
    return tuple(first[side] for side in SIDES if side in first)


def missing(approvals: Iterable[Approval]) -> tuple[Side, ...]:
    """The teams whose approval is still wanted; publishing needs none missing."""
    given = {approval.side for approval in approvals}
    return tuple(side for side in SIDES if side not in given)


def event_of(publication: Publication) -> PlaybookPublished:
    """`playbook.published` of a revision; always the same id, so that sending it again changes nothing anywhere."""
    return PlaybookPublished(
        id=publication.event_id,
        at=publication.at,
        by=publication.by,
        revision=publication.revision,
        version=publication.version,
        documents=publication.documents,
        approvals=publication.approvals,
    )
