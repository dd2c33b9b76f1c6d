"""Whether a run is asked to be cancelled, or to suspend itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column; what was asked before were cancels."""
    op.add_column("cancel_requests", sa.Column("kind", sa.Text, nullable=False, server_default="cancel"))
