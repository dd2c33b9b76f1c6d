"""What transactions keep back until they are committed, and how the task of a run was called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table and the column."""
    op.add_column("run_codes", sa.Column("call", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "staged_results",
        sa.Column("staging_id", sa.Text, primary_key=True),
        sa.Column("cache_key", sa.Text, primary_key=True),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False),
    )
