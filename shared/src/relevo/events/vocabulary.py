"""The field's words: touchpoint types, stages, reasons."""

from typing import Literal, get_args

TouchpointType = Literal[
    "form_submitted", "email_sent", "email_delivered", "email_opened", "email_clicked", "email_replied",
    "email_bounced", "email_unsubscribed", "email_complained", "page_viewed", "content_downloaded",
    "event_registered", "event_attended", "meeting_booked", "call", "identified", "grouped", "tracked",
    "imported", "other",
]  # fmt: skip
TOUCHPOINT_TYPES: tuple[str, ...] = get_args(TouchpointType)

Stage = Literal["lead", "mql", "sql_candidate", "sql", "opportunity", "customer", "recycled", "disqualified"]
STAGES: tuple[str, ...] = get_args(Stage)

RejectReason = Literal[
    "no_need_now", "unresponsive", "other",  # timing → recycle with cool-down
    "wrong_size", "wrong_role", "competitor", "existing_customer",  # fit → exclude until the fields change
    "wrong_geography",  # → next matching team
    "no_contact_data",  # → task to marketing
    "duplicate",  # → merge proposal
]  # fmt: skip
REJECT_REASONS: tuple[str, ...] = get_args(RejectReason)
Consequence = Literal["recycle", "exclude", "next_team", "complete_data", "propose_merge"]

Grade = Literal["A", "B", "C"]
Level = Literal[1, 2, 3]
ClockKind = Literal["wait", "answer", "first_contact", "outcome"]
StepAct = Literal["warn_rep", "warn_manager", "reassign", "accept", "fallback"]
