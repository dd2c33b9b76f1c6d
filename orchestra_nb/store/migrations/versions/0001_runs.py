"""Runs with their tasks, cells, log lines and changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("flow_name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("started_at", _time),
        sa.Column("ended_at", _time),
        sa.Column("notebook_path", sa.Text),
        sa.Column("output_path", sa.Text),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("cluster", sa.Text),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("driver_id", sa.Text),
        sa.Column("parent_run_id", sa.Text),
        sa.Column("parent_task_run_id", sa.Text),
    )
    for column in ("name", "state", "flow_name", "kind"):
        op.create_index(f"ix_runs_{column}_run_id", "runs", [column, "run_id"])
    op.create_index("ix_runs_driver_id", "runs", ["driver_id"])
    op.create_index("ix_runs_parent_run_id", "runs", ["parent_run_id"])
    _create_task_runs()
    op.create_table(
        "cell_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("cell_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("started_at", _time),
        sa.Column("ended_at", _time),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "log_lines",
        sa.Column("sequence", _counter, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("task_run_id", sa.Text),
        sa.Column("at", _time, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("logger", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    for column in ("run_id", "task_run_id"):
        op.create_index(f"ix_log_lines_{column}_sequence", "log_lines", [column, "sequence"])
    _create_changes()


def _create_task_runs() -> None:
    op.create_table(
        "task_runs",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("task_run_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("started_at", _time),
        sa.Column("ended_at", _time),
        sa.Column("worker", sa.Text),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("cell_id", sa.Text),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("is_cached", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_runs_task_run_id", "task_runs", ["task_run_id"], unique=True)
    op.create_index("ix_task_runs_run_id_number", "task_runs", ["run_id", "number"])
    op.create_index("ix_task_runs_name_state_number", "task_runs", ["name", "state", "number"])


def _create_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("sequence", _counter, primary_key=True, autoincrement=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("task_run_id", sa.Text),
        sa.Column("cell_index", sa.Integer),
        sa.Column("from_state", sa.Text),
        sa.Column("to_state", sa.Text),
        sa.Column("epoch", sa.Integer),
        sa.Column("attempt", sa.Integer),
        sa.Column("at", _time),
        sa.Column("actor", sa.Text),
        sa.Column("message", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_run_id_sequence", "changes", ["run_id", "sequence"])
