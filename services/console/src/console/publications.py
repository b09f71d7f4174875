"""SQL of the playbook's drafts and publications. Whoever changes them holds `serialised` first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, desc, select, text
from sqlalchemy.dialects.postgresql import insert

from console.publication import Publication
from console.tables import draft, publication
from relevo.events.console import Approval
from relevo.stream import Transaction

_LOCK = text("select pg_advisory_xact_lock(hashtext('console.publication'))")


@dataclass(frozen=True)
class Draft:
    """A playbook that waits for an approval."""

    version: str
    documents: dict[str, str]
    approvals: tuple[Approval, ...]
    at: datetime
    by: str


async def serialised(tx: Transaction) -> None:
    """One publisher at a time, until the transaction ends: revisions count without gaps or doubles."""
    await tx.execute(_LOCK)


async def active(tx: Transaction) -> Publication | None:
    found = (await tx.execute(select(publication).order_by(desc(publication.c.revision)).limit(1))).first()
    return _publication(found) if found else None


async def revisions(tx: Transaction, before: int | None, limit: int) -> list[Publication]:
    """Newest first, below revision `before`."""
    statement = select(publication).order_by(desc(publication.c.revision)).limit(limit)
    if before is not None:
        statement = statement.where(publication.c.revision < before)
    return [_publication(row) for row in await tx.execute(statement)]


async def revision(tx: Transaction, number: int) -> Publication | None:
    found = (await tx.execute(select(publication).where(publication.c.revision == number))).first()
    return _publication(found) if found else None


async def drafts(tx: Transaction) -> list[Draft]:
    """Newest first."""
    return [_draft(row) for row in await tx.execute(select(draft).order_by(desc(draft.c.at)))]


async def find_draft(tx: Transaction, version: str) -> Draft | None:
    found = (await tx.execute(select(draft).where(draft.c.version == version))).first()
    return _draft(found) if found else None


async def save_draft(tx: Transaction, kept: Draft) -> None:
    row = insert(draft).values(
        version=kept.version,
        documents=kept.documents,
        approvals=_plain(kept.approvals),
        at=kept.at,
        by=kept.by,
    )
    changed = {"documents": row.excluded.documents, "approvals": row.excluded.approvals}
    await tx.execute(row.on_conflict_do_update(index_elements=["version"], set_=changed))


async def publish(tx: Transaction, new: Publication) -> None:
    """Keep the revision; its draft is done."""
    await tx.execute(
        insert(publication).values(
            revision=new.revision,
            version=new.version,
            documents=new.documents,
            approvals=_plain(new.approvals),
            at=new.at,
            by=new.by,
            event_id=new.event_id,
        )
    )
    await tx.execute(delete(draft).where(draft.c.version == new.version))


def _plain(approvals: Sequence[Approval]) -> list[dict[str, Any]]:
    return [approval.model_dump(mode="json") for approval in approvals]


def _approvals(stored: list[dict[str, Any]]) -> tuple[Approval, ...]:
    return tuple(Approval.model_validate(approval) for approval in stored)


def _publication(row: Row[Any]) -> Publication:
    return Publication(
        row.revision, row.version, row.documents, _approvals(row.approvals), row.at, row.by, row.event_id
    )


def _draft(row: Row[Any]) -> Draft:
    return Draft(row.version, row.documents, _approvals(row.approvals), row.at, row.by)
