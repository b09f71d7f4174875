"""Scoring's first tables: identity, lead, touchpoint, redirect."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "scoring_0001"
down_revision = None
branch_labels = ("scoring",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_BYTES = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("subject_id", _BYTES, primary_key=True),
        sa.Column("kind", sa.Text, comment="email, user or anonymous; null where only its erasure is known."),
        sa.Column("lead_id", sa.Uuid, comment="Null: nobody's since its erasure."),
        sa.Column("erased_before", _MOMENT, comment="The tombstone: what was received before is dropped."),
        comment="Subject → lead: the only place where identifiers meet.",
    )
    op.create_index("ix_identity_lead_id", "identity", ["lead_id"])
    op.create_table(
        "lead",
        sa.Column("lead_id", sa.Uuid, primary_key=True),
        sa.Column("known_by", sa.Text, nullable=False, comment="Its strongest identifier: email, user or anonymous."),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("cycle_from", _MOMENT, comment="Signals count what occurred after it."),
        sa.Column("cool_until", _MOMENT, comment="Only a hand-raise qualifies before."),
        sa.Column("qualified_at", _MOMENT, comment="In this cycle."),
        sa.Column("due_at", _MOMENT, comment="Judge it again then, though nothing happens."),
        sa.Column("playbook_version", _BYTES, nullable=False, comment="Summed under it; '' = to be summed again."),
        sa.Column("grade", sa.Text, comment="As lead.scored told last."),
        sa.Column("level", sa.SmallInteger),
        sa.Column("said", JSON, comment="The score told last."),
        sa.Column("outcome", JSON, nullable=False, comment="Earlier owners; why it is disqualified."),
        sa.Column("sums", JSON, nullable=False, comment="Facts, signals, hand-raise and fit; personal data."),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.text("clock_timestamp()")),
        comment="One row per person, rewritten at each touchpoint.",
        postgresql_with={"fillfactor": 75},
    )
    op.create_index("lead_due", "lead", ["due_at"], postgresql_where=sa.text("due_at is not null"))
    op.create_index("lead_version", "lead", ["playbook_version"])
    op.create_table(
        "touchpoint",
        sa.Column("touchpoint_id", sa.Uuid, primary_key=True),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("subject_id", _BYTES, nullable=False, comment="The strongest one: it decided the lead."),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("machine", sa.Boolean, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column(
            "event", JSON, nullable=False, comment="touchpoint.recorded as it came: scores are summed from it again."
        ),
        comment="Every touchpoint, kept and shown also where it is not scored.",
    )
    op.create_index("touchpoint_of_lead", "touchpoint", ["lead_id", "occurred_at"])
    op.create_table(
        "redirect",
        sa.Column("lead_id", sa.Uuid, primary_key=True),
        sa.Column("survivor", sa.Uuid, nullable=False),
        comment="A lead that went into another one, for ever; never a chain.",
    )
    op.create_index("ix_redirect_survivor", "redirect", ["survivor"])
