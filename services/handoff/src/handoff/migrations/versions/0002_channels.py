"""Endpoints of several kinds, their breaker and rotation; the log of tries; one-click links; the reps' spare room."""

from alembic import op

from handoff.tables import metadata

revision = "handoff_0002"
down_revision = "handoff_0001"
branch_labels = None
depends_on = None

ADDED = {
    "endpoint": (
        "kind text not null default 'webhook'", "options jsonb not null default '{}'", "overlap_until timestamptz",
        "failures integer not null default 0", "failing_since timestamptz", "spared_until timestamptz",
        "replay_to bigint",
    ),
    "delivery": ("rep text", "remote jsonb"),
    "away": ("uid text",),
}  # fmt: skip


def upgrade() -> None:
    # What handoff_0001 made of today's tables is there already.
    for table, columns in ADDED.items():
        for column in columns:
            op.execute(f"alter table {table} add column if not exists {column}")
    op.execute("alter table endpoint alter column url drop not null")
    metadata.create_all(op.get_bind())
    op.execute(
        "create index if not exists delivery_contact on delivery ((remote->>'contact')) where remote is not null"
    )
