"""What runs execute, so that they can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "run_codes",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("entrypoint", sa.Text),
        sa.Column("parameters_json", sa.Text),
        sa.Column("pickle", sa.Text),
        sa.Column("working_folder", sa.Text, nullable=False),
        sa.Column("import_folder", sa.Text),
        sa.Column("missing", sa.Text, nullable=False),
        sa.Column("suspended_until", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_run_codes_suspended_until", "run_codes", ["suspended_until"])
