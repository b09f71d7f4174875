"""Merges by hand, machine clicks found from history, people of one company."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "scoring_0002"
down_revision = "scoring_0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "lead",
        sa.Column(
            "partings",
            sa.Integer,
            nullable=False,
            server_default=sa.text("0"),
            comment="Unmerges that took subjects away.",
        ),
    )
    op.add_column(
        "lead", sa.Column("company", sa.Text(collation="C"), comment="Its domain, where we know who the lead is.")
    )
    op.add_column("lead", sa.Column("active_at", _MOMENT, comment="The day of the last touchpoint by a person."))
    op.create_index("lead_company", "lead", ["company", "active_at"], postgresql_where=sa.text("company is not null"))
    op.add_column("touchpoint", sa.Column("found", sa.Text, comment="How history proved it a machine's."))
    op.create_table(
        "company_due",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("company", sa.Text(collation="C"), nullable=False),
        comment="Companies whose people are to be judged again: their group is newer than it was.",
    )
    op.create_table_comment(
        "redirect", "A lead that went into another one, until it is taken out of it again; never a chain."
    )
    op.create_table(
        "merge",
        sa.Column("merge_id", sa.Uuid, primary_key=True),
        sa.Column("survivor", sa.Uuid, nullable=False),
        sa.Column("loser", sa.Uuid, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("kept", JSON, nullable=False, comment="Both as they were, and what was the loser's; personal data."),
        sa.Column("undone_at", _MOMENT),
        sa.Column("undone_by", sa.Text),
        comment="Merges that a person asked for, with what it takes to undo them.",
    )
    op.create_index("ix_merge_survivor", "merge", ["survivor"])
    op.create_index("ix_merge_loser", "merge", ["loser"])
