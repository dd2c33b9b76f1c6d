"""Who changed what; whose runs and deployments are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create the table and its indexes, and add the columns."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "audit_entries",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("actor", "via", "origin", "action", "area", "target", "outcome", "code")
        ),
        sa.Column("run_id", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entries_actor_number", "audit_entries", ["actor", "number"])
    op.create_index("ix_audit_entries_target_number", "audit_entries", ["target", "number"])
    op.add_column("runs", sa.Column("owner", sa.Text))
    op.create_index("ix_runs_owner_run_id", "runs", ["owner", "run_id"])
    op.add_column("deployments", sa.Column("owner", sa.Text))
