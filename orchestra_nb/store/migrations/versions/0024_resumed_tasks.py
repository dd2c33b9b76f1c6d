"""From which task the flow of a run was resumed, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("runs", sa.Column("fresh_from_task", sa.Text))
    op.add_column("runs", sa.Column("fresh_since", sa.DateTime(timezone=True)))
