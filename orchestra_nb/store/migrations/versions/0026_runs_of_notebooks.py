"""The runs of a notebook by an index: one that ran once among many of its name is found at once."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_runs_notebook_path_run_id", "runs", ["notebook_path", "run_id"])
