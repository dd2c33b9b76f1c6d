"""Automations: what acts when something happens, what their triggers have counted, and what they did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "automations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("automation", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("from_change", sa.BigInteger, nullable=False),
        sa.Column("from_event", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "automation_states",
        sa.Column("automation", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_automation_states_next_at", "automation_states", ["next_at"])
    op.create_table(
        "automation_firings",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("automation", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("hops", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("claim", sa.Text),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_automation_firings_automation_key", "automation_firings", ["automation", "key"], unique=True)
    op.create_index("ix_automation_firings_automation_number", "automation_firings", ["automation", "number"])
    op.create_index("ix_automation_firings_state_lease_until", "automation_firings", ["state", "lease_until"])
