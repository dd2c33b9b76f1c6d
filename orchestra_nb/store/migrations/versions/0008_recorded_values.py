"""The values that notebook runs return."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "recorded_values",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("serializer", sa.Text, nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("readable_json", sa.Text),
        sa.Column("cell_index", sa.Integer),
        sa.Column("unreadable", sa.Text, nullable=False),
    )
