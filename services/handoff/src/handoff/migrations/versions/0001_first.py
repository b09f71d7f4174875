"""handoff's tables: leads and who has them, decisions, counters, the reps' day, endpoints, deliveries."""

from alembic import op

from handoff.tables import metadata

revision = "handoff_0001"
down_revision = None
branch_labels = ("handoff",)
depends_on = "runtime_0001"


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    # A delivery row is written three times in its first second: vacuum by count, not by share of a growing table.
    op.execute("alter table delivery set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
