"""HTTP: the agreement is checked, approved by both teams, published; the active revision is sent again."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from console import publication, publications
from console.access import sees, settings_of
from console.publication import Publication, Side
from console.publications import Draft
from console.settings import Settings
from relevo.events import uuid7
from relevo.events.console import Approval
from relevo.service import Actor, Answer, Problem, Text, body, needs, of, respond, takes, write
from relevo.service.candidates import sound
from relevo.stream import Transaction

router = APIRouter(prefix="/v1/playbooks", tags=["playbooks"])

Reader = Annotated[Actor, Depends(sees("read"))]
Author = Annotated[Actor, Depends(needs("playbook"))]


class Proposal(BaseModel):
    """Six documents and the teams for which the sender approves them now."""

    model_config = ConfigDict(extra="forbid")

    documents: dict[Text, Text] = Field(min_length=1, max_length=20, description="File name → YAML text.")
    approvals: frozenset[Side] = frozenset()


class Approving(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approvals: frozenset[Side] = Field(min_length=1)


@router.post(
    "",
    summary="Check a playbook; approve it for a team; published once both teams approve",
    openapi_extra=takes(Proposal),
)
async def propose(request: Request, actor: Author) -> Response:
    proposal = await body(request, Proposal)
    _may_sign(request, actor, proposal.approvals)
    version = sound(proposal.documents).version

    async def work(tx: Transaction) -> Answer:
        await publications.serialised(tx)
        waiting = await publications.find_draft(tx, version)
        given = waiting.approvals if waiting else ()
        approvals = publication.approved(given, proposal.approvals, actor.by, tx.now)
        return await _proceed(tx, Draft(version, proposal.documents, approvals, tx.now, actor.by))

    return await write(request, work)


@router.post("/{version}/approve", summary="Approve a waiting playbook for a team", openapi_extra=takes(Approving))
async def approve(request: Request, version: str, actor: Author) -> Response:
    approving = await body(request, Approving)
    _may_sign(request, actor, approving.approvals)

    async def work(tx: Transaction) -> Answer:
        return await approve_draft(tx, version, approving.approvals, actor.by)

    return await write(request, work)


async def approve_draft(tx: Transaction, version: str, sides: frozenset[Side], by: str) -> Answer:
    """`by` approves the waiting playbook `version` for `sides`. Raises Problem 404 where none waits."""
    await publications.serialised(tx)
    waiting = await publications.find_draft(tx, version)
    if waiting is None:
        current = await publications.active(tx)
        if current is not None and current.version == version:
            return Answer(published(current))
        raise Problem(404, "No such draft", detail="Post its documents to /v1/playbooks first.")
    approvals = publication.approved(waiting.approvals, sides, by, tx.now)
    return await _proceed(tx, Draft(version, waiting.documents, approvals, waiting.at, waiting.by))


@router.get("", summary="Revisions, newest first, and the drafts that wait for an approval")
async def list_revisions(
    request: Request,
    actor: Reader,
    before: Annotated[int | None, Query(ge=1, description="Revisions below this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    async with of(request).transaction() as tx:
        found = await publications.revisions(tx, before, limit)
        waiting = await publications.drafts(tx)
    items = [published(one, documents=False) for one in found]
    following = found[-1].revision if len(found) == limit and found[-1].revision > 1 else None
    return respond({"items": items, "next": following, "drafts": [_drafted(one) for one in waiting]})


@router.get("/active", summary="The agreement in force, with its documents")
async def show_active(request: Request, actor: Reader) -> Response:
    async with of(request).transaction() as tx:
        current = await publications.active(tx)
    return respond(published(_there(current)))


@router.get("/{revision}", summary="One revision, with its documents: publish them again to revert to it")
async def show_revision(request: Request, revision: int, actor: Reader) -> Response:
    async with of(request).transaction() as tx:
        found = await publications.revision(tx, revision)
    if found is None:
        raise Problem(404, "No such revision", detail="GET /v1/playbooks lists them.")
    return respond(published(found))


@router.post("/active/resend", summary="Send the active revision again, for a broker that forgets; same event id")
async def resend(request: Request, actor: Author) -> Response:
    async def work(tx: Transaction) -> Answer:
        current = _there(await publications.active(tx))
        return Answer(published(current, documents=False), events=[publication.event_of(current)])

    return await write(request, work)


async def _proceed(tx: Transaction, proposed: Draft) -> Answer:
    """Publish what both teams approved; keep waiting otherwise. What is in force already changes nothing."""
    current = await publications.active(tx)
    if current is not None and current.version == proposed.version:
        return Answer(published(current))
    if publication.missing(proposed.approvals):
        await publications.save_draft(tx, proposed)
        return Answer(_drafted(proposed), status=202)
    new = Publication(
        revision=current.revision + 1 if current else 1,
        version=proposed.version,
        documents=proposed.documents,
        approvals=proposed.approvals,
        at=tx.now,
        by=proposed.by,
        event_id=uuid7(),
    )
    await publications.publish(tx, new)
    return Answer(published(new), status=201, events=[publication.event_of(new)])


def role_of(settings: Settings, actor: Actor) -> str:
    """Whose role the actor has. In local mode a token without one is the machine's owner, so an admin."""
    return actor.role or ("admin" if settings.local and actor.rep is None else "")


def _may_sign(request: Request, actor: Actor, sides: frozenset[Side]) -> None:
    refused = sides - publication.signs_for(role_of(settings_of(request), actor))
    if refused:
        raise Problem(
            403,
            "May not approve",
            detail=f"Approving for {' and '.join(sorted(refused))} takes another role: a manager approves for sales,"
            " marketing for marketing, an admin for either (`role` of the token in tokens.yaml).",
            field="approvals",
        )


def published(one: Publication, *, documents: bool = True) -> dict[str, Any]:
    shown = {
        "state": "published",
        "revision": one.revision,
        "version": one.version,
        "at": one.at,
        "by": one.by,
        "approvals": _shown(one.approvals),
        "missing": [],
    }
    return shown | {"documents": one.documents} if documents else shown


def _drafted(one: Draft) -> dict[str, Any]:
    return {
        "state": "draft",
        "version": one.version,
        "at": one.at,
        "by": one.by,
        "approvals": _shown(one.approvals),
        "missing": publication.missing(one.approvals),
    }


def _shown(approvals: Sequence[Approval]) -> list[dict[str, Any]]:
    return [approval.model_dump(mode="json") for approval in approvals]


def _there(current: Publication | None) -> Publication:
    if current is None:
        raise Problem(404, "No playbook yet", detail="Publish one: `relevo playbook publish DIR`.")
    return current
