"""What every way of answering has in common: whose lead it is, at which version, and what is said when it cannot be."""

from typing import Any
from uuid import UUID

from handoff import merging, queries
from handoff.answer import Refused
from handoff.assignment import Assignment
from handoff.settle import Answering, Settled, settle
from relevo.playbook import Playbook
from relevo.service import Problem
from relevo.stream import Transaction


async def settled(tx: Transaction, assignment_id: UUID, version: int, said: Answering, rep: str | None) -> Settled:
    """Carry out an answer of `rep` (None: of somebody who may answer for anybody). Raises Problem 404, 403 or 409."""
    found = await queries.lock_assignment(tx, assignment_id)
    if found is None:
        raise unknown()
    if not theirs(rep, found):
        raise Problem(403, "Not your lead", detail="It belongs to another rep, and never was yours.")
    if (heir := await merging.heir(tx, found)) is not None:
        raise conflict("It is one person with another lead", heir, tx.playbook, "answer what goes on under that one")
    if version != found.version or rep not in (None, found.rep):
        raise conflict("Not the current version", found, tx.playbook)
    outcome = await settle(tx, found, said.of(found.rep, found.trace))
    if isinstance(outcome, Refused):
        raise conflict("It contradicts what is so already", found, tx.playbook, outcome.because)
    return outcome


def theirs(rep: str | None, found: Assignment) -> bool:
    """A rep sees the leads they have, and those they had."""
    return rep is None or rep in found.owners


def unknown() -> Problem:
    return Problem(404, "No such assignment", detail="It does not exist, or is another rep's.")


def conflict(title: str, found: Assignment, playbook: Playbook, because: str | None = None) -> Problem:
    """409, saying who owns the lead now."""
    rep = playbook.routing.rep(found.rep) if found.rep else None
    owner = f"it belongs to {rep.name if rep else found.rep}" if found.rep else "it waits for a rep"
    now = f"At version {found.version} {owner}, and is {found.stage}."
    detail = f"{because[0].upper()}{because[1:]}. {now}" if because else now
    more: dict[str, Any] = {
        "assignment_id": str(found.assignment_id),
        "version": found.version,
        "rep": found.rep,
        "stage": found.stage,
    }
    return Problem(409, title, detail=detail, more=more)
