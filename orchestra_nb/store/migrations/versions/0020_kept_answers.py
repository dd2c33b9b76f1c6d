"""What calls with an Idempotency-Key were answered; the runs in the order of their begin and of their end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Create the table and the indexes."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "kept_answers",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kept_answers_caller_key", "kept_answers", ["caller", "key"], unique=True)
    op.create_index("ix_runs_started_at_run_id", "runs", ["started_at", "run_id"])
    op.create_index("ix_runs_ended_at_run_id", "runs", ["ended_at", "run_id"])
