"""Cells of each epoch of a run, their attempts, and whether they were replayed from what was kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_KEPT = "run_id, cell_index, cell_id, state, title, started_at, ended_at, error"


def upgrade() -> None:
    """Make the table anew: the epoch becomes a part of its key."""
    op.create_table(
        "cell_runs_new",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("cell_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("is_cached", sa.Boolean, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.execute(
        f"INSERT INTO cell_runs_new ({_KEPT}, epoch, attempt, max_attempts, is_cached, message) "
        f"SELECT {_KEPT}, 1, 1, 1, false, '' FROM cell_runs"
    )
    op.drop_table("cell_runs")
    op.rename_table("cell_runs_new", "cell_runs")
