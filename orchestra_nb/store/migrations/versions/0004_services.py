"""Variables, secrets, concurrency limits, artifacts, assets, users' events, inputs of runs, dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "variables",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )
    _create_limits()
    _create_artifacts()
    _create_assets()
    _create_custom_events()
    op.create_table(
        "run_inputs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("schema", sa.Text),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("answered_at", _time),
        sa.Column("answered_by", sa.Text),
        sa.Column("task_run_id", sa.Text),
    )
    _create_dead_letters()


def _create_limits() -> None:
    op.create_table(
        "concurrency_limits",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("slot_limit", sa.Integer, nullable=False),
        sa.Column("slot_decay_per_second", sa.Float(53), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("decaying", sa.Float(53), nullable=False),
        sa.Column("decaying_at", _time, nullable=False),
    )
    op.create_table(
        "held_slots",
        sa.Column("limit_name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("occupied", sa.Integer, nullable=False),
        sa.Column("acquired_at", _time, nullable=False),
        sa.Column("until", _time, nullable=False),
        sa.Column("driver_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("task_run_id", sa.Text),
    )
    for column in ("holder", "task_run_id"):
        op.create_index(f"ix_held_slots_{column}", "held_slots", [column])


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("artifact_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("task_run_id", sa.Text),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_artifacts_artifact_id", "artifacts", ["artifact_id"], unique=True)
    op.create_index("ix_artifacts_key_version", "artifacts", ["key", "version"], unique=True)
    for column in ("run_id", "task_run_id"):
        op.create_index(f"ix_artifacts_{column}_number", "artifacts", [column, "number"])


def _create_assets() -> None:
    op.create_table(
        "assets",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("properties", sa.Text),
    )
    op.create_table(
        "materializations",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("asset_key", sa.Text, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("by", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("task_run_id", sa.Text),
        sqlite_autoincrement=True,
    )
    for column in ("asset_key", "run_id"):
        op.create_index(f"ix_materializations_{column}_number", "materializations", [column, "number"])
    op.create_table(
        "asset_dependencies",
        sa.Column("asset_key", sa.Text, primary_key=True),
        sa.Column("upstream_key", sa.Text, primary_key=True),
    )
    op.create_index("ix_asset_dependencies_upstream_key", "asset_dependencies", ["upstream_key"])


def _create_custom_events() -> None:
    op.create_table(
        "custom_events",
        sa.Column("sequence", _counter, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("occurred_at", _time, nullable=False),
        sa.Column("related", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("follows", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("task_run_id", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_custom_events_event_id", "custom_events", ["event_id"], unique=True)
    for column in ("event", "run_id"):
        op.create_index(f"ix_custom_events_{column}_sequence", "custom_events", [column, "sequence"])


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("letter_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("task_run_id", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("flow_name", sa.Text, nullable=False),
        sa.Column("ended_as", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("closed_at", _time),
        sa.Column("closed_by", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_letter_id", "dead_letters", ["letter_id"], unique=True)
    for column in ("state", "run_id"):
        op.create_index(f"ix_dead_letters_{column}_number", "dead_letters", [column, "number"])
