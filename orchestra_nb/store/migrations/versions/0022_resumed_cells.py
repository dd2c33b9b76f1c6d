"""From which cell the notebook of a run was resumed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("fresh_from_index", sa.Integer))
