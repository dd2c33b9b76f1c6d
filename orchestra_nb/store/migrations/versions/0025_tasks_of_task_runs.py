"""Which task a task run is of, where its name does not say it, and whether results of that are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("task_runs", sa.Column("task_name", sa.Text))
    op.add_column("task_runs", sa.Column("keeps_result", sa.Boolean))
