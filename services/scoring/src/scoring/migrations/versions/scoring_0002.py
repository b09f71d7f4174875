"""Merges by hand, machine clicks found from history, people of one company, MQLs and outcomes to learn from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "scoring_0002"
down_revision = "scoring_0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NR = sa.text("nextval('handled')")
_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.execute("create sequence handled")
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
    op.add_column("touchpoint", sa.Column("nr", sa.BigInteger, nullable=False, server_default=_NR))
    op.add_column("touchpoint", sa.Column("handled_at", _MOMENT, nullable=False, server_default=_NOW))
    op.execute("update touchpoint set handled_at = received_at")
    op.create_table(
        "mql",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("lead_id", sa.Uuid, nullable=False, comment="As it was told; it may have gone into another since."),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("persona", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("trigger", JSON, nullable=False),
        sa.Column("contributions", JSON, nullable=False, comment="Every reason with its points."),
        sa.Column(
            "attributes", JSON, nullable=False, comment="What was known of the lead before the hand-off; personal data."
        ),
        comment="Every MQL as it was told: simulations and learning compare with it.",
    )
    op.create_index("mql_of_lead", "mql", ["lead_id", "cycle"])
    op.create_index("mql_at", "mql", ["at"])
    op.create_table(
        "outcome",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("lead_id", sa.Uuid, nullable=False, comment="As sales knows it."),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False, comment="accepted, rejected, won, lost, recycled, disqualified."),
        sa.Column("reason", sa.Text),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT),
        sa.Column("nr", sa.BigInteger, nullable=False, server_default=_NR),
        sa.Column("handled_at", _MOMENT, nullable=False, server_default=_NOW),
        comment="What sales said of the leads it was given.",
    )
    op.create_index("outcome_of_lead", "outcome", ["lead_id", "cycle"])
    op.create_table(
        "learnt",
        sa.Column("lead_id", sa.Uuid, primary_key=True),
        sa.Column("chance", sa.Float, nullable=False, comment="That sales accepts it, as the model of `at` says."),
        sa.Column(
            "reasons", JSON, nullable=False, comment="By how much the chance would change, were it as usual in that."
        ),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        comment="What `python -m scoring learn` said of MQLs that sales has not answered; personal data.",
    )
    op.create_table(
        "rescoring",
        sa.Column("paused_at", _MOMENT, nullable=False),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.text("true")),
        comment="One row while the background leaves leads of an older playbook alone; else none.",
    )
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
        sa.Column("nr", sa.BigInteger, nullable=False, server_default=_NR),
        comment="Merges that a person asked for, with what it takes to undo them.",
    )
    op.create_index("ix_merge_survivor", "merge", ["survivor"])
    op.create_index("ix_merge_loser", "merge", ["loser"])
