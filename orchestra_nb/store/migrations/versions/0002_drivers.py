"""Drivers with their leases, requests to cancel, and facts of the store itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "drivers",
        sa.Column("driver_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("process_started_at", sa.Float(53), nullable=False),
        sa.Column("heartbeat_at", _time, nullable=False),
        sa.Column("lease_until", _time, nullable=False),
        sa.Column("ended_at", _time),
    )
    op.create_index("ix_drivers_ended_at", "drivers", ["ended_at"])
    op.create_table(
        "cancel_requests",
        sa.Column("sequence", _counter, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("task_run_id", sa.Text),
        sa.Column("driver_id", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", _time, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cancel_requests_driver_id_sequence", "cancel_requests", ["driver_id", "sequence"])
    op.create_index("ix_cancel_requests_run_id", "cancel_requests", ["run_id"])
    op.create_table(
        "store_facts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
