"""Cached results, and who is computing one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cached_results",
        sa.Column("cache_key", sa.Text, primary_key=True),
        sa.Column("task_name", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("expires_at", _time),
    )
    op.create_index("ix_cached_results_expires_at", "cached_results", ["expires_at"])
    op.create_table(
        "cache_claims",
        sa.Column("cache_key", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("lease_until", _time, nullable=False),
    )
    op.create_index("ix_cache_claims_lease_until", "cache_claims", ["lease_until"])
