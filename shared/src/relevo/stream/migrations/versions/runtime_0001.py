"""The runtime's tables and clock: inbox, outbox, dead letters, positions, playbook, idempotency, relevo_now()."""

from alembic import op

from relevo.stream.tables import metadata

revision = "runtime_0001"
down_revision = None
branch_labels = ("runtime",)
depends_on = None

# Queue tables are small and churn: vacuum by count, not by share of a table that is mostly empty.
_QUEUE = (
    "set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)"
)


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.execute(f"alter table outbox {_QUEUE}")
    op.execute("insert into clock_shift values (true, interval '0')")
    op.execute("create function relevo_now() returns timestamptz language sql volatile as 'select clock_timestamp()'")
    op.execute(
        "create function clock_shifted() returns trigger language plpgsql as"
        " $$ begin perform pg_notify('clock_shift', ''); return null; end $$"
    )
    op.execute("create trigger clock_shifted after update on clock_shift for each row execute function clock_shifted()")
