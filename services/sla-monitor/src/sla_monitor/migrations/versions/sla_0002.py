"""The commitments of both teams: what they count, and what was said of them; merges."""

from alembic import op

from sla_monitor.tables import metadata

revision = "sla_0002"
down_revision = "sla_0001"
branch_labels = None
depends_on = None

# A new database has all of it already: its first migration makes the tables as they are declared now.
_COLUMNS = (
    ("standing", "reviewed_at", "timestamptz"),
    ("standing", "accepted", "boolean"),
    ("clock", "counted_at", "timestamptz"),
    ("clock", "kept", "boolean"),
)


def upgrade() -> None:
    for table, column, kind in _COLUMNS:
        op.execute(f"alter table {table} add column if not exists {column} {kind}")
    connection = op.get_bind()
    metadata.create_all(connection)
    for name in ("standing", "clock"):
        for index in metadata.tables[name].indexes:
            index.create(connection, checkfirst=True)
