"""Deployments with their versions and schedules, and the runs that wait to be started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the tables, and tell of each run which deployment and occurrence it is of."""
    for column in (
        sa.Column("deployment", sa.Text),
        sa.Column("deployment_version", sa.Integer),
        sa.Column("occurrence", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("runs", column)
    op.create_index("ix_runs_deployment_run_id", "runs", ["deployment", "run_id"])
    op.create_index("ix_runs_deployment_occurrence", "runs", ["deployment", "occurrence"], unique=True)
    op.create_table(
        "deployments",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("concurrency", sa.Integer),
        sa.Column("on_conflict", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "deployment_versions",
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("notebook", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "schedules",
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("done_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("problem", sa.Text, nullable=False),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_table(
        "service_marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "queued_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("deployment", sa.Text),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_queued_runs_pool_priority_due_at", "queued_runs", ["pool", "priority", "due_at"])
    op.create_index("ix_queued_runs_due_at", "queued_runs", ["due_at"])
    op.create_index("ix_queued_runs_deployment", "queued_runs", ["deployment"])
