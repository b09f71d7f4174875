"""What Slack sends when somebody clicks: its signature (v0), and which act of which assignment was meant.

https://api.slack.com/authentication/verifying-requests-from-slack, …/reference/interaction-payloads/block-actions
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from handoff.channels.slack import ACCEPT, CONTACTED, REJECT
from handoff.links import LinkAct
from handoff.sign import Forged, check_age
from relevo.events.vocabulary import REJECT_REASONS, RejectReason

ACTS: Final[Mapping[str, LinkAct]] = {ACCEPT: "accept", CONTACTED: "contacted", REJECT: "reject"}


@dataclass(frozen=True)
class Clicked:
    """`user`: the Slack member who clicked."""

    assignment_id: UUID
    version: int
    act: LinkAct
    reason: RejectReason | None
    user: str
    response_url: str | None


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raises Forged."""
    at = headers.get("x-slack-request-timestamp")
    check_age(at)
    ours = "v0=" + hmac.new(secret.encode(), f"v0:{at}:".encode() + body, "sha256").hexdigest()
    given = headers.get("x-slack-signature", "")
    if not given.isascii() or not hmac.compare_digest(ours, given):
        raise Forged("the signature is not this Slack app's")


def read(payload: bytes) -> Clicked | None:
    """None for what is no click on a block of ours."""
    try:
        told = orjson.loads(payload)
        action = told["actions"][0]
        owner, assignment_id, version = action["block_id"].split(".")
        act = ACTS[action["action_id"]]
        reason = action["selected_option"]["value"] if act == "reject" else None
        user, url = told["user"]["id"], told.get("response_url")
        clicked = Clicked(UUID(assignment_id), int(version), act, reason, str(user), str(url) if url else None)
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None
    known = told.get("type") == "block_actions" and owner == "relevo" and 0 < clicked.version < 2**31
    return clicked if known and (reason is None or reason in REJECT_REASONS) else None


def reply(text: str) -> bytes:
    """For the response_url: only who clicked sees it."""
    return orjson.dumps({"response_type": "ephemeral", "replace_original": False, "text": text})
