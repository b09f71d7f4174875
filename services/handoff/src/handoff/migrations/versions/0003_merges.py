"""Merges: the halves that have come, and where a loser's id leads."""

from alembic import op

from handoff.tables import metadata

revision = "handoff_0003"
down_revision = "handoff_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())  # what handoff_0001 made of today's tables is there already
