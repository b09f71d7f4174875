"""sla-monitor's first tables: lead, standing, clock, breach."""

from alembic import op

from sla_monitor.tables import metadata

revision = "sla_0001"
down_revision = None
branch_labels = ("sla_monitor",)
depends_on = "runtime_0001"


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    # Each step and each answer rewrites its clock, and moves it in the index of deadlines: vacuum by count.
    op.execute("alter table clock set (fillfactor = 80)")
    op.execute("alter table clock set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)")
