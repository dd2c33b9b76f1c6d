"""Files to be deleted on each machine that has them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "doomed_files",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text),
        sa.Column("output_path", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
