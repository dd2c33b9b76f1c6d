"""The tables of running code: what it may ask of its driver, what it made, and what is left of a failed one."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table

from orchestra_nb.store.column_types import AnyText, ExactJson, JsonText, UtcTime
from orchestra_nb.store.table_basics import Counter, metadata

#: Named values that all runs share.
variables = Table(
    "variables",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("value", ExactJson, nullable=False),
    Column("tags", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Named texts, for the runs of all, encrypted with a key that is not in the store.
secrets = Table(
    "secrets",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("ciphertext", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Those that users have for their own runs, encrypted as all secrets are.
own_secrets = Table(
    "own_secrets",
    metadata,
    Column("owner", AnyText, primary_key=True),
    Column("name", AnyText, primary_key=True),
    Column("ciphertext", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Concurrency limits. ``decaying`` is how many slots a rate limit had not got back at ``decaying_at``.
concurrency_limits = Table(
    "concurrency_limits",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("slot_limit", Integer, nullable=False),
    Column("slot_decay_per_second", Float(53), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("decaying", Float(53), nullable=False),
    Column("decaying_at", UtcTime, nullable=False),
)

#: Slots that somebody holds, one row a holder and limit. A row may outlive its lease until somebody wants its room.
held_slots = Table(
    "held_slots",
    metadata,
    Column("limit_name", AnyText, primary_key=True),
    Column("holder", AnyText, primary_key=True),
    Column("occupied", Integer, nullable=False),
    Column("acquired_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("driver_id", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "holder"),
    Index(None, "task_run_id"),
)

#: One row a version of an artifact; ``number`` keeps the order of creation.
artifacts = Table(
    "artifacts",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("artifact_id", AnyText, nullable=False),
    Column("key", AnyText),
    Column("version", Integer, nullable=False),
    Column("type", AnyText, nullable=False),
    Column("data", ExactJson, nullable=False),
    Column("description", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index(None, "artifact_id", unique=True),
    Index(None, "key", "version", unique=True),
    Index(None, "run_id", "number"),
    Index(None, "task_run_id", "number"),
    sqlite_autoincrement=True,
)

#: One row an asset that a task has made, or that one was made from.
assets = Table(
    "assets",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("properties", JsonText),
)

#: One row each time that a task made an asset.
materializations = Table(
    "materializations",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("asset_key", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("upstream", JsonText, nullable=False),
    Column("metadata", ExactJson, nullable=False),
    Column("by", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "asset_key", "number"),
    Index(None, "run_id", "number"),
    sqlite_autoincrement=True,
)

#: What each asset was made from the last time.
asset_dependencies = Table(
    "asset_dependencies",
    metadata,
    Column("asset_key", AnyText, primary_key=True),
    Column("upstream_key", AnyText, primary_key=True),
    Index(None, "upstream_key"),
)

#: Events that users emit; ``sequence`` grows in commit order.
custom_events = Table(
    "custom_events",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("event_id", AnyText, nullable=False),
    Column("event", AnyText, nullable=False),
    Column("resource", JsonText, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("related", JsonText, nullable=False),
    Column("payload", ExactJson, nullable=False),
    Column("follows", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "event_id", unique=True),
    Index(None, "event", "sequence"),
    Index(None, "run_id", "sequence"),
    sqlite_autoincrement=True,
)

#: What runs ask people for, and what they answered.
run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("key", AnyText, primary_key=True),
    Column("asked_at", UtcTime, nullable=False),
    Column("schema", ExactJson),
    Column("description", AnyText, nullable=False),
    Column("value", ExactJson),
    Column("answered_at", UtcTime),
    Column("answered_by", AnyText),
    Column("task_run_id", AnyText),
)

#: What each run executes, for the runs that can be run again.
run_codes = Table(
    "run_codes",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("entrypoint", AnyText),
    Column("parameters_json", AnyText),
    Column("pickle", JsonText),
    Column("working_folder", AnyText, nullable=False),
    Column("import_folder", AnyText),
    Column("missing", AnyText, nullable=False),
    Column("call", AnyText, nullable=False, server_default=""),
    Column("suspended_until", UtcTime),
    Index(None, "suspended_until"),
)

#: Task runs and runs that failed for good, with what was decided about them.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("letter_id", AnyText, nullable=False),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("epoch", Integer, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("flow_name", AnyText, nullable=False),
    Column("ended_as", AnyText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("error", JsonText),
    Column("inputs", JsonText, nullable=False),
    Column("code", AnyText),
    Column("created_at", UtcTime, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_by", AnyText),
    Column("note", AnyText, nullable=False),
    Index(None, "letter_id", unique=True),
    Index(None, "state", "number"),
    Index(None, "run_id", "number"),
    sqlite_autoincrement=True,
)
