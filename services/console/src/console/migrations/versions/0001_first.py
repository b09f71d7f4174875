"""The console's tables: publications, events, read models, tombstones, sessions."""

from alembic import op

from console.tables import metadata

revision = "console_0001"
down_revision = None
branch_labels = ("console",)
depends_on = "runtime_0001"


def upgrade() -> None:
    metadata.create_all(op.get_bind())
